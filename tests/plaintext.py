"""Looking for a person's data everywhere it might lie, in whatever disguise."""

from __future__ import annotations

import json
import zlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

from redis import Redis

from infrastructure.database import Database
from infrastructure.runtime import Runtime

Place = tuple[str, bytes]
"""Where it lies, and what lies there."""
TABLES_SQLITE = "SELECT name FROM sqlite_master WHERE type = 'table'"
TABLES_MYSQL = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"


def disguises(text: str) -> set[bytes]:
    """The text raw, in another case, escaped for JSON or a URL, in hexadecimal, and the part of
    its base64 that is the same whatever stands around it."""
    forms = set[bytes]()
    for spelled in {text, text.casefold(), text.upper()}:
        forms |= {json.dumps(spelled, ensure_ascii=ascii)[1:-1].encode() for ascii in (True, False)}
        forms |= {quoted(spelled).encode() for quoted in (quote, quote_plus)}
        raw = spelled.encode()
        forms |= {raw, raw.hex().encode(), repr(spelled)[1:-1].encode()}
        for before in range(3):
            # The first and last signs hold bits of the neighbours too.
            inner = raw[(3 - before) % 3 :]
            whole = inner[: len(inner) // 3 * 3]
            forms |= {b64encode(whole), urlsafe_b64encode(whole)}
    return forms


def found(personal: Iterable[str], places: Iterable[Place]) -> set[str]:
    """The places that hold something personal."""
    wanted = {form for text in personal for form in disguises(text)}
    return {
        where
        for where, stored in places
        for readable in (stored, _inflated(stored))
        if any(form in readable for form in wanted)
    }


def everywhere(runtime: Runtime) -> Iterator[Place]:
    """Every column of every table, and all of the cache and the queues."""
    yield from _in_database(runtime.database)
    if runtime.redis is not None:
        yield from _in_redis(runtime.redis)
    else:
        cache: Any = runtime.queries._cache
        for key, entry in cache._entries.items():
            yield f"cache {key}", repr(key).encode() + entry.body


def _in_database(database: Database) -> Iterator[Place]:
    with database.reading() as connection:
        names = connection.exec_driver_sql(TABLES_MYSQL if database.is_mysql else TABLES_SQLITE)
        for name in names.scalars().all():
            rows = connection.exec_driver_sql(f"SELECT * FROM {name}")  # noqa: S608
            for row in rows.mappings():
                for column, value in row.items():
                    yield f"{name}.{column}", _bytes(value)


def _in_redis(redis: Redis) -> Iterator[Place]:
    reading: dict[Any, Any] = {
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"set": redis.smembers,
        b"zset": lambda key: redis.zrange(key, 0, -1),
    }
    for key in redis.scan_iter():
        yield f"redis {key!r}", key
        for value in _flat(reading[redis.type(key)](key)):
            yield f"redis {key!r}", _bytes(value)


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from _flat([*value.keys(), *value.values()])
    elif isinstance(value, (list, set)):
        for one in value:
            yield from _flat(one)
    else:
        yield value


def _bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, (bytes, bytearray)) else str(value).encode()


def _inflated(stored: bytes) -> bytes:
    """RQ packs its jobs."""
    try:
        return zlib.decompress(stored)
    except zlib.error:
        return b""
