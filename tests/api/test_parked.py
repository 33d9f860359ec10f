"""What is parked over HTTP: what can be shown is, and for the rest a release is awaited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from falcon.testing import Result
from sqlalchemy import select, update

from domain.kernel import Recorded
from infrastructure.event_store.tables import events
from projections.tables import tables
from projections.tokens import Token
from projections.views import FOLDS
from tests import builders as b
from tests.api.answers import is_problem, items
from tests.projections.views import record
from tests.shop import Shop, done

ITEM = f"/v1/inventory/{b.ITEM_ID}"
POISONED = 3


def _no_fold_takes_it(shop: Shop, monkeypatch: pytest.MonkeyPatch, kind: str = "inventory") -> None:
    fold = FOLDS[kind]

    def evolve(state: Any, recorded: Recorded[Any]) -> Any:
        if recorded.originator_version == POISONED:
            raise ZeroDivisionError("a bug")
        return fold.evolve(state, recorded)

    monkeypatch.setitem(FOLDS, kind, replace(fold, evolve=evolve))


def _no_row_is_made_of_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    fold = FOLDS["inventory"]

    def rows(state: Any) -> Any:
        name, row = next(fold.rows(state))
        if row["version"] >= POISONED:
            raise ZeroDivisionError("a bug")
        return iter([(name, row)])

    monkeypatch.setitem(FOLDS, "inventory", replace(fold, rows=rows))


def _nobody_can_read_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    of = (events.c.originator_id == b.ITEM_ID) & (events.c.originator_version == POISONED)
    with shop.runtime.database.transaction() as connection:
        connection.execute(update(events).where(of).values(state=b"{no event"))


@pytest.fixture(params=[_no_fold_takes_it, _no_row_is_made_of_it, _nobody_can_read_it])
def parked(shop: Shop, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """An item that is parked before its third event of four."""
    poison: Callable[[Shop, pytest.MonkeyPatch], None] = request.param
    received = [b.received(quantity=1, unit_cost_cents=600, quantity_on_hand=n) for n in (1, 2, 3)]
    record(shop.runtime.store, {b.ITEM_ID: [b.item_added(), *received]})
    poison(shop, monkeypatch)
    shop.settle()
    letters = tables(shop.runtime.generations.live())["dead_letters"]
    with shop.runtime.database.reading() as connection:
        assert connection.scalars(select(letters.c.stream_id)).all() == [b.ITEM_ID]
    return shop


def awaits_a_release(answer: Result) -> None:
    is_problem(answer, 503, "projection-behind")
    assert answer.headers["retry-after"]
    assert str(b.ITEM_ID) in answer.json["detail"]
    assert "release" in answer.json["detail"]


def test_it_is_shown_as_it_was_before_until_a_token_asks_for_more(
    parked: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    seen, unseen = ({"Consistency-Token": str(Token(0, {b.ITEM_ID: n}))} for n in (2, 4))

    assert done(parked.get(ITEM))["version"] == 2
    assert done(parked.get(ITEM, headers=seen))["version"] == 2
    caplog.clear()
    awaits_a_release(parked.get(ITEM, headers=unseen))
    assert f"GET {ITEM}: CannotBeShown" in caplog.text
    assert "Traceback" in caplog.text


def test_it_is_there_for_those_alone_who_may_see_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = shop.customer()
    for name in ("A second name", "A third name"):
        done(shop.patch(f"/v1/customers/{customer}", json={"name": name}))
    _no_fold_takes_it(shop, monkeypatch, "customer")
    shop.settle()
    unseen = {"Consistency-Token": str(Token(0, {UUID(customer): POISONED}))}

    for path in (f"/v1/customers/{customer}", f"/v1/customers/{customer}/tickets"):
        own = shop.as_("customer", customer_id=customer).get(path, headers=unseen)
        is_problem(own, 503, "projection-behind")
        is_problem(shop.as_("customer").get(path, headers=unseen), 404, "not-found")


def test_the_past_is_told_up_to_the_event_that_cannot_be_shown(parked: Shop) -> None:
    last = quote(parked.runtime.clock().isoformat())

    assert done(parked.get(f"{ITEM}?version=2"))["quantity_on_hand"] == 1
    assert done(parked.get(f"{ITEM}/diff?from=1&to=2"))["changes"]
    for query in ("?version=3", f"?as_of={last}", "/diff?from=2&to=3"):
        awaits_a_release(parked.get(ITEM + query))


def test_its_history_is_told_up_to_the_event_that_cannot_be_shown(parked: Shop) -> None:
    for limit in (2, 50):
        told = parked.get(f"{ITEM}/history?limit={limit}")

        assert [entry["version"] for entry in items(told)] == [1, 2]
        awaits_a_release(parked.get(told.json["next"]))


def test_what_is_written_to_it_is_answered_with_the_receipt(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fold that fails makes no write fail, nor seem to have failed."""
    item = [b.item_added(), b.received(quantity=1, unit_cost_cents=600, quantity_on_hand=1)]
    record(shop.runtime.store, {b.ITEM_ID: item})
    _no_fold_takes_it(shop, monkeypatch)

    preferred = {"Prefer": "return=representation"}
    written = shop.patch(ITEM, json={"name": "Another name"}, headers=preferred)

    assert done(written)["version"] == POISONED
    assert done(written)["token"] == written.headers["consistency-token"]
    assert "preference-applied" not in written.headers
