"""A shop that counts what it is asked, in windows that no test sees the end of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from falcon.testing import Result, TestClient
from limits import parse

from api.app import create_app
from domain.account import Role
from infrastructure.runtime import Runtime, open_runtime
from tests.shop import Client, Shop

PLENTY = {"reads": "1000/day", "writes": "1000/day", "logins": "1000/day"}
Strict = Callable[..., Shop]


@pytest.fixture
def strict(runtime: Runtime) -> Iterator[Strict]:
    """`strict(reads=3, wider=2)`: another process of the same shop, so strict per day."""
    opened: list[Runtime] = []

    def opening(*, wider: int = 1000, settings: dict[str, Any] | None = None, **a_day: int) -> Shop:
        rates = PLENTY | {name: f"{amount}/day" for name, amount in a_day.items()}
        changes: dict[str, Any] = {
            f"rate_limit_{name}": parse(rate) for name, rate in rates.items()
        }
        changes |= dict(rate_limit_enabled=True, rate_limit_wider=wider) | (settings or {})
        opened.append(open_runtime(replace(runtime.settings, **changes)))
        return Shop(opened[-1])

    yield opening
    for one in opened:
        one.close()


@contextmanager
def beside(shop: Shop, **changes: Any) -> Iterator[Client]:
    """The admin of that shop, asking another process of it, with other settings."""
    other = open_runtime(replace(shop.runtime.settings, **changes))
    yield Client(TestClient(create_app(other)), shop.authorization(shop.admin_id, Role.ADMIN))
    other.close()


def left(answer: Result) -> tuple[str, int]:
    """The budget an answer names, and how much of it is left."""
    name, *parameters = answer.headers["ratelimit"].split(";")
    return name.strip('"'), int(dict(p.split("=") for p in parameters)["r"])
