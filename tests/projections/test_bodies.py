"""Every event, and what it changes in the body that is served: literal JSON, field by field."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from domain.account import (
    AccountDeactivated,
    AccountErased,
    AccountPasswordChanged,
    AccountReactivated,
    AccountRoleChanged,
    Role,
)
from domain.customer import CustomerArchived, CustomerErased, CustomerRestored
from domain.events import AnyEvent
from domain.inventory import ItemDiscontinued, ItemReinstated
from domain.kernel import BrokenHistory
from domain.mechanic import MechanicLeft, MechanicRehired
from domain.ticket_events import TicketCompleted, TicketResumed, TicketStarted
from domain.vehicle import VehicleArchived, VehicleRestored
from projections.views import FOLDS
from tests import builders as b
from tests.given import history
from tests.projections.folding import body, folded

ID = "00000000-0000-0000-0000-000000000001"


def uid(number: int) -> str:
    return f"00000000-0000-0000-0000-0000000000{number:02x}"


FIRST = {
    "customer": (
        b.customer_registered(),
        f"""{{"id":"{ID}","version":1,"created_at":"2026-03-02T09:00:01Z",\
"updated_at":"2026-03-02T09:00:01Z","name":"Customer One","email":"customer@example.com",\
"phone":null,"address":null,"open_ticket_ids":[],"account_ids":[],"archived":false,\
"erased":false}}""",
    ),
    "vehicle": (
        b.vehicle_registered(),
        f"""{{"id":"{ID}","version":1,"created_at":"2026-03-02T09:00:01Z",\
"updated_at":"2026-03-02T09:00:01Z","customer_id":"{uid(11)}","vin":"1M8GDM9AXKP042788",\
"vin_check":"valid","make":"Make","model":"Model","year":2019,"plate":"AB 123",\
"plate_region":null,"color":null,"unit_number":null,"odometer":null,"open_ticket_ids":[],\
"archived":false}}""",
    ),
    "mechanic": (
        b.mechanic_hired(),
        f"""{{"id":"{ID}","version":1,"created_at":"2026-03-02T09:00:01Z",\
"updated_at":"2026-03-02T09:00:01Z","name":"Mechanic One","email":"mechanic@example.com",\
"phone":null,"address":null,"certifications":["A1 Engine Repair"],"labor_rate_cents":12000,\
"has_left":false}}""",
    ),
    "inventory": (
        b.item_added(),
        f"""{{"id":"{ID}","version":1,"created_at":"2026-03-02T09:00:01Z",\
"updated_at":"2026-03-02T09:00:01Z","part_number":"OIL-5W30","name":"Engine oil 5W-30",\
"description":null,"bin_location":"A-1","unit_cost_cents":600,"unit_price_cents":1000,\
"quantity_on_hand":0,"reorder_point":5,"low":true,"discontinued":false}}""",
    ),
    "ticket": (
        b.ticket_opened(),
        f"""{{"id":"{ID}","version":1,"created_at":"2026-03-02T09:00:01Z",\
"updated_at":"2026-03-02T09:00:01Z","ro_number":1,"status":"open","hold_reason":null,\
"customer_id":"{uid(11)}","vehicle_id":"{uid(21)}","description":"Oil change",\
"customer_concerns":["oil lamp is on"],"priority":"normal","odometer_unit":"mi","odometer_in":null,\
"odometer_out":null,"promised_at":null,"key_tag":null,"mechanic_ids":[],"parts":[],"labor":[],\
"parts_total_cents":0,"labor_total_cents":0,"total_cents":0,\
"opened_at":"2026-03-02T09:00:00Z","closed_at":null}}""",
    ),
    "account": (
        b.account_registered(),
        f"""{{"id":"{ID}","version":1,"created_at":"2026-03-02T09:00:01Z",\
"updated_at":"2026-03-02T09:00:01Z","email":"account@example.com","role":"admin",\
"mechanic_id":null,"customer_id":null,"active":true,"erased":false}}""",
    ),
}
"""The first event of each kind, and the body byte for byte."""

PART = {
    "line_id": uid(61),
    "inventory_id": uid(41),
    "part_number": "OIL-5W30",
    "name": "Engine oil 5W-30",
    "quantity": 2,
    "unit_price_cents": 1000,
    "line_total_cents": 2000,
}
LABOR = {
    "line_id": uid(62),
    "description": "Change the oil",
    "mechanic_id": uid(31),
    "minutes": 30,
    "rate_cents_per_hour": 12000,
    "line_total_cents": 6000,
}
NOBODY = {"name": None, "email": None, "phone": None, "address": None}

NEXT: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("customer", [b.customer_changed(name="New", phone="1")], {"name": "New", "phone": "1"}),
    ("customer", [b.customer_ticket_opened()], {"open_ticket_ids": [uid(51)]}),
    ("customer", [b.customer_ticket_opened(), b.customer_ticket_closed()], {}),
    ("customer", [b.account_linked()], {"account_ids": [uid(71)]}),
    ("customer", [b.account_linked(), b.account_unlinked()], {}),
    ("customer", [CustomerArchived()], {"archived": True}),
    ("customer", [CustomerArchived(), CustomerRestored()], {}),
    ("customer", [CustomerErased()], {"erased": True, **NOBODY}),
    ("vehicle", [b.vehicle_changed(color="red")], {"color": "red"}),
    (
        "vehicle",
        [b.vehicle_changed(vin="1M8GDM9A0KP042788")],
        {"vin": "1M8GDM9A0KP042788", "vin_check": "mismatch"},
    ),
    ("vehicle", [b.vehicle_transferred()], {"customer_id": uid(12)}),
    (
        "vehicle",
        [b.odometer_recorded()],
        {
            "odometer": {
                "value": 50000,
                "unit": "mi",
                "read_at": "2026-03-02T09:00:00Z",
                "rollback": False,
            }
        },
    ),
    ("vehicle", [b.vehicle_ticket_opened()], {"open_ticket_ids": [uid(51)]}),
    ("vehicle", [b.vehicle_ticket_opened(), b.vehicle_ticket_closed()], {}),
    ("vehicle", [VehicleArchived()], {"archived": True}),
    ("vehicle", [VehicleArchived(), VehicleRestored()], {}),
    ("mechanic", [b.mechanic_changed(certifications=[])], {"certifications": []}),
    ("mechanic", [MechanicLeft()], {"has_left": True}),
    ("mechanic", [MechanicLeft(), MechanicRehired()], {}),
    (
        "inventory",
        [b.item_changed(reorder_point=0, name="Oil")],
        {"reorder_point": 0, "name": "Oil"},
    ),
    ("inventory", [b.item_priced(unit_price_cents=1)], {"unit_price_cents": 1}),
    (
        "inventory",
        [b.received(unit_cost_cents=650)],
        {"quantity_on_hand": 10, "unit_cost_cents": 650, "low": False},
    ),
    ("inventory", [b.received(), b.issued(quantity_on_hand=5)], {"quantity_on_hand": 5}),
    ("inventory", [b.received(), b.issued(), b.returned()], {"quantity_on_hand": 10, "low": False}),
    ("inventory", [b.adjusted()], {"quantity_on_hand": 11, "low": False}),
    ("inventory", [ItemDiscontinued()], {"discontinued": True, "low": False}),
    ("inventory", [ItemDiscontinued(), ItemReinstated()], {}),
    ("ticket", [b.ticket_changed(key_tag="7")], {"key_tag": "7"}),
    ("ticket", [b.mechanic_assigned()], {"mechanic_ids": [uid(31)]}),
    ("ticket", [b.mechanic_assigned(), b.mechanic_removed()], {}),
    (
        "ticket",
        [b.part_issued()],
        {"parts": [PART], "parts_total_cents": 2000, "total_cents": 2000},
    ),
    ("ticket", [b.part_issued(), b.part_returned()], {}),
    (
        "ticket",
        [b.labor_added()],
        {"labor": [LABOR], "labor_total_cents": 6000, "total_cents": 6000},
    ),
    ("ticket", [b.labor_added(), b.labor_removed()], {}),
    ("ticket", [TicketStarted()], {"status": "in_progress"}),
    (
        "ticket",
        [TicketStarted(), b.put_on_hold()],
        {"status": "on_hold", "hold_reason": "waiting_parts"},
    ),
    ("ticket", [b.put_on_hold(), TicketResumed()], {"status": "in_progress"}),
    ("ticket", [TicketCompleted()], {"status": "completed"}),
    (
        "ticket",
        [b.ticket_closed(odometer_out=9)],
        {"status": "closed", "closed_at": "2026-03-02T09:00:00Z", "odometer_out": 9},
    ),
    ("ticket", [b.ticket_closed(), b.ticket_reopened()], {}),
    ("ticket", [b.put_on_hold(), b.ticket_voided()], {"status": "voided"}),
    ("account", [b.account_changed(mechanic_id=b.MECHANIC_ID)], {"mechanic_id": uid(31)}),
    ("account", [AccountRoleChanged(role=Role.AUDITOR)], {"role": "auditor"}),
    ("account", [AccountPasswordChanged()], {}),
    ("account", [AccountDeactivated()], {"active": False}),
    ("account", [AccountDeactivated(), AccountReactivated()], {}),
    ("account", [AccountErased()], {"email": None, "active": False, "erased": True}),
]
"""Events that follow the first one, and what the body then says that it did not say before."""


@pytest.mark.parametrize("kind", FIRST)
def test_the_first_event_makes_the_body(kind: str) -> None:
    event, literal = FIRST[kind]

    fold = FOLDS[kind]
    _, row = next(fold.rows(folded(kind, event)))

    assert row["body"].decode() == literal


@pytest.mark.parametrize(
    ("kind", "events", "changes"),
    NEXT,
    ids=[f"{type(events[-1]).__name__}-{n}" for n, (_, events, _) in enumerate(NEXT)],
)
def test_an_event_changes_the_body(kind: str, events: list[Any], changes: dict[str, Any]) -> None:
    first, literal = FIRST[kind]

    served = body(kind, first, *events)

    seen = {
        "version": 1 + len(events),
        "updated_at": f"2026-03-02T09:00:0{1 + len(events)}Z",
    }
    assert served == json.loads(literal) | changes | seen


def test_every_event_is_tried_here() -> None:
    tried = {type(event) for event, _ in FIRST.values()}
    tried |= {type(event) for _, events, _ in NEXT for event in events}
    shown = {one for one in get_args(AnyEvent) if _kind(one) in FOLDS}

    assert tried == shown


@pytest.mark.parametrize("kind", FOLDS)
def test_a_fold_refuses_events_of_other_streams(kind: str) -> None:
    first, _ = FIRST[kind]
    foreign = next(event for other, (event, _) in FIRST.items() if other != kind)

    with pytest.raises(TypeError, match="not know"):
        body(kind, first, foreign)


@pytest.mark.parametrize("kind", FOLDS)
def test_a_stream_without_its_first_event_is_broken(kind: str) -> None:
    _, events, _ = next(each for each in NEXT if each[0] == kind)

    with pytest.raises(BrokenHistory, match="begins with"):
        body(kind, events[0])


@pytest.mark.parametrize("kind", FOLDS)
def test_folding_leaves_the_state_before_as_it_was(kind: str) -> None:
    first, _ = FIRST[kind]
    fold = FOLDS[kind]
    for events in [events for k, events, _ in NEXT if k == kind]:
        past = history(first, *events)
        before = None
        for recorded in past[:-1]:
            before = fold.evolve(before, recorded)
        shown = list(fold.rows(before))

        fold.evolve(before, past[-1])

        assert list(fold.rows(before)) == shown


def test_what_was_erased_reads_null_from_the_first_event_on() -> None:
    """Once the key is gone, this is what the store gives back."""
    unreadable = replace(b.customer_registered(), name=None, email=None)

    assert body("customer", unreadable)["name"] is None


def _kind(event: type[Any]) -> str:
    return str(event.__struct_config__.tag).partition(".")[0]
