"""What a ticket adds to the shop's figures. The figures are sums of these rows.

Figures are kept by the quarter of an hour in UTC: every time zone in use begins its days on
one, so days are made when read and the shop may change its zone without a rebuild.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from domain.ticket_events import Status
from projections.kernel import Row

if TYPE_CHECKING:
    from projections.tickets import TicketView

QUARTER_MINUTES = 15
FIGURES = (
    "opened",
    "closed",
    "parts_cents",
    "parts_cost_cents",
    "labor_cents",
    "open_minutes",
)
"""`opened` counts where a ticket was opened; the others where it was closed. `open_minutes`:
whole minutes from opening to closing, 0 where a clock was set back between the two."""


def rows(view: TicketView, parts_cost_cents: int) -> Iterator[Row]:
    """The shop's figures and each mechanic's. A ticket that was voided adds nothing."""
    yield from _of_shop(view, parts_cost_cents)
    yield from _of_mechanics(view)


def _of_shop(view: TicketView, parts_cost_cents: int) -> Iterator[Row]:
    opened = quarter(view.opened_at)
    figures = {opened: dict.fromkeys(FIGURES, 0) | {"opened": 1}}
    if view.closed_at is not None:
        of_closing = figures.setdefault(quarter(view.closed_at), dict.fromkeys(FIGURES, 0))
        of_closing |= dict(
            closed=1,
            parts_cents=view.parts_total_cents,
            parts_cost_cents=parts_cost_cents,
            labor_cents=view.labor_total_cents,
            open_minutes=max(0, int((view.closed_at - view.opened_at).total_seconds()) // 60),
        )
    for at, of_quarter in figures.items():
        yield "ticket_figures", dict(ticket_id=view.id, quarter=at, **of_quarter)


def _of_mechanics(view: TicketView) -> Iterator[Row]:
    minutes = dict.fromkeys(view.mechanic_ids, 0)
    cents = dict.fromkeys(view.mechanic_ids, 0)
    for line in view.labor:
        if line.mechanic_id is not None:
            minutes[line.mechanic_id] = minutes.get(line.mechanic_id, 0) + line.minutes
            cents[line.mechanic_id] = cents.get(line.mechanic_id, 0) + line.line_total_cents
    for mechanic_id, labor_minutes in minutes.items():
        assigned = mechanic_id in view.mechanic_ids
        yield (
            "mechanic_contributions",
            dict(
                ticket_id=view.id,
                mechanic_id=mechanic_id,
                closed_at=view.closed_at,
                tickets=int(assigned),
                closed=int(assigned and view.status is Status.CLOSED),
                labor_minutes=labor_minutes,
                labor_cents=cents[mechanic_id],
            ),
        )


def quarter(moment: datetime) -> datetime:
    """The beginning of its quarter of an hour."""
    minute = moment.minute - moment.minute % QUARTER_MINUTES
    return moment.replace(minute=minute, second=0, microsecond=0)
