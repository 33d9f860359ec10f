"""The read cache in Redis. Everything in it can be made again from the database.

Entries and the mark are compared and set by scripts inside Redis, so that processes that
publish and fill at the same time cannot put an older body over a newer one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from infrastructure.redis_link import Command, Link
from projections.cache import Entry, Looked, Mark

LIFETIME_SECONDS = 3600
MARK_SECONDS = 10
"""A mark that no worker renews is gone after this time, and with it the trust in the entries:
the longest that a reader can be shown what the views no longer show."""

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
_DISTRUST = """
redis.call('HSETNX', KEYS[1], 'position', ARGV[1])
local floor = tonumber(redis.call('HGET', KEYS[1], 'floor') or 0)
if floor <= tonumber(ARGV[1]) then redis.call('HSET', KEYS[1], 'floor', ARGV[1] + 1) end
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""


class RedisCache:
    """Away or slow, it is as good as empty: reads go to the database."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._fill = link.redis.register_script(_FILL)
        self._publish = link.redis.register_script(_PUBLISH)
        self._distrust = link.redis.register_script(_DISTRUST)

    def look(self, generation: int, key: str) -> Looked:
        answers = self._link.ask(self.looking(generation, key))
        return (None, None) if answers is None else self.looked(answers)

    def looking(self, generation: int, key: str) -> list[Command]:
        """What to ask Redis for a look, maybe together with something else."""
        return [("GET", _key(generation, key)), ("HGETALL", _mark_key(generation))]

    def looked(self, answers: Sequence[Any]) -> Looked:
        """What the answers to `looking` say."""
        stored, mark = answers
        return _entry(stored), _mark(mark)

    def fill(self, generation: int, key: str, entry: Entry, kinds: tuple[str, ...]) -> None:
        keys = [_mark_key(generation), _key(generation, key)]
        arguments: list[Any] = [entry.position, _value(entry), LIFETIME_SECONDS, *kinds]
        self._link.attempt(lambda: self._fill(keys=keys, args=arguments))

    def publish(
        self,
        generation: int,
        entries: Mapping[str, Entry],
        *,
        before: int,
        after: int,
        kinds: set[str],
    ) -> None:
        keys = [_mark_key(generation), *(_key(generation, key) for key in entries)]
        values = [_value(entry) for entry in entries.values()]
        arguments: list[Any] = [before, after, LIFETIME_SECONDS, MARK_SECONDS]
        arguments += [len(kinds), *sorted(kinds), *values]
        self._link.attempt(lambda: self._publish(keys=keys, args=arguments))

    def distrust(self, generation: int, position: int) -> None:
        keys, arguments = [_mark_key(generation)], [position, MARK_SECONDS]
        self._link.attempt(lambda: self._distrust(keys=keys, args=arguments))


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
