"""What answers have to look like, said once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from falcon.testing import Result

from tests.shop import Shop


def is_problem(result: Result, status: int, slug: str, *pointers: str) -> None:
    """Problem details (RFC 9457) of that kind; `pointers` are all the fields found wrong."""
    assert result.status_code == status, f"{result.status} {result.text}"
    assert result.headers["content-type"] == "application/problem+json"
    problem = result.json
    assert problem["type"] == f"/docs/problems/{slug}", problem
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == result.headers["x-request-id"]
    named = [error["pointer"] for error in problem.get("errors", [])]
    assert sorted(named) == sorted(pointers), problem
    assert all(error["message"] for error in problem.get("errors", []))


@contextmanager
def nothing_happens(shop: Shop) -> Iterator[None]:
    """What is done inside leaves no event behind."""
    before = shop.position()
    yield
    assert shop.position() == before


def items(result: Result) -> list[dict[str, object]]:
    """What a list shows on one page."""
    assert result.status_code == 200, f"{result.status} {result.text}"
    found: list[dict[str, object]] = result.json["items"]
    return found


def ids(result: Result) -> list[object]:
    return [item["id"] for item in items(result)]
