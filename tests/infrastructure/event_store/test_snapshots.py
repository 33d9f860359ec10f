"""Snapshots: an aggregate as bytes, personal text sealed, strict about its shape."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain.customer import Customer, CustomerDetails
from domain.kernel import Aggregate, Personal
from infrastructure.database import Database
from infrastructure.event_store.keyring import KeyRing
from infrastructure.event_store.mapper import EventMapper, UndecodableSnapshot
from tests.infrastructure.event_store.records import AT, ONE, OTHER, recorded

DETAILS = CustomerDetails(name="Customer A", email="a@example.org", phone="", address=None)


@pytest.fixture
def keyring(database: Database) -> KeyRing:
    return KeyRing(database, [b"m" * 32])


@pytest.fixture
def mapper(keyring: KeyRing) -> EventMapper:
    return EventMapper(keyring)


def customer() -> Customer:
    customer = Customer(id=ONE, recorded_at=AT)
    customer.register(DETAILS)
    customer.open_ticket(OTHER)
    return customer


def test_an_aggregate_comes_back_as_it_was_without_what_it_emitted(mapper: EventMapper) -> None:
    before = customer()

    after = mapper.open_state(Customer, ONE, mapper.seal_state(before))

    assert before.emitted
    before.emitted.clear()
    assert after == before
    assert after.details() == DETAILS


def test_a_snapshot_holds_no_personal_text(mapper: EventMapper) -> None:
    state = mapper.seal_state(customer())

    assert b"Customer A" not in state
    assert b"example.org" not in state
    assert set(msgspec.json.decode(state)) == set(Customer.__struct_fields__) - {"emitted"}


def test_without_the_key_the_person_reads_none(mapper: EventMapper, keyring: KeyRing) -> None:
    state = mapper.seal_state(customer())

    keyring.forget(ONE)

    opened = mapper.open_state(Customer, ONE, state)
    assert opened.details() == CustomerDetails(name=None, email=None)
    assert opened.open_ticket_ids == [OTHER]
    assert mapper.open_state(Customer, ONE, mapper.seal_state(opened)) == opened


def changed(state: bytes, **fields: Any) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(state) | fields)


def test_a_snapshot_of_another_shape_is_not_used(mapper: EventMapper) -> None:
    state = mapper.seal_state(customer())
    fewer = {name: value for name, value in msgspec.json.decode(state).items() if name != "erased"}

    for unusable in (b"", b"{", msgspec.json.encode(fewer), changed(state, since_removed=1)):
        with pytest.raises(UndecodableSnapshot, match=f"customer {ONE}"):
            mapper.open_state(Customer, ONE, unusable)


def test_a_snapshot_is_bound_to_its_aggregate_version_and_field(mapper: EventMapper) -> None:
    state = mapper.seal_state(customer())
    sealed = msgspec.json.decode(state)
    event = mapper.to_stored_event(recorded(customer().emitted[0]))
    from_event = msgspec.json.decode(event.state)["event"]["name"]

    with pytest.raises(UndecodableSnapshot):
        mapper.open_state(Customer, OTHER, state)
    for altered in (
        changed(state, version=sealed["version"] + 1),
        changed(state, name=sealed["email"]),
        changed(state, version=1, name=from_event, email=None, phone=None),
    ):
        with pytest.raises(UndecodableSnapshot, match="was altered"):
            mapper.open_state(Customer, ONE, altered)


class Line(msgspec.Struct, frozen=True):
    quantity: int


class Basket(Aggregate["Any"]):
    noun = "basket"

    lines: dict[UUID, Line] = {}


def test_nested_structs_and_id_keys_come_back(mapper: EventMapper) -> None:
    basket = Basket(id=ONE, version=3, lines={OTHER: Line(2)})

    assert mapper.open_state(Basket, ONE, mapper.seal_state(basket)) == basket


class Nicknames(Aggregate["Any"]):
    names: list[Personal] = []


def test_personal_text_where_it_would_stay_clear_is_refused(mapper: EventMapper) -> None:
    with pytest.raises(TypeError, match="hides personal text"):
        mapper.seal_state(Nicknames(id=ONE, names=["Customer A"]))
