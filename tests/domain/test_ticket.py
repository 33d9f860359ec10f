from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.kernel import Refused
from domain.ticket import CENTS_MAX, LINES_MAX, Ticket, labor_cents
from domain.ticket_events import Priority, Status
from domain.vehicle import OdometerUnit
from tests.builders import (
    CUSTOMER_ID,
    ITEM_ID,
    LABOR_LINE_ID,
    MECHANIC_ID,
    OTHER_ITEM_ID,
    OTHER_LINE_ID,
    OTHER_MECHANIC_ID,
    PART_LINE_ID,
    VEHICLE_ID,
    labor_added,
    labor_removed,
    mechanic_assigned,
    mechanic_removed,
    part_issued,
    part_line,
    part_returned,
    ticket_changed,
    ticket_closed,
    ticket_details,
    ticket_opened,
    ticket_reopened,
    ticket_voided,
)
from tests.given import SOME_DAY, given

OPENED = ticket_opened()
HALF_AN_HOUR: dict[str, Any] = dict(
    description="Change the oil",
    mechanic_id=MECHANIC_ID,
    minutes=30,
    rate_cents_per_hour=12_000,
)


def issue(ticket: Ticket, line_id: UUID = PART_LINE_ID, **line: Any) -> None:
    ticket.issue_part(line_id, part_line(**line), part_number="OIL-5W30", name="Engine oil 5W-30")


def test_a_ticket_is_opened_with_all_details() -> None:
    ticket = given(Ticket)
    details = ticket_details(priority=Priority.HIGH, odometer_in=50_000, key_tag="7")

    ticket.open(
        1,
        customer_id=CUSTOMER_ID,
        vehicle_id=VEHICLE_ID,
        at=SOME_DAY,
        odometer_unit=OdometerUnit.MILES,
        details=details,
    )

    assert ticket.emitted == [
        ticket_opened(priority=Priority.HIGH, odometer_in=50_000, key_tag="7")
    ]
    assert (ticket.status, ticket.details) == (Status.OPEN, details)
    assert (ticket.customer_id, ticket.vehicle_id) == (CUSTOMER_ID, VEHICLE_ID)


def test_changed_details_are_recorded_whole() -> None:
    ticket = given(Ticket, OPENED)

    ticket.change_details(ticket_details(key_tag="7"))

    assert ticket.emitted == [ticket_changed(key_tag="7")]
    assert ticket.details == ticket_details(key_tag="7")


def test_details_that_stay_the_same_are_no_event() -> None:
    ticket = given(Ticket, OPENED)

    ticket.change_details(ticket_details())

    assert ticket.emitted == []


def test_assigning_a_mechanic_twice_changes_nothing() -> None:
    ticket = given(Ticket, OPENED)

    ticket.assign(MECHANIC_ID)
    ticket.assign(MECHANIC_ID)
    ticket.assign(OTHER_MECHANIC_ID)

    assert ticket.emitted == [
        mechanic_assigned(),
        mechanic_assigned(
            mechanic_id=OTHER_MECHANIC_ID, mechanic_ids=[MECHANIC_ID, OTHER_MECHANIC_ID]
        ),
    ]


def test_an_assigned_mechanic_is_removed() -> None:
    ticket = given(Ticket, OPENED, mechanic_assigned())

    ticket.remove(MECHANIC_ID)

    assert ticket.emitted == [mechanic_removed()]
    assert ticket.mechanic_ids == []


def test_a_mechanic_who_is_not_assigned_is_not_removed() -> None:
    ticket = given(Ticket, OPENED, mechanic_assigned())

    with pytest.raises(Refused) as refused:
        ticket.remove(OTHER_MECHANIC_ID)

    assert str(refused.value) == (
        "only an assigned mechanic is removed; assigned here: 1, and not this one"
    )
    assert ticket.emitted == []


def test_the_total_is_parts_and_labor() -> None:
    ticket = given(Ticket, OPENED)

    issue(ticket)
    ticket.add_labor(LABOR_LINE_ID, **HALF_AN_HOUR)
    issue(ticket, OTHER_LINE_ID, inventory_id=OTHER_ITEM_ID, quantity=3, unit_price_cents=5)

    assert ticket.emitted == [
        part_issued(),
        labor_added(total_cents=8_000),
        part_issued(
            line_id=OTHER_LINE_ID,
            inventory_id=OTHER_ITEM_ID,
            quantity=3,
            unit_price_cents=5,
            parts_total_cents=2_015,
            total_cents=8_015,
        ),
    ]


def test_a_line_taken_off_lowers_the_total_by_its_own() -> None:
    ticket = given(Ticket, OPENED, part_issued(), labor_added(total_cents=8_000))

    line = ticket.return_part(PART_LINE_ID)
    ticket.remove_labor(LABOR_LINE_ID)

    assert line == part_line()
    assert ticket.emitted == [part_returned(total_cents=6_000), labor_removed()]
    assert (ticket.parts, ticket.labor) == ({}, {})
    assert (ticket.parts_total_cents, ticket.labor_total_cents) == (0, 0)


