"""What holds for every event and every aggregate there is."""

from __future__ import annotations

import re
from typing import Any, get_args

import msgspec
import pytest

from domain.account import Account, AccountEvent
from domain.claim import Claim, ClaimEvent
from domain.customer import Customer, CustomerEvent
from domain.events import AnyEvent
from domain.inventory import InventoryEvent, InventoryItem
from domain.kernel import PERSONAL, Aggregate, Event
from domain.mechanic import Mechanic, MechanicEvent
from domain.ticket import Ticket
from domain.ticket_events import TicketEvent
from domain.vehicle import Vehicle, VehicleEvent
from tests.approved.examples import examples
from tests.given import SOME_ID, given

EVENTS_OF: dict[type[Aggregate[Any]], Any] = {
    Account: AccountEvent,
    Claim: ClaimEvent,
    Customer: CustomerEvent,
    InventoryItem: InventoryEvent,
    Mechanic: MechanicEvent,
    Ticket: TicketEvent,
    Vehicle: VehicleEvent,
}
EXAMPLES: dict[type[Event], Any] = {type(r.event): r.event for r in examples(AnyEvent)}
DEFAULTS: dict[type[Event], set[str]] = {}
"""Fields that came later, and so have a default for the events before them."""
PERSONAL_FIELDS = {"name", "email", "phone", "address"}
PEOPLE = (Account, Customer, Mechanic)


def subclasses(kind: type[Any]) -> set[type[Any]]:
    return {k for child in kind.__subclasses__() for k in (child, *subclasses(child))}


def tag_of(kind: type[Event]) -> str:
    return str(kind.__struct_config__.tag)


def events_of(kind: type[Aggregate[Any]]) -> tuple[type[Event], ...]:
    return get_args(EVENTS_OF[kind])


def handles(kind: type[Aggregate[Any]], event: Event) -> bool:
    """Whether the `match` of its `apply` has a case for the event."""
    aggregate = kind(id=SOME_ID)
    try:
        aggregate.apply(event)
    except AssertionError:
        return False
    except KeyError:
        return True  # the line the example takes off was never put on
    return True


def test_every_event_and_every_aggregate_is_listed() -> None:
    domain = {kind for kind in subclasses(Event) if kind.__module__.startswith("domain.")}
    aggregates = {kind for kind in subclasses(Aggregate) if kind.__module__.startswith("domain.")}

    assert set(get_args(AnyEvent)) == domain == set(EXAMPLES)
    assert aggregates == set(EVENTS_OF)


def test_every_tag_is_one_event_for_ever() -> None:
    tags = [tag_of(kind) for kind in get_args(AnyEvent)]

    assert len(tags) == len(set(tags))
    assert all(re.fullmatch(r"[a-z]+\.[a-z]+(-[a-z]+)*", tag) for tag in tags)


@pytest.mark.parametrize("kind", EVENTS_OF, ids=lambda kind: kind.__name__)
def test_a_tag_begins_with_the_stream_of_its_aggregate(kind: type[Aggregate[Any]]) -> None:
    assert {tag_of(event).split(".")[0] for event in events_of(kind)} == {kind.stream}


@pytest.mark.parametrize("event", get_args(AnyEvent), ids=tag_of)
def test_an_event_is_applied_by_exactly_one_aggregate(event: type[Event]) -> None:
    appliers = [kind for kind in EVENTS_OF if handles(kind, EXAMPLES[event])]

    assert [kind.stream for kind in appliers] == [tag_of(event).split(".")[0]]


@pytest.mark.parametrize("event", get_args(AnyEvent), ids=tag_of)
def test_an_event_is_never_changed(event: type[Event]) -> None:
    assert event.__struct_config__.frozen


@pytest.mark.parametrize("event", get_args(AnyEvent), ids=tag_of)
def test_no_default_stands_in_for_a_fact(event: type[Event]) -> None:
    optional = {field.name for field in msgspec.structs.fields(event) if not field.required}

    assert optional == DEFAULTS.get(event, set())


@pytest.mark.parametrize("event", get_args(AnyEvent), ids=tag_of)
def test_what_says_who_a_person_is_is_personal_and_nothing_else_is(event: type[Event]) -> None:
    def is_personal(described: msgspec.inspect.Type) -> bool:
        extra = getattr(described, "extra", None) or {}
        return bool(extra.get(PERSONAL))

    described = msgspec.inspect.type_info(event)
    assert isinstance(described, msgspec.inspect.StructType)
    personal = {field.name for field in described.fields if is_personal(field.type)}

    of_a_person = any(event in events_of(kind) for kind in PEOPLE)
    expected = PERSONAL_FIELDS & set(event.__struct_fields__) if of_a_person else set()
    assert personal == expected


@pytest.mark.parametrize("kind", EVENTS_OF, ids=lambda kind: kind.__name__)
def test_a_blank_aggregate_has_no_version(kind: type[Aggregate[Any]]) -> None:
    blank = given(kind)

    assert (blank.version, blank.recorded_at, blank.emitted) == (0, None, [])
    assert kind.noun
