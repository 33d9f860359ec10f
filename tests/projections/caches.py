"""Both caches, and what can happen to them from outside."""

from __future__ import annotations

from redis import Redis

from infrastructure.redis_cache import RedisCache
from infrastructure.redis_link import Link
from projections.cache import Cache, Entry, LocalCache

GENERATION = 1


def entry(position: int, version: int = 1, body: bytes = b"{}") -> Entry:
    return Entry(position, version, None, body)


def redis_cache(url: str, store: str = "store") -> RedisCache:
    link = Link(Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1))
    return RedisCache(link, lambda: store)


def evict(cache: Cache, key: str) -> None:
    if isinstance(cache, LocalCache):
        cache._entries.pop((GENERATION, key), None)
    elif isinstance(cache, RedisCache):
        cache._link.redis.delete(cache._key(GENERATION, key))


def flush(cache: Cache) -> None:
    """As after a restart."""
    if isinstance(cache, LocalCache):
        cache._entries.clear()
        cache._marks.clear()
    elif isinstance(cache, RedisCache):
        cache._link.redis.flushdb()


def lose_mark(cache: Cache) -> None:
    """Evicted for lack of memory, or no worker renewed it."""
    if isinstance(cache, LocalCache):
        cache._marks.clear()
    elif isinstance(cache, RedisCache):
        cache._link.redis.delete(cache._mark_key(GENERATION))


def served(cache: Cache, key: str, kinds: tuple[str, ...] = ()) -> Entry | None:
    """The entry as a reader would believe it."""
    found, mark = cache.look(GENERATION, key)
    return found if found is not None and mark is not None and mark.holds(found, kinds) else None