def test_the_same_part_twice_is_two_lines_at_the_price_of_their_day() -> None:
    ticket = given(Ticket, OPENED, part_issued())

    issue(ticket, OTHER_LINE_ID, unit_price_cents=1_200)
    ticket.return_part(PART_LINE_ID)

    assert ticket.parts == {OTHER_LINE_ID: part_line(unit_price_cents=1_200)}
    assert ticket.parts_total_cents == 2_400


@pytest.mark.parametrize(
    ("minutes", "rate", "cents"),
    [
        (60, 12_000, 12_000),
        (1, 60, 1),
        (1, 29, 0),
        (1, 30, 1),
        (1, 31, 1),
        (1, 89, 1),
        (1, 90, 2),
        (7, 9_999, 1_167),
        (20, 10_000, 3_333),
        (40, 10_000, 6_667),
        (45, 0, 0),
        (60_000, 1_000_000_000, 1_000_000_000_000),
    ],
)
def test_labor_is_rounded_to_the_cent_and_half_a_cent_up(
    minutes: int, rate: int, cents: int
) -> None:
    assert labor_cents(minutes, rate) == cents


def test_labor_is_rounded_line_by_line() -> None:
    ticket = given(Ticket, OPENED)

    for n in range(3):
        ticket.add_labor(
            UUID(int=n), description="x", mechanic_id=None, minutes=1, rate_cents_per_hour=30
        )

    assert [event.total_cents for event in ticket.emitted if hasattr(event, "total_cents")] == [
        1,
        2,
        3,
    ]


def test_a_closed_ticket_carries_what_reports_ask() -> None:
    later = SOME_DAY + timedelta(hours=5)
    ticket = given(
        Ticket, OPENED, mechanic_assigned(), part_issued(), labor_added(total_cents=8_000)
    )

    ticket.close(at=later, odometer_out=50_002)

    assert ticket.emitted == [
        ticket_closed(
            closed_at=later,
            odometer_out=50_002,
            mechanic_ids=[MECHANIC_ID],
            parts_total_cents=2_000,
            parts_cost_cents=1_200,
            labor_total_cents=6_000,
            total_cents=8_000,
        )
    ]


def test_a_reopened_ticket_says_when_it_had_been_closed() -> None:
    later = SOME_DAY + timedelta(hours=5)
    ticket = given(Ticket, OPENED, part_issued(), ticket_closed(closed_at=later))

    ticket.reopen()
    ticket.return_part(PART_LINE_ID)

    assert ticket.emitted == [ticket_reopened(closed_at=later), part_returned()]


def test_a_voided_ticket_gives_back_every_part_still_on_it() -> None:
    ticket = given(
        Ticket,
        OPENED,
        part_issued(),
        part_issued(line_id=OTHER_LINE_ID, parts_total_cents=4_000, total_cents=4_000),
        mechanic_assigned(),
    )

    back = ticket.void()

    assert back == {PART_LINE_ID: part_line(), OTHER_LINE_ID: part_line()}
    assert ticket.emitted == [
        part_returned(parts_total_cents=2_000, total_cents=2_000),
        part_returned(line_id=OTHER_LINE_ID),
        ticket_voided(mechanic_ids=[MECHANIC_ID]),
    ]
    assert ticket.parts == {}


def test_a_ticket_has_room_for_so_many_lines() -> None:
    past = [part_issued(line_id=UUID(int=1_000 + n)) for n in range(LINES_MAX - 1)]
    ticket = given(Ticket, OPENED, *past)

    ticket.add_labor(LABOR_LINE_ID, **HALF_AN_HOUR)

    with pytest.raises(Refused) as part:
        issue(ticket)
    with pytest.raises(Refused) as labor:
        ticket.add_labor(OTHER_LINE_ID, **HALF_AN_HOUR)
    assert (
        str(part.value)
        == str(labor.value)
        == f"a ticket has at most {LINES_MAX} lines; this one has {LINES_MAX}"
    )
    assert len(ticket.emitted) == 1


def test_a_ticket_totals_at_most_so_much() -> None:
    ticket = given(Ticket, OPENED)

    issue(ticket, inventory_id=ITEM_ID, quantity=1_000_000, unit_price_cents=CENTS_MAX // 10**6)

    with pytest.raises(Refused) as part:
        issue(ticket, OTHER_LINE_ID, quantity=1, unit_price_cents=1)
    with pytest.raises(Refused) as labor:
        ticket.add_labor(
            OTHER_LINE_ID, description="x", mechanic_id=None, minutes=60, rate_cents_per_hour=1
        )
    assert (
        str(part.value)
        == str(labor.value)
        == f"a ticket totals at most {CENTS_MAX} cents; this would make {CENTS_MAX + 1}"
    )
    assert len(ticket.emitted) == 1
