"""Customers, as the front desk sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec

from domain.customer import (
    CustomerAccountLinked,
    CustomerAccountUnlinked,
    CustomerArchived,
    CustomerDetailsChanged,
    CustomerErased,
    CustomerRegistered,
    CustomerRestored,
    CustomerTicketClosed,
    CustomerTicketOpened,
)
from domain.kernel import Recorded
from domain.text import folded
from projections.kernel import Fold, Row, Seen, changed, first


class CustomerView(Seen, kw_only=True):
    """A customer. What has been erased reads null."""

    name: str | None
    email: str | None
    phone: str | None
    address: str | None
    open_ticket_ids: list[UUID]
    account_ids: list[UUID]
    archived: bool
    erased: bool


def evolve(view: CustomerView | None, recorded: Recorded[Any]) -> CustomerView:
    match recorded.event:
        case CustomerRegistered() as e:
            return CustomerView(
                **first(recorded),
                name=e.name,
                email=e.email,
                phone=e.phone,
                address=e.address,
                open_ticket_ids=[],
                account_ids=[],
                archived=False,
                erased=False,
            )
        case CustomerDetailsChanged() as e:
            return changed(
                view, recorded, name=e.name, email=e.email, phone=e.phone, address=e.address
            )
        case CustomerTicketOpened(open_ticket_ids=ids) | CustomerTicketClosed(open_ticket_ids=ids):
            return changed(view, recorded, open_ticket_ids=ids)
        case CustomerAccountLinked(account_ids=ids) | CustomerAccountUnlinked(account_ids=ids):
            return changed(view, recorded, account_ids=ids)
        case CustomerArchived():
            return changed(view, recorded, archived=True)
        case CustomerRestored():
            return changed(view, recorded, archived=False)
        case CustomerErased():
            nothing = dict.fromkeys(("name", "email", "phone", "address"))
            return changed(view, recorded, erased=True, **nothing)
        case other:
            raise TypeError(f"customers do not know {other}")


def rows(view: CustomerView) -> Iterator[Row]:
    yield (
        "customers",
        dict(
            id=view.id,
            version=view.version,
            owner_id=view.id,
            name=folded(view.name or "")[:200],
            email=folded(view.email or "")[:254],
            archived=view.archived or view.erased,
            created_at=view.created_at,
            updated_at=view.updated_at,
            body=msgspec.json.encode(view),
        ),
    )


FOLD = Fold("customer", CustomerView, evolve, rows, erasure="customer.erased")
