"""Events of retired tags read as today's; their bytes stay as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from domain.ticket_events import PartIssued
from infrastructure.database import Database
from infrastructure.event_store.keyring import KeyRing
from infrastructure.event_store.mapper import EventMapper, UndecodableEvent
from infrastructure.event_store.upcasters import Upcasters
from tests.infrastructure.event_store.records import edited, recorded, registered, with_fields

ISSUED = PartIssued(
    line_id=UUID(int=3),
    inventory_id=UUID(int=4),
    part_number="OF-1",
    name="Oil filter",
    quantity=2,
    unit_price_cents=1250,
    unit_cost_cents=700,
    parts_total_cents=2500,
    total_cents=2500,
)
history = Upcasters()


@history.upcasts("ticket.part-put-on")
def _(event: dict[str, Any]) -> dict[str, Any]:
    """Had the number of pieces as `count` and one total, because there was no labor."""
    total = event["total_cents"]
    return dict(event, type="ticket.part-added", quantity=event["count"], parts_total_cents=total)


@history.upcasts("ticket.part-added")
def _(event: dict[str, Any]) -> dict[str, Any]:
    """Did not say what a piece costs the shop."""
    return dict(event, type="ticket.part-issued", unit_cost_cents=event.get("cost", 700))


@pytest.fixture
def keyring(database: Database) -> KeyRing:
    return KeyRing(database, [b"m" * 32])


def put_on(mapper: EventMapper) -> Any:
    """A row as it was written when the tag was `ticket.part-put-on`."""

    def age(event: dict[str, Any]) -> None:
        event["type"], event["count"] = "ticket.part-put-on", event.pop("quantity")
        del event["unit_cost_cents"], event["parts_total_cents"]

    today = mapper.to_stored_event(recorded(ISSUED))
    return replace(edited(today, age), topic="ticket.part-put-on")


def test_an_old_tag_reads_as_todays_event(keyring: KeyRing) -> None:
    mapper = EventMapper(keyring, upcasters=history)
    old = put_on(mapper)

    assert mapper.to_domain_events([old, mapper.to_stored_event(recorded(ISSUED))]) == [
        recorded(ISSUED),
        recorded(ISSUED),
    ]
    with pytest.raises(UndecodableEvent, match="part-put-on"):
        EventMapper(keyring).to_domain_event(old)


def test_an_upcaster_that_fails_makes_the_event_unreadable(keyring: KeyRing) -> None:
    mapper = EventMapper(keyring, upcasters=history)

    for broken in (
        edited(put_on(mapper), lambda event: event.pop("count")),
        replace(put_on(mapper), state=b"{"),
        replace(put_on(mapper), state=b"[]"),
        replace(put_on(mapper), originator_version=2),
    ):
        with pytest.raises(UndecodableEvent, match="part-put-on"):
            mapper.to_domain_event(broken)


def test_personal_fields_open_after_upcasting(keyring: KeyRing) -> None:
    retired = Upcasters()
    retired["customer.signed-up"] = lambda event: dict(event, type="customer.registered")
    mapper = EventMapper(keyring, upcasters=retired)
    fact = recorded(registered(name="Customer A"))
    stored = mapper.to_stored_event(fact)
    old = with_fields(stored, type="customer.signed-up")

    assert mapper.to_domain_event(replace(old, topic="customer.signed-up")) == fact


def test_a_tag_has_one_upcaster_and_the_chain_an_end() -> None:
    circle = Upcasters()
    circle.upcasts("a")(lambda event: dict(event, type="b"))
    circle.upcasts("b")(lambda event: dict(event, type="a"))

    with pytest.raises(TypeError, match="a has an upcaster already"):
        circle.upcasts("a")(lambda event: event)
    with pytest.raises(TypeError, match="in a circle"):
        circle.apply({"type": "a"})


def test_a_tag_in_use_is_not_upcast(keyring: KeyRing) -> None:
    wrong = Upcasters()
    wrong["ticket.part-issued"] = lambda event: event

    with pytest.raises(TypeError, match=r"ticket\.part-issued"):
        EventMapper(keyring, upcasters=wrong)
