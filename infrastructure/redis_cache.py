"""The read cache in Redis. Everything in it can be made again from the database.

Entries and the mark are compared and set by scripts inside Redis, so that processes that
publish and fill at the same time cannot put an older body over a newer one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any

import msgspec

from infrastructure.redis_link import Link
from projections.cache import Entry, Looked, Mark

LIFETIME_SECONDS = 3600
PAGE_SECONDS = 60
"""A page is kept for as long at most: many are asked for once, and none is written through."""
MARK_SECONDS = 10
"""A mark that no worker renews is gone after this time, and with it the trust in the entries:
the longest that a reader can be shown what the views no longer show."""

# An entry is `<position> <msgpack>`; the mark is JSON, as `Mark` is decoded.
_KEEP = """
local function keep(key, position, value, seconds)
  local known = redis.call('GET', key)
  if not known or tonumber(string.match(known, '^%d+')) <= position then
    redis.call('SET', key, value, 'EX', seconds)
  end
end
"""
_FILL = (
    _KEEP
    + """
local position, known = tonumber(ARGV[1]), redis.call('GET', KEYS[1])
if known then
  local mark = cjson.decode(known)
  local since = mark[2]
  for i = 4, #ARGV do since = math.max(since, mark[3][ARGV[i]] or 0) end
  if position < since then return end
end
keep(KEYS[2], position, ARGV[2], ARGV[3])
"""
)
_PUBLISH = (
    _KEEP
    + """
local before, after, seconds, alive = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local kinds = tonumber(ARGV[5])
for i = 2, #KEYS do keep(KEYS[i], after, ARGV[5 + kinds + i - 1], seconds) end
local known = redis.call('GET', KEYS[1])
local mark = known and cjson.decode(known) or {-1, 0, {}}
if mark[1] > after then return end
if mark[1] < after then
  if mark[1] ~= before then mark[2] = after end
  mark[1] = after
  for i = 1, kinds do mark[3][ARGV[5 + i]] = after end
end
redis.call('SET', KEYS[1], cjson.encode(mark), 'EX', alive)
"""
)
_DISTRUST = """
local position, known = tonumber(ARGV[1]), redis.call('GET', KEYS[1])
local mark = known and cjson.decode(known) or {position, 0, {}}
mark[2] = math.max(mark[2], position + 1)
redis.call('SET', KEYS[1], cjson.encode(mark), 'EX', ARGV[2])
"""


class RedisCache:
    """Away or slow, it is as good as empty: reads go to the database.

    Every key holds the store's own name: two shops that were given the same Redis, by mistake
    or not, show nothing of each other.
    """

    def __init__(self, link: Link, name_store: Callable[[], str]) -> None:
        self._link, self._name_store = link, name_store
        self._fill = link.redis.register_script(_FILL)
        self._publish = link.redis.register_script(_PUBLISH)
        self._distrust = link.redis.register_script(_DISTRUST)

    def look(self, generation: int, key: str) -> Looked:
        ask = partial(self._link.ask, "MGET", *self.looking(generation, key))
        found: list[Any] | None = self._link.attempt(ask)
        return (None, None) if found is None else self.looked(*found)

    def looking(self, generation: int, key: str) -> list[str]:
        """What to get for a look. In one command, so that all is of one moment."""
        return [self._key(generation, key), self._mark_key(generation)]

    @staticmethod
    def looked(stored: bytes | None, mark: bytes | None) -> Looked:
        """What that says."""
        return _entry(stored), _mark(mark)

    def fill(self, generation: int, key: str, entry: Entry, kinds: tuple[str, ...]) -> None:
        keys = [self._mark_key(generation), self._key(generation, key)]
        seconds = LIFETIME_SECONDS if entry.version else PAGE_SECONDS
        arguments: list[Any] = [entry.position, _value(entry), seconds, *kinds]
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
        keys = [self._mark_key(generation), *(self._key(generation, key) for key in entries)]
        values = [_value(entry) for entry in entries.values()]
        arguments: list[Any] = [before, after, LIFETIME_SECONDS, MARK_SECONDS]
        arguments += [len(kinds), *sorted(kinds), *values]
        self._link.attempt(lambda: self._publish(keys=keys, args=arguments))

    def distrust(self, generation: int, position: int) -> None:
        keys, arguments = [self._mark_key(generation)], [position, MARK_SECONDS]
        self._link.attempt(lambda: self._distrust(keys=keys, args=arguments))

    @cached_property
    def _store(self) -> str:
        return self._name_store()

    def _key(self, generation: int, key: str) -> str:
        return f"{self._store}:{generation}:{key}"

    def _mark_key(self, generation: int) -> str:
        return f"{self._store}:{generation}:mark"


_decode_entry = msgspec.msgpack.Decoder(Entry).decode
_decode_mark = msgspec.json.Decoder(Mark).decode


def _value(entry: Entry) -> bytes:
    return b"%d " % entry.position + msgspec.msgpack.encode(entry)


def _entry(stored: bytes | None) -> Entry | None:
    """Nothing also for what another release left there."""
    try:
        return _decode_entry(stored[stored.index(b" ") + 1 :]) if stored is not None else None
    except ValueError:
        return None


def _mark(stored: bytes | None) -> Mark | None:
    try:
        return _decode_mark(stored) if stored is not None else None
    except ValueError:
        return None
