"""The read cache in Redis. Everything in it can be made again from the database.

Entries and the mark are compared and set by scripts inside Redis, so that processes that
publish and fill at the same time cannot put an older body over a newer one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from redis import Redis
from redis.exceptions import RedisError

from projections.cache import Entry, Mark

LIFETIME_SECONDS = 3600
MARK_SECONDS = 10
"""A mark that no worker renews is gone after this time, and with it the trust in the entries:
the longest that a reader can be shown what the views no longer show."""
PAUSE_SECONDS = 1.0

log = logging.getLogger(__name__)

# An entry is `<position> <msgpack>`; the mark is a hash of numbers.
_KEEP = """
local function keep(key, position, value, seconds)
  local known = redis.call('GET', key)
  if not known or tonumber(string.match(known, '^%d+')) <= tonumber(position) then
    redis.call('SET', key, value, 'EX', seconds)
  end
end
"""
_FILL = (
    _KEEP
    + """
local since = tonumber(redis.call('HGET', KEYS[1], 'floor') or 0)
for i = 4, #ARGV do
  local changed = tonumber(redis.call('HGET', KEYS[1], 'kind:' .. ARGV[i]) or 0)
  if changed > since then since = changed end
end
if tonumber(ARGV[1]) >= since then keep(KEYS[2], ARGV[1], ARGV[2], ARGV[3]) end
"""
)
_PUBLISH = (
    _KEEP
    + """
local before, after, seconds, alive, kinds = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
for i = 2, #KEYS do keep(KEYS[i], after, ARGV[5 + kinds + i - 1], seconds) end
local known = redis.call('HGET', KEYS[1], 'position')
if known and tonumber(known) > tonumber(after) then return end
redis.call('EXPIRE', KEYS[1], alive)
if known == after then return end
if known ~= before then redis.call('HSET', KEYS[1], 'floor', after) end
redis.call('HSET', KEYS[1], 'position', after)
for i = 1, kinds do redis.call('HSET', KEYS[1], 'kind:' .. ARGV[5 + i], after) end
redis.call('EXPIRE', KEYS[1], alive)
"""
)


class RedisCache:
    """Away or slow, it is as good as empty: reads go to the database.

    After an error nothing is tried for a second, so that a Redis that hangs does not cost
    every read its timeout.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._fill = redis.register_script(_FILL)
        self._publish = redis.register_script(_PUBLISH)
        self._silent_until = 0.0

    def look(self, generation: int, key: str) -> tuple[Entry | None, Mark | None]:
        if self._silent:
            return None, None
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.get(_key(generation, key))
        pipeline.hgetall(_mark_key(generation))
        try:
            stored, mark = pipeline.execute()
        except RedisError as error:
            self._away(error)
            return None, None
        return _entry(stored), _mark(mark)

    def fill(self, generation: int, key: str, entry: Entry, kinds: tuple[str, ...]) -> None:
        if self._silent:
            return
        keys = [_mark_key(generation), _key(generation, key)]
        arguments: list[Any] = [entry.position, _value(entry), LIFETIME_SECONDS, *kinds]
        try:
            self._fill(keys=keys, args=arguments)
        except RedisError as error:
            self._away(error)

    def publish(
        self,
        generation: int,
        entries: Mapping[str, Entry],
        *,
        before: int,
        after: int,
        kinds: set[str],
    ) -> None:
        if self._silent:
            return
        keys = [_mark_key(generation), *(_key(generation, key) for key in entries)]
        values = [_value(entry) for entry in entries.values()]
        arguments: list[Any] = [before, after, LIFETIME_SECONDS, MARK_SECONDS]
        arguments += [len(kinds), *sorted(kinds), *values]
        try:
            self._publish(keys=keys, args=arguments)
        except RedisError as error:
            self._away(error)

    @property
    def _silent(self) -> bool:
        return time.monotonic() < self._silent_until

    def _away(self, error: RedisError) -> None:
        log.warning("the cache is away (%s); reads go to the database", error)
        self._silent_until = time.monotonic() + PAUSE_SECONDS


def _key(generation: int, key: str) -> str:
    return f"view:{generation}:{key}"


def _mark_key(generation: int) -> str:
    return f"views:mark:{generation}"


def _value(entry: Entry) -> bytes:
    return b"%d " % entry.position + msgspec.msgpack.encode(entry)


def _entry(stored: bytes | None) -> Entry | None:
    if stored is None:
        return None
    try:
        return msgspec.msgpack.decode(stored.partition(b" ")[2], type=Entry)
    except msgspec.MsgspecError:
        return None


def _mark(stored: dict[bytes, Any]) -> Mark | None:
    if b"position" not in stored:
        return None
    changed = {
        name.decode().removeprefix("kind:"): int(value)
        for name, value in stored.items()
        if name.startswith(b"kind:")
    }
    return Mark(int(stored[b"position"]), int(stored.get(b"floor", 0)), changed)
