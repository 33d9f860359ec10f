"""Counting requests: in Redis for all processes together, or in this process."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from limits import RateLimitItem
from limits.storage import MemoryStorage, RedisStorage
from redis.exceptions import NoScriptError

from infrastructure.redis_cache import RedisCache
from infrastructure.redis_link import Link
from projections.cache import Cache, Looked


@dataclass(frozen=True)
class Hit:
    """One request against one budget. `seconds`: how long its window is."""

    budget: str
    limit: RateLimitItem
    whose: str

    @cached_property
    def key(self) -> str:
        return self.limit.key_for(self.budget, self.whose)

    @cached_property
    def stored(self) -> str:
        """The key in Redis."""
        return f"{RedisStorage.PREFIX}:{self.key}"

    @cached_property
    def seconds(self) -> int:
        return self.limit.get_expiry()

    @cached_property
    def policy(self) -> str:
        """As the header RateLimit-Policy tells it."""
        return f'"{self.budget}";q={self.limit.amount};w={self.seconds}'


class Count(NamedTuple):
    """What a budget stands at: `used` in this window, which ends in `seconds`."""

    hit: Hit
    used: int
    seconds: int

    @property
    def left(self) -> int:
        return self.hit.limit.amount - self.used


class Counter(Protocol):
    def count(self, hits: Sequence[Hit]) -> list[Count]: ...

    def count_and_look(
        self, hits: Sequence[Hit], generation: int, key: str
    ) -> tuple[list[Count], Looked]:
        """Both in one round trip."""

    def knows(self, hit: Hit) -> bool:
        """Whether it was counted in its window. Counts nothing."""


class LocalCounter:
    """For what is one process, or has to do without the others."""

    def __init__(self, cache: Cache | None = None) -> None:
        self._storage, self._cache = MemoryStorage(), cache

    def count(self, hits: Sequence[Hit]) -> list[Count]:
        return [Count(hit, self._incremented(hit), self._seconds(hit)) for hit in hits]

    def _incremented(self, hit: Hit) -> int:
        # The clock was set back: the window would end that much later.
        if self._storage.get_expiry(hit.key) > time.time() + hit.seconds:
            self._storage.clear(hit.key)
        return self._storage.incr(hit.key, hit.seconds)

    def _seconds(self, hit: Hit) -> int:
        return max(1, math.ceil(self._storage.get_expiry(hit.key) - time.time()))

    def count_and_look(
        self, hits: Sequence[Hit], generation: int, key: str
    ) -> tuple[list[Count], Looked]:
        looked = self._cache.look(generation, key) if self._cache else (None, None)
        return self.count(hits), looked

    def knows(self, hit: Hit) -> bool:
        return self._storage.get(hit.key) > 0


_COUNT = """
local counts = {}
for i = 1, #ARGV do
  local used = redis.call('INCR', KEYS[i])
  if used == 1 then redis.call('EXPIRE', KEYS[i], ARGV[i]) end
  counts[2 * i - 1], counts[2 * i] = used, redis.call('TTL', KEYS[i])
end
for i = #ARGV + 1, #KEYS do table.insert(counts, redis.call('GET', KEYS[i])) end
return counts
"""
"""For each expiry in ARGV the key at its place: how often, and for how long yet. What keys are
left hold what the look wants."""


class RedisCounter:
    """Counts in Redis, in one command together with the look in the cache."""

    def __init__(self, link: Link, cache: RedisCache) -> None:
        self._link, self._cache = link, cache
        self._count = link.redis.register_script(_COUNT)
        self._alone = LocalCounter()

    def count(self, hits: Sequence[Hit]) -> list[Count]:
        answers = self._ask(hits)
        return self._alone.count(hits) if answers is None else _counts(hits, answers)

    def count_and_look(
        self, hits: Sequence[Hit], generation: int, key: str
    ) -> tuple[list[Count], Looked]:
        if not hits:
            return [], self._cache.look(generation, key)
        answers = self._ask(hits, self._cache.looking(generation, key))
        if answers is None:
            return self._alone.count(hits), (None, None)
        return _counts(hits, answers), self._cache.looked(*answers[2 * len(hits) :])

    def knows(self, hit: Hit) -> bool:
        known = self._link.attempt(lambda: self._link.redis.exists(hit.stored))
        return self._alone.knows(hit) if known is None else known == 1

    def _ask(self, hits: Sequence[Hit], looking: Sequence[str] = ()) -> list[Any] | None:
        keys = [*[hit.stored for hit in hits], *looking]
        expiries = [hit.seconds for hit in hits]

        def ask() -> Any:
            try:
                return self._link.ask("EVALSHA", self._count.sha, len(keys), *keys, *expiries)
            except NoScriptError:
                return self._count(keys=keys, args=expiries)

        return self._link.attempt(ask)


def _counts(hits: Sequence[Hit], answers: Sequence[int]) -> list[Count]:
    # What was looked for stands behind them.
    told = zip(hits, answers[::2], answers[1::2], strict=False)
    return [Count(hit, used, max(1, seconds)) for hit, used, seconds in told]
