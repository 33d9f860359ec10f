"""The read cache in Redis. Everything in it can be made again from the database.

Entries and the mark are compared and set by scripts inside Redis, so that processes that
publish and fill at the same time cannot put an older body over a newer one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from redis import Redis
from redis.exceptions import RedisError

from projections.cache import Entry, Mark

MARK = "views:mark"
PREFIX = "view:"
LIFETIME_SECONDS = 3600

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
local before, after, seconds, kinds = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
for i = 2, #KEYS do keep(KEYS[i], after, ARGV[4 + kinds + i - 1], seconds) end
local known = redis.call('HGET', KEYS[1], 'position')
if known and tonumber(known) >= tonumber(after) then return end
if known ~= before then redis.call('HSET', KEYS[1], 'floor', after) end
redis.call('HSET', KEYS[1], 'position', after)
for i = 1, kinds do redis.call('HSET', KEYS[1], 'kind:' .. ARGV[4 + i], after) end
"""
)


class RedisCache:
    """Away or slow, it is as good as empty: reads go to the database."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._fill = redis.register_script(_FILL)
        self._publish = redis.register_script(_PUBLISH)

    def look(self, key: str) -> tuple[Entry | None, Mark | None]:
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.get(PREFIX + key)
        pipeline.hgetall(MARK)
        try:
            stored, mark = pipeline.execute()
        except RedisError:
            return None, None
        return _entry(stored), _mark(mark)

    def fill(self, key: str, entry: Entry, kinds: tuple[str, ...]) -> None:
        arguments: list[str | int | bytes] = [entry.position, _value(entry), LIFETIME_SECONDS, *kinds]
        try:
            self._fill(keys=[MARK, PREFIX + key], args=arguments)
        except RedisError:
            log.debug("the cache is away; nothing filled")

    def publish(
        self, entries: Mapping[str, Entry], *, before: int, after: int, kinds: set[str]
    ) -> None:
        keys = [MARK, *(PREFIX + key for key in entries)]
        values = [_value(entry) for entry in entries.values()]
        arguments: list[str | int | bytes] = [before, after, LIFETIME_SECONDS, len(kinds), *sorted(kinds), *values]
        try:
            self._publish(keys=keys, args=arguments)
        except RedisError:
            log.warning("the cache is away; batch %d-%d not published", before, after)


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
