"""The status machine, as one table: what each action does to a ticket of each status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from domain.kernel import Refused
from domain.ticket import Ticket
from domain.ticket_events import (
    HoldReason,
    Status,
    TicketCompleted,
    TicketResumed,
    TicketStarted,
)
from tests.builders import (
    LABOR_LINE_ID,
    MECHANIC_ID,
    OTHER_LINE_ID,
    OTHER_MECHANIC_ID,
    PART_LINE_ID,
    labor_added,
    mechanic_assigned,
    part_issued,
    part_line,
    part_returned,
    put_on_hold,
    ticket_closed,
    ticket_details,
    ticket_opened,
    ticket_reopened,
    ticket_voided,
)
from tests.given import SOME_DAY, given

WORKED_ON = [
    ticket_opened(),
    mechanic_assigned(),
    part_issued(),
    labor_added(total_cents=8_000),
]
VOIDED = [
    part_returned(total_cents=6_000),
    ticket_voided(mechanic_ids=[MECHANIC_ID]),
]
PAST: dict[Status, list[Any]] = {
    Status.OPEN: WORKED_ON,
    Status.IN_PROGRESS: [*WORKED_ON, TicketStarted()],
    Status.ON_HOLD: [*WORKED_ON, TicketStarted(), put_on_hold()],
    Status.COMPLETED: [*WORKED_ON, TicketCompleted()],
    Status.CLOSED: [*WORKED_ON, ticket_closed()],
    Status.VOIDED: [*WORKED_ON, *VOIDED],
}
ACTIONS: dict[str, tuple[Callable[[Ticket], object], str]] = {
    "start": (Ticket.start, "only an open ticket is started"),
    "hold": (
        lambda t: t.hold(HoldReason.WAITING_PARTS),
        "only a ticket in progress is put on hold",
    ),
    "resume": (Ticket.resume, "only a held or completed ticket is resumed"),
    "complete": (Ticket.complete, "only an open ticket or one in progress completes"),
    "close": (
        lambda t: t.close(at=SOME_DAY, odometer_out=None),
        "only an open, started or completed ticket is closed",
    ),
    "reopen": (Ticket.reopen, "only a closed ticket is reopened"),
    "void": (Ticket.void, "a ticket is voided until it is closed"),
    "details": (
        lambda t: t.change_details(ticket_details(key_tag="7")),
        "details change until a ticket is closed",
    ),
    "assign": (
        lambda t: t.assign(OTHER_MECHANIC_ID),
        "mechanics are assigned while a ticket is worked on",
    ),
    "remove": (
        lambda t: t.remove(MECHANIC_ID),
        "mechanics are removed while a ticket is worked on",
    ),
    "issue": (
        lambda t: t.issue_part(OTHER_LINE_ID, part_line(), part_number="P", name="Part"),
        "parts go on an open ticket",
    ),
    "return": (
        lambda t: t.return_part(PART_LINE_ID),
        "parts are returned while a ticket is worked on",
    ),
    "labor": (
        lambda t: t.add_labor(
            OTHER_LINE_ID, description="x", mechanic_id=None, minutes=1, rate_cents_per_hour=1
        ),
        "labor goes on an open ticket",
    ),
    "unlabor": (
        lambda t: t.remove_labor(LABOR_LINE_ID),
        "labor is removed while a ticket is worked on",
    ),
}
TABLE = """
            open         in_progress  on_hold      completed    closed     voided
start       in_progress  -            -            -            -          -
hold        -            on_hold      -            -            -          -
resume      -            -            in_progress  in_progress  -          -
complete    completed    completed    -            -            -          -
close       closed       closed       -            closed       -          -
reopen      -            -            -            -            open       -
void        voided       voided       voided       voided       -          -
details     open         in_progress  on_hold      completed    -          -
assign      open         in_progress  on_hold      -            -          -
remove      open         in_progress  on_hold      -            -          -
issue       open         in_progress  on_hold      -            -          -
return      open         in_progress  on_hold      -            -          -
labor       open         in_progress  on_hold      -            -          -
unlabor     open         in_progress  on_hold      -            -          -
"""


def cells(allowed: bool) -> list[tuple[str, Status, str]]:
    header, *rows = [line.split() for line in TABLE.strip().splitlines()]
    return [
        (action, Status(status), result)
        for action, *results in rows
        for status, result in zip(header, results, strict=True)
        if (result != "-") is allowed
    ]


@pytest.mark.parametrize(("action", "status", "after"), cells(allowed=True))
def test_the_diagram_allows_it(action: str, status: Status, after: str) -> None:
    ticket = given(Ticket, *PAST[status])
    assert ticket.status is status

    ACTIONS[action][0](ticket)

    assert ticket.status is Status(after)
    assert ticket.emitted


@pytest.mark.parametrize(("action", "status", "_"), cells(allowed=False))
def test_the_diagram_lacks_it(action: str, status: Status, _: str) -> None:
    ticket = given(Ticket, *PAST[status])
    ask, rule = ACTIONS[action]

    with pytest.raises(Refused) as refused:
        ask(ticket)

    assert str(refused.value) == f"{rule}; this one is {status}"
    assert ticket.emitted == []


def test_the_table_is_full() -> None:
    tabled = {(action, status) for action, status, _ in cells(True) + cells(False)}

    assert tabled == {(action, status) for action in ACTIONS for status in Status}


@pytest.mark.parametrize(
    ("action", "status", "emitted"),
    [
        ("start", Status.OPEN, [TicketStarted()]),
        ("hold", Status.IN_PROGRESS, [put_on_hold()]),
        ("resume", Status.ON_HOLD, [TicketResumed()]),
        ("resume", Status.COMPLETED, [TicketResumed()]),
        ("complete", Status.OPEN, [TicketCompleted()]),
        ("complete", Status.IN_PROGRESS, [TicketCompleted()]),
        ("reopen", Status.CLOSED, [ticket_reopened()]),
        ("void", Status.ON_HOLD, VOIDED),
        ("void", Status.COMPLETED, VOIDED),
    ],
)
def test_a_change_of_status_is_this_event(
    action: str, status: Status, emitted: list[object]
) -> None:
    ticket = given(Ticket, *PAST[status])

    ACTIONS[action][0](ticket)

    assert ticket.emitted == emitted


@pytest.mark.parametrize("reason", HoldReason)
def test_a_hold_says_what_is_waited_for(reason: HoldReason) -> None:
    ticket = given(Ticket, ticket_opened(), TicketStarted())

    ticket.hold(reason)

    assert ticket.emitted == [put_on_hold(hold_reason=reason)]
