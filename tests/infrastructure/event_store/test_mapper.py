"""Events as bytes: everything comes back, personal text only while its key exists."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.claim import ClaimKind, ClaimTaken
from domain.customer import (
    Customer,
    CustomerArchived,
    CustomerDetailsChanged,
)
from infrastructure.database import Database
from infrastructure.event_store.keyring import Forgotten, KeyRing, WrongMasterKey
from infrastructure.event_store.mapper import EventMapper, UndecodableEvent
from infrastructure.event_store.recorder import EventRecorder, SnapshotRecorder
from infrastructure.event_store.tables import metadata
from tests.infrastructure.event_store.records import (
    AT,
    FIELDS,
    ONE,
    OTHER,
    counted_statements,
    edited,
    recorded,
    registered,
    with_fields,
)

MASTER = b"m" * 32

on_one_database = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def keyring(database: Database) -> KeyRing:
    return KeyRing(database, [MASTER])


@pytest.fixture
def mapper(keyring: KeyRing) -> EventMapper:
    return EventMapper(keyring)


@on_one_database
@given(details=st.fixed_dictionaries({field: st.none() | st.text() for field in FIELDS}))
def test_any_personal_text_comes_back(mapper: EventMapper, details: dict[str, str | None]) -> None:
    fact = recorded(registered(**details))

    stored = mapper.to_stored_event(fact)

    assert mapper.to_domain_event(stored) == fact


@pytest.mark.parametrize("text", ["", "Ä é ß", "客户", "👩🏽‍🔧", '"\\\x00\n', "x" * 100_000])
def test_awkward_personal_text_comes_back(mapper: EventMapper, text: str) -> None:
    fact = recorded(registered(name=text))

    assert mapper.to_domain_event(mapper.to_stored_event(fact)) == fact


def test_a_record_is_stored_whole_under_its_tag(mapper: EventMapper) -> None:
    taken = ClaimTaken(kind=ClaimKind.VIN, owner_id=OTHER)

    stored = mapper.to_stored_event(recorded(taken, version=7))

    assert (stored.originator_id, stored.originator_version) == (ONE, 7)
    assert (stored.topic, stored.recorded_at) == ("claim.taken", AT)
    assert msgspec.json.decode(stored.state) == {
        "originator_id": str(ONE),
        "originator_version": 7,
        "recorded_at": "2026-03-01T08:30:00.123456Z",
        "actor": None,
        "role": "admin",
        "command": "RegisterCustomer",
        "correlation_id": "request-1",
        "reason": None,
        "event": {"type": "claim.taken", "kind": "vin", "owner_id": str(OTHER)},
    }


def test_without_the_key_a_person_reads_none_and_others_read_on(
    mapper: EventMapper, keyring: KeyRing
) -> None:
    erased = mapper.to_stored_event(recorded(registered(name="Customer A", phone="1")))
    kept = mapper.to_stored_event(recorded(registered(name="Customer B"), OTHER))
    before = mapper.to_domain_event(kept)

    keyring.forget(ONE)

    assert mapper.to_domain_events([erased, kept]) == [recorded(registered()), before]
    assert before.event.name == "Customer B"


def test_nothing_personal_is_stored_of_an_erased_subject(
    mapper: EventMapper, keyring: KeyRing
) -> None:
    keyring.forget(ONE)

    with pytest.raises(Forgotten):
        mapper.to_stored_event(recorded(registered(name="Customer A")))
    mapper.to_stored_event(recorded(registered()))
    mapper.to_stored_event(recorded(CustomerArchived()))


@on_one_database
@given(data=st.data())
def test_one_changed_bit_is_an_error(mapper: EventMapper, data: st.DataObject) -> None:
    stored = mapper.to_stored_event(recorded(registered(name="Customer A")))

    def flip(event: dict[str, Any]) -> None:
        box = bytearray(b64decode(event["name"]))
        bit = data.draw(st.integers(0, len(box) * 8 - 1))
        box[bit // 8] ^= 1 << bit % 8
        event["name"] = b64encode(box).decode()

    with pytest.raises(UndecodableEvent, match="name was altered"):
        mapper.to_domain_event(edited(stored, flip))


def test_a_sealed_field_has_one_spelling(mapper: EventMapper) -> None:
    stored = mapper.to_stored_event(recorded(registered(name="Customer A")))
    sealed = msgspec.json.decode(stored.state)["event"]["name"]

    with pytest.raises(UndecodableEvent, match="name was altered"):
        mapper.to_domain_event(with_fields(stored, name=f"{sealed}\n"))


@on_one_database
@given(text=st.text())
def test_clear_text_in_a_sealed_place_is_an_error(mapper: EventMapper, text: str) -> None:
    stored = mapper.to_stored_event(recorded(registered(name="Customer A")))

    with pytest.raises(UndecodableEvent, match="name was altered"):
        mapper.to_domain_event(with_fields(stored, name=text))


def test_a_sealed_field_opens_in_its_own_place_only(mapper: EventMapper) -> None:
    event = registered(name="Customer A", email="a@example.org")
    home = mapper.to_stored_event(recorded(event))
    sealed = msgspec.json.decode(home.state)["event"]
    next_version = mapper.to_stored_event(recorded(event, version=2))
    another = mapper.to_stored_event(recorded(event, OTHER))

    for stored, field in [(home, "email"), (next_version, "name"), (another, "name")]:
        moved = with_fields(stored, **{field: sealed["name"]})
        with pytest.raises(UndecodableEvent, match=f"{field} was altered"):
            mapper.to_domain_event(moved)


def test_bytes_of_another_event_are_an_error(mapper: EventMapper) -> None:
    stored = mapper.to_stored_event(recorded(CustomerArchived(), version=3))

    for elsewhere in (
        dict(originator_id=OTHER),
        dict(originator_version=4),
        dict(topic="customer.restored"),
    ):
        with pytest.raises(UndecodableEvent, match="belong to another event"):
            mapper.to_domain_event(replace(stored, **elsewhere))


@pytest.mark.parametrize(
    "state", [b"", b"\xff", b"{}", b"[]", b'{"event": {"type": "no.such"}}', b"null", b"[" * 10_000]
)
def test_unreadable_bytes_raise_one_error_that_says_which(
    mapper: EventMapper, state: bytes
) -> None:
    stored = mapper.to_stored_event(recorded(CustomerArchived(), version=3))

    with pytest.raises(UndecodableEvent, match=r"cannot read customer\.archived") as caught:
        mapper.to_domain_event(replace(stored, state=state))

    error = caught.value
    assert (error.topic, error.id, error.version) == ("customer.archived", ONE, 3)


def test_an_unknown_tag_is_unreadable(mapper: EventMapper) -> None:
    stored = mapper.to_stored_event(recorded(CustomerArchived()))

    unknown = with_fields(stored, type="customer.unheard-of")

    with pytest.raises(UndecodableEvent):
        mapper.to_domain_event(replace(unknown, topic="customer.unheard-of"))


def test_events_stay_readable_under_a_new_master_key(
    mapper: EventMapper, keyring: KeyRing, database: Database
) -> None:
    fact = recorded(registered(name="Customer A"))
    stored = mapper.to_stored_event(fact)

    assert KeyRing(database, [b"n" * 32, MASTER]).rotate() == 1

    assert EventMapper(KeyRing(database, [b"n" * 32])).to_domain_event(stored) == fact
    with pytest.raises(WrongMasterKey):
        mapper.to_domain_event(stored)


def test_events_without_personal_text_ask_for_no_key(mapper: EventMapper) -> None:
    facts = [
        recorded(ClaimTaken(kind=ClaimKind.VIN, owner_id=OTHER), uuid4()),
        recorded(CustomerArchived(), uuid4()),
        recorded(registered(), uuid4()),
    ]

    with counted_statements() as statements:
        assert mapper.to_domain_events(mapper.to_stored_events(facts)) == facts

    assert statements == []


def test_a_batch_asks_for_its_keys_once(mapper: EventMapper) -> None:
    changed = CustomerDetailsChanged(name="Customer A", email=None, phone=None, address=None)
    facts = [recorded(changed, UUID(int=n % 10), n) for n in range(50)]
    mapper.to_stored_events(facts)

    with counted_statements() as statements:
        stored = mapper.to_stored_events(facts)
        assert mapper.to_domain_events(stored) == facts

    assert len(statements) == 2


def test_no_table_holds_personal_text(
    mapper: EventMapper, keyring: KeyRing, database: Database
) -> None:
    texts = {field: f"{field} of a Person ä" for field in FIELDS}
    customer = Customer(id=ONE)
    customer.emit(registered(**texts))
    snapshot = StoredEvent(ONE, 1, "customer", mapper.seal_state(customer))
    keyring.claim_id("customer_email", texts["email"])
    facts = [recorded(event) for event in customer.emitted]
    EventRecorder(database).insert_events(mapper.to_stored_events(facts))
    SnapshotRecorder(database).insert_events([snapshot])

    stored = everything_stored(database)

    assert b"customer.registered" in stored
    for text in texts.values():
        assert text.encode() not in stored
        assert json.dumps(text)[1:-1].encode() not in stored
        assert b64encode(text.encode())[:-4] not in stored


def everything_stored(database: Database) -> bytes:
    """Every column of every row of every table, one after another."""
    with database.reading() as connection:
        rows = [
            row for table in metadata.sorted_tables for row in connection.execute(table.select())
        ]
    values = [value for row in rows for value in row]
    return b"|".join(v if isinstance(v, bytes) else str(v).encode() for v in values)
