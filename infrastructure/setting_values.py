"""From the text of a setting to its value; a `ValueError` says what was expected.

No message repeats a secret.
"""

from __future__ import annotations

import os
import re
from base64 import b64decode
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from limits import RateLimitItem, parse_many

T = TypeVar("T")
Network = IPv4Network | IPv6Network

SECRET_LENGTH_MIN = 32
SECRET_DIFFERENT_MIN = 8
PASSWORD_LENGTH_MIN = 12
METRICS_TOKEN_LENGTH_MIN = 16
MASTER_KEY_BYTES = 32
WELL_KNOWN = ("change", "default", "example", "password", "secret", "your-", "your_")
"""Parts of the keys that stand in other people's examples."""


def text(value: str) -> str:
    return value


def number(least: int, most: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
            raise ValueError(f"expected a number from {least} to {most}, not {value!r}")
        return int(value)

    return read


def one_of(*allowed: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"expected {' or '.join(allowed)}, not {value!r}")
        return value

    return read


def switch(value: str) -> bool:
    return one_of("1", "0")(value) == "1"


def several(one: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    def read(value: str) -> tuple[T, ...]:
        return tuple(one(part.strip()) for part in value.split(","))

    return read


def directory(value: str) -> Path:
    """A directory that can be written, or can be made where it is missing."""
    path = Path(value)
    found = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    if not (found.is_dir() and os.access(found, os.W_OK | os.X_OK)):
        raise ValueError(f"expected a directory that can be written, not {value!r}")
    return path


def timezone(value: str) -> ZoneInfo:
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"expected a time zone such as Europe/Berlin, not {value!r}") from error


def rate(value: str) -> RateLimitItem:
    try:
        (limit,) = parse_many(value)
    except ValueError:
        limit = None
    if limit is None or limit.amount < 1 or limit.multiples < 1:
        raise ValueError(f"expected a rate such as 10/minute, not {value!r}")
    return limit


def network(value: str) -> Network:
    try:
        return ip_network(value)
    except ValueError as error:
        raise ValueError(f"expected an address or a network, not {value!r}") from error


def origin(value: str) -> str:
    url = _url(value)
    if url is None or url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError(f"expected an origin such as https://desk.example, not {value!r}")
    if value != f"{url.scheme}://{url.netloc}" or "@" in value or value != value.lower():
        raise ValueError(f"expected an origin without path and in lower case, not {value!r}")
    return value


def email(value: str) -> str:
    name, at, host = value.partition("@")
    if not (name and at and host) or "@" in host or any(c.isspace() for c in value):
        raise ValueError(f"expected an e-mail address, not {value!r}")
    return value


def password(value: str) -> str:
    if len(value) < PASSWORD_LENGTH_MIN:
        raise ValueError(f"expected {PASSWORD_LENGTH_MIN} characters or more")
    return value


def jwt_key(value: str) -> str:
    if len(value) < SECRET_LENGTH_MIN:
        raise ValueError(f"expected {SECRET_LENGTH_MIN} characters or more")
    if any(part in value.lower() for part in WELL_KNOWN) or _repeats(value):
        raise ValueError("expected a random key, not one that can be guessed")
    return value


def metrics_token(value: str) -> str:
    if len(value) < METRICS_TOKEN_LENGTH_MIN:
        raise ValueError(f"expected {METRICS_TOKEN_LENGTH_MIN} characters or more")
    return value


def master_key(value: str) -> bytes:
    try:
        key = b64decode(value, validate=True)
    except ValueError:
        key = b""
    if len(key) != MASTER_KEY_BYTES:
        raise ValueError(f"expected base64 of {MASTER_KEY_BYTES} bytes")
    if _repeats(key):
        raise ValueError("expected a random key, not one that can be guessed")
    return key


def _repeats(value: str | bytes) -> bool:
    return len(set(value)) < SECRET_DIFFERENT_MIN


def database_url(value: str) -> str:
    url = _url(value)
    named = url is not None and url.path.strip("/")
    if url is not None and named:
        if url.scheme == "mysql+pymysql" and url.hostname:
            return value
        if url.scheme == "sqlite" and not url.netloc:
            return value
    raise ValueError("expected mysql+pymysql://user:password@host:3306/database or sqlite:///file")


class Account(NamedTuple):
    """A user of MySQL or MariaDB, and where it may come from."""

    name: str
    host: str = "%"

    def __str__(self) -> str:
        return f"'{self.name}'@'{self.host}'"


def account(value: str) -> Account:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}(@[A-Za-z0-9_.:%/-]{1,255})?", value):
        raise ValueError(f"expected a name such as shop_api or shop_api@10.1.%, not {value!r}")
    return Account(*value.split("@"))


def redis_url(value: str) -> str:
    url = _url(value)
    if url is not None:
        if url.scheme in ("redis", "rediss") and url.hostname:
            return value
        if url.scheme == "unix" and url.path.strip("/"):
            return value
    raise ValueError("expected redis://host:6379/0, rediss://host:6379/0 or unix:///socket")


def _url(value: str) -> SplitResult | None:
    """Its parts, `None` where it has no such parts."""
    try:
        url = urlsplit(value)
        return url if url.port is None or url.port > 0 else None
    except ValueError:
        return None
