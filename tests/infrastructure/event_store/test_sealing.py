"""Which fields are sealed: all that are personal, wherever they were declared."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest

from domain.customer import CustomerArchived, CustomerRegistered
from domain.kernel import PERSONAL, Event, Personal
from infrastructure.database import Database
from infrastructure.event_store.keyring import KeyRing
from infrastructure.event_store.mapper import EventMapper
from tests.infrastructure.event_store.records import FIELDS, recorded


@pytest.fixture
def keyring(database: Database) -> KeyRing:
    return KeyRing(database, [b"m" * 32])


class Inherited(CustomerRegistered, frozen=True, tag="test.inherited"):
    nickname: Personal = msgspec.field(name="nick", default=None)


def test_inherited_and_renamed_fields_are_sealed(keyring: KeyRing) -> None:
    mapper = EventMapper(keyring, Inherited | CustomerArchived)
    fact = recorded(Inherited(**dict.fromkeys(FIELDS, "Customer A"), nickname="Customer A"))

    stored = mapper.to_stored_event(fact)

    assert b"Customer A" not in stored.state
    assert b'"nick":' in stored.state
    assert mapper.to_domain_event(stored) == fact


class Contact(msgspec.Struct):
    phone: Personal


class Limited(Event, frozen=True, tag="test.limited"):
    name: Annotated[str, msgspec.Meta(max_length=20, extra={PERSONAL: True})]


class Listed(Event, frozen=True, tag="test.listed"):
    names: list[Personal]


class Nested(Event, frozen=True, tag="test.nested"):
    contacts: dict[str, Contact]


@pytest.mark.parametrize("kind", [Limited, Listed, Nested])
def test_personal_text_where_it_would_stay_clear_is_refused(
    keyring: KeyRing, kind: type[Event]
) -> None:
    with pytest.raises(TypeError, match="hides personal text"):
        EventMapper(keyring, kind | CustomerArchived)
