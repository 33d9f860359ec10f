"""docs/walkthrough.md: everything typed in on it is done, and what comes of it is what it shows.

Ids, instants, tokens and cursors are others each time; two that are the same on the page must be
the same here. A line of headers is compared where the page shows it.
"""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from falcon.testing import Result
from sqlalchemy import text

from tests.shop import Shop

PAGE = Path(__file__).parent.parent / "docs" / "walkthrough.md"
STEP = re.compile(r"^```(http|sql|python)\n(.*?)^```\n\n```\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ID = re.compile(r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z?")
OPAQUE = re.compile(r"[\w-]{32,}")


class Step(NamedTuple):
    kind: str
    typed: str
    shown: str


@pytest.fixture
def leg() -> str:
    """Where commits wait for the sequencer."""
    return "mysql"


def steps(page: str) -> list[Step]:
    return [Step(*each) for each in STEP.findall(page)]


def take(step: Step, shop: Shop) -> str:
    match step.kind:
        case "http":
            return _ask(step, shop)
        case "sql":
            with shop.runtime.database.reading() as connection:
                found = connection.execute(text(step.typed)).mappings()
                rows = [[f"{name}: {_said(row[name])}" for name in row] for row in found]
                return "\n".join("  ".join(row) for row in rows)
        case _:
            return repr(eval(step.typed, {"runtime": shop.runtime}))


def _ask(step: Step, shop: Shop) -> str:
    first, *lines = step.typed.splitlines()
    method, path = first.split()
    headers = dict(line.split(": ", 1) for line in lines if not line.startswith("{"))
    body = "".join(line for line in lines if line.startswith("{"))
    answer: Result = shop.request(method, path, headers=headers, body=body or None)
    shown = [line.partition(":")[0] for line in step.shown.splitlines()[1:]]
    told = [f"{name}: {answer.headers[name]}" for name in shown if name in answer.headers]
    return "\n".join([str(answer.status_code), *told, answer.text])


def _said(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def plain(parts: list[str]) -> list[str]:
    """Without what differs each time, and without spaces: long lines are broken on the page."""
    numbers, known = count(1), dict[str, str]()

    def name(found: re.Match[str]) -> str:
        id = found[0].replace("-", "")
        if id not in known:
            known[id] = f"<id{next(numbers)}>"
        return known[id]

    named = (OPAQUE.sub("<opaque>", INSTANT.sub("<at>", ID.sub(name, part))) for part in parts)
    return ["".join(part.split()) for part in named]


def test_the_walk_shows_what_happens(shop: Shop) -> None:
    item = shop.item(10, part_number="PAD-1", name="Brake pad", unit_price_cents=4500)
    ticket = shop.ticket(description="Brakes squeal")
    shop.settle()
    walk = steps(PAGE.read_text())
    typed = walk[0].typed
    for shown, id in zip(ID.findall(typed), (ticket, item), strict=True):
        typed = typed.replace(shown, id)
    walk[0] = walk[0]._replace(typed=typed)

    happened = [take(step, shop) for step in walk]

    assert len(walk) >= 8
    assert plain(happened) == plain([step.shown for step in walk])


def test_another_number_another_id_and_another_header_are_noticed() -> None:
    first, second = "01a20606-8763-7c1d-8b76-2b2d8fe1273c", "01a20606-8709-7c01-8d9d-89130551430a"

    assert plain([f"{first}\n{first} 2026-01-01T00:00:00.000001Z"]) == plain(
        [f"{second} {second} 2025-01-01T00:00:00.000001Z"]
    )
    assert plain([f"{first} {first}"]) != plain([f"{first} {second}"])
    assert plain(["on hand: 8"]) != plain(["on hand: 9"])
