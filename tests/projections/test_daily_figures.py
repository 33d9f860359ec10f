"""What the shop did each day, from the rows that tickets add."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from infrastructure.runtime import Runtime
from projections.daily_figures import Day, days, query
from projections.ticket_figures import FIGURES, quarter
from tests import builders as b
from tests.given import SOME_DAY
from tests.projections.folding import of_table, rows
from tests.projections.views import record, settle

NEXT_DAY = SOME_DAY + timedelta(days=1, minutes=31, seconds=59)
SOLD = dict(closed_at=NEXT_DAY, parts_cost_cents=700)
WORKED: list[Any] = [b.ticket_opened(), b.part_issued(), b.labor_added()]


class Quarter(NamedTuple):
    quarter: datetime
    opened: int = 0
    closed: int = 0
    parts_cents: int = 0
    parts_cost_cents: int = 0
    labor_cents: int = 0
    open_minutes: int = 0


def figures(*events: Any) -> dict[datetime, tuple[int, ...]]:
    shown = of_table("ticket_figures", rows("ticket", *events))
    return {row["quarter"]: tuple(row[name] for name in FIGURES) for row in shown}


def test_a_ticket_counts_when_it_was_opened_and_when_it_was_closed() -> None:
    parts, labor = WORKED[1].parts_total_cents, WORKED[2].labor_total_cents
    assert parts
    assert labor

    assert figures(*WORKED) == {SOME_DAY: (1, 0, 0, 0, 0, 0)}
    assert figures(*WORKED, b.ticket_closed(**SOLD)) == {
        SOME_DAY: (1, 0, 0, 0, 0, 0),
        SOME_DAY + timedelta(days=1, minutes=30): (0, 1, parts, 700, labor, 24 * 60 + 31),
    }
    assert figures(*WORKED, b.ticket_closed(parts_cost_cents=700)) == {
        SOME_DAY: (1, 1, parts, 700, labor, 0)
    }


def test_what_is_reopened_or_voided_counts_no_more() -> None:
    closed = [*WORKED, b.ticket_closed(**SOLD), b.ticket_reopened(closed_at=NEXT_DAY)]

    assert figures(*closed) == {SOME_DAY: (1, 0, 0, 0, 0, 0)}
    assert figures(*closed, b.ticket_voided()) == {}


def test_a_clock_set_back_makes_no_negative_time() -> None:
    before = SOME_DAY - timedelta(hours=1)

    shown = figures(*WORKED, b.ticket_closed(closed_at=before))

    assert shown[before][FIGURES.index("open_minutes")] == 0


@pytest.mark.parametrize(
    ("moment", "begins"),
    [
        ("2026-03-02T09:00:00Z", "2026-03-02T09:00:00Z"),
        ("2026-03-02T09:14:59.999999Z", "2026-03-02T09:00:00Z"),
        ("2026-03-02T09:59:59Z", "2026-03-02T09:45:00Z"),
    ],
)
def test_quarters_of_an_hour(moment: str, begins: str) -> None:
    assert quarter(datetime.fromisoformat(moment)) == datetime.fromisoformat(begins)


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("UTC", date(2026, 3, 2)),
        ("America/Los_Angeles", date(2026, 3, 1)),
        ("Asia/Kathmandu", date(2026, 3, 2)),
        ("Pacific/Kiritimati", date(2026, 3, 2)),
    ],
)
def test_days_are_those_of_the_shop(zone: str, day: date) -> None:
    early = Quarter(datetime(2026, 3, 2, 7, 45, tzinfo=UTC), opened=1)

    shown = days([early], date(2026, 2, 28), date(2026, 3, 3), ZoneInfo(zone))

    assert [one.day for one in shown if one.opened] == [day]
    assert len(shown) == 4


def test_averages_and_margin_are_made_of_the_sums() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    sold = dict(closed=2, parts_cents=1_001, parts_cost_cents=400, labor_cents=2_000)
    quarters = [Quarter(noon, **sold, open_minutes=90), Quarter(noon, opened=5, closed=1)]

    first, second = days(quarters, date(2026, 3, 2), date(2026, 3, 3), ZoneInfo("UTC"))

    assert first == Day(
        day=date(2026, 3, 2),
        opened=5,
        closed=3,
        parts_cents=1_001,
        parts_cost_cents=400,
        parts_margin_cents=601,
        labor_cents=2_000,
        total_cents=3_001,
        average_ticket_cents=1_000,
        average_open_minutes=30,
    )
    assert (second.closed, second.average_ticket_cents, second.average_open_minutes) == (
        0,
        None,
        None,
    )


def test_days_are_found_by_their_quarters_also_where_clocks_change(runtime: Runtime) -> None:
    berlin, change = ZoneInfo("Europe/Berlin"), date(2026, 3, 29)  # 23 hours long.
    moments = ["2026-03-28T22:45:00", "2026-03-28T23:00:00", "2026-03-29T21:45:00"]
    moments += ["2026-03-29T22:00:00"]
    for n, moment in enumerate(moments, start=1):
        opened = b.ticket_opened(ro_number=n, opened_at=datetime.fromisoformat(f"{moment}+00:00"))
        record(runtime.store, {UUID(int=n): [opened]})
    settle(runtime)

    with runtime.database.reading() as connection:
        found = connection.execute(query(1, change, change, berlin)).all()

    (day,) = days(found, change, change, berlin)
    assert (day.day, day.opened) == (change, 2)
