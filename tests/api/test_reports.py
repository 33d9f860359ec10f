"""Reports: sums that are right to the cent, in JSON and in CSV."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from falcon.testing import Result
from sqlalchemy import update

from projections.reports import mechanic_figures, mechanics_query
from projections.spreadsheet import plain
from projections.tables import tables
from tests.api.answers import is_problem
from tests.api.test_cached_pages import sql
from tests.shop import Shop, done

CSV = {"Accept": "text/csv"}
TODAY = datetime.now(UTC).date()
PERIOD = f"from={TODAY - timedelta(days=1)}&to={TODAY + timedelta(days=1)}"
PATHS = (
    f"/v1/reports/daily?{PERIOD}",
    "/v1/reports/stock-valuation",
    f"/v1/reports/mechanics?{PERIOD}",
)


def report(answer: Result) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json


def lines(answer: Result) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    text = answer.content.decode("utf-8-sig")
    return list(csv.DictReader(StringIO(text, newline=""), strict=True))


def sold(shop: Shop, mechanic: str) -> str:
    """A closed ticket: two parts at 15.00 that cost 4.00, an hour at 90.00."""
    item = shop.item(unit_cost_cents=400)
    ticket = shop.ticket()
    done(shop.put(f"/v1/tickets/{ticket}/mechanics/{mechanic}"))
    part = {"inventory_id": item, "quantity": 2}
    done(shop.post(f"/v1/tickets/{ticket}/parts", json=part))
    labor = {"description": "Work", "minutes": 60, "mechanic_id": mechanic}
    done(shop.post(f"/v1/tickets/{ticket}/labor", json=labor | {"rate_cents_per_hour": 9000}))
    done(shop.post(f"/v1/tickets/{ticket}/close"))
    return ticket


def test_the_days_of_a_period_are_reported_those_without_business_too(shop: Shop) -> None:
    sold(shop, shop.mechanic())
    shop.ticket()
    shop.settle()

    days = report(shop.get(PATHS[0]))

    assert days["timezone"] == "UTC"
    assert [day["day"] for day in days["items"]] == [
        str(TODAY + timedelta(days=n)) for n in (-1, 0, 1)
    ]
    # The test may run over midnight.
    sums = {
        name: sum(day[name] or 0 for day in days["items"])
        for name in days["items"][0]
        if name != "day"
    }
    assert (sums["opened"], sums["closed"]) == (2, 1)
    assert (sums["parts_cents"], sums["parts_cost_cents"], sums["labor_cents"]) == (3000, 800, 9000)


def test_the_stock_is_valued_item_by_item_at_cost_and_at_price(shop: Shop) -> None:
    shop.item(7, part_number="B", unit_cost_cents=333, unit_price_cents=999)
    shop.item(3, part_number="A", unit_cost_cents=10**9, unit_price_cents=10**9)
    shop.item(0, part_number="C", unit_cost_cents=5)
    left, gone = shop.item(1, part_number="D", unit_cost_cents=2), shop.item(0, part_number="E")
    for item in (left, gone):
        done(shop.delete(f"/v1/inventory/{item}"))
    shop.settle()

    stock = report(shop.get(PATHS[1]))

    assert [item["part_number"] for item in stock["items"]] == ["A", "B", "C", "D"]
    assert stock["items"][1] | {"inventory_id": ""} == {
        "inventory_id": "",
        "part_number": "B",
        "name": "A part",
        "quantity_on_hand": 7,
        "unit_cost_cents": 333,
        "unit_price_cents": 999,
        "cost_cents": 2331,
        "price_cents": 6993,
    }
    assert stock["quantity_on_hand"] == 11
    assert stock["cost_cents"] == 3 * 10**9 + 2331 + 2
    assert stock["price_cents"] == 3 * 10**9 + 6993 + 1500


def test_what_mechanics_did_is_reported_also_of_those_who_did_nothing(shop: Shop) -> None:
    busy, idle, left = (shop.mechanic(name=name) for name in ("Busy", "Idle", "Left"))
    reopened = sold(shop, busy)
    sold(shop, busy)
    sold(shop, left)
    done(shop.post(f"/v1/tickets/{reopened}/reopen", json={"reason": "It came back"}))
    done(shop.delete(f"/v1/mechanics/{left}"))
    done(shop.delete(f"/v1/mechanics/{shop.mechanic(name='Left before')}"))
    shop.settle()

    items = report(shop.get(PATHS[2]))["items"]

    figures = [
        (m["name"], m["has_left"], m["closed"], m["labor_minutes"], m["labor_cents"]) for m in items
    ]
    assert figures == [
        ("Busy", False, 1, 60, 9000),
        ("Idle", False, 0, 0, 0),
        ("Left", True, 1, 60, 9000),
    ]
    assert [m["mechanic_id"] for m in items] == [busy, idle, left]
    before = report(shop.get("/v1/reports/mechanics?from=2000-01-01&to=2000-01-01"))["items"]
    assert [(m["name"], m["closed"]) for m in before] == [("Busy", 0), ("Idle", 0)]


@pytest.mark.parametrize(
    ("day", "begins", "ends"),
    [
        (date(2026, 3, 29), datetime(2026, 3, 28, 23), datetime(2026, 3, 29, 22)),
        (date(2026, 10, 25), datetime(2026, 10, 24, 22), datetime(2026, 10, 25, 23)),
    ],
)
def test_a_day_of_mechanics_has_its_hours_where_clocks_change(
    shop: Shop, day: date, begins: datetime, ends: datetime
) -> None:
    """23 and 25 of them; the last moment is in it, and the first of the next day is not."""
    sold(shop, shop.mechanic())
    shop.settle()
    generation = shop.runtime.generations.live()
    done_work = tables(generation)["mechanic_contributions"]
    tick = timedelta(microseconds=1)
    for moment, counted in ((begins - tick, 0), (begins, 1), (ends - tick, 1), (ends, 0)):
        with shop.runtime.database.transaction() as connection:
            closed_at = moment.replace(tzinfo=UTC)
            connection.execute(update(done_work).values(closed_at=closed_at))

        query = mechanics_query(generation, day, day, ZoneInfo("Europe/Berlin"))

        (figures,) = mechanic_figures(shop.runtime.queries.rows(query))
        assert figures.closed == counted, moment


@pytest.mark.parametrize("path", PATHS)
def test_the_table_has_the_items_of_the_report_cell_by_cell(shop: Shop, path: str) -> None:
    sold(shop, shop.mechanic(name="=HYPERLINK(1)"))
    shop.item(part_number="-1+1", name='A "B", C', unit_cost_cents=5)
    shop.settle()

    items = report(shop.get(path))["items"]
    table = shop.get(path, headers=CSV)

    found = [{name: plain(cell) for name, cell in line.items()} for line in lines(table)]
    told = {None: "", True: "true", False: "false"}
    assert found == [
        {
            name: told[value] if value is None or isinstance(value, bool) else str(value)
            for name, value in item.items()
        }
        for item in items
    ]
    assert b",=" not in table.content
    assert b"\n-" not in table.content
    assert 'attachment; filename="' in table.headers["content-disposition"]


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/*", "text/csv; charset=utf-8"),
        ("text/csv, application/json;q=0.5", "text/csv; charset=utf-8"),
        ("text/csv;q=0.1, application/json", "application/json"),
    ],
)
def test_the_client_chooses_the_form(shop: Shop, accept: str | None, answered: str) -> None:
    answer = shop.get(PATHS[1], headers={"Accept": accept})

    assert answer.headers["content-type"] == answered
    assert "Accept" in answer.headers["vary"]


@pytest.mark.parametrize("path", PATHS)
def test_another_form_is_refused(shop: Shop, path: str) -> None:
    is_problem(shop.get(path, headers={"Accept": "application/pdf"}), 406, "not-acceptable")


WRONG = {
    "": ["/from", "/to"],
    "from=yesterday&to=2026-13-01": ["/from", "/to"],
    "from=0001-01-01&to=9999-12-31": ["/from", "/to"],
    "from=2026-03-02&to=2026-03-01": ["/to"],
    "from=2024-01-01&to=2025-01-01": ["/to"],
    "from=2026-03-02&to=2026-03-02&by=day": ["/by"],
}


def test_what_is_wrong_with_a_period_is_named(shop: Shop, subtests: pytest.Subtests) -> None:
    for name, (query, pointers) in product(("daily", "mechanics"), WRONG.items()):
        with subtests.test(f"{name} {query}"):
            answer = shop.get(f"/v1/reports/{name}?{query}")
            is_problem(answer, 422, "invalid-fields", *pointers)


def test_a_leap_year_is_one_period(shop: Shop) -> None:
    days = report(shop.get("/v1/reports/daily?from=2024-01-01&to=2024-12-31"))["items"]

    assert [date.fromisoformat(day["day"]) for day in days] == [
        date(2024, 1, 1) + timedelta(days=n) for n in range(366)
    ]


@pytest.mark.parametrize("headers", [{}, CSV])
@pytest.mark.parametrize("path", PATHS)
def test_a_report_is_kept_until_what_it_shows_changes(
    shop: Shop, path: str, headers: dict[str, str | None]
) -> None:
    sold(shop, shop.mechanic())
    shop.settle()
    first = shop.get(path, headers=headers)
    with sql(shop.runtime.database) as statements:
        again = shop.get(path, headers=headers | {"If-None-Match": first.headers["etag"]})
    assert not any("_1" in each and "view_generations" not in each for each in statements)
    assert again.status_code == 304
    assert first.headers["feed-position"] == str(shop.position())

    sold(shop, shop.mechanic())
    shop.settle()

    changed = shop.get(path, headers=headers)
    assert changed.status_code == 200
    assert changed.content != first.content
    assert changed.headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize("path", PATHS)
def test_a_report_waits_for_what_its_reader_has_written(shop: Shop, path: str) -> None:
    shop.settle()
    token = done(
        shop.post(
            "/v1/mechanics", json={"name": "New", "email": shop.email(), "labor_rate_cents": 1}
        )
    )["token"]

    behind = shop.get(path, token=token, headers={"Prefer": "wait=0"})

    is_problem(behind, 503, "projection-behind")
    shop.settle()
    assert shop.get(path, token=token).status_code == 200
