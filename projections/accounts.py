"""Accounts, as admins see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec

from domain.account import (
    AccountDeactivated,
    AccountDetailsChanged,
    AccountErased,
    AccountPasswordChanged,
    AccountReactivated,
    AccountRegistered,
    AccountRoleChanged,
    Role,
)
from domain.kernel import Recorded
from domain.text import folded
from projections.kernel import Fold, Row, Seen, changed, first


class AccountView(Seen, kw_only=True):
    """An account, and whom it stands for."""

    email: str | None
    role: Role
    mechanic_id: UUID | None
    customer_id: UUID | None
    active: bool
    erased: bool


def evolve(view: AccountView | None, recorded: Recorded[Any]) -> AccountView:
    match recorded.event:
        case AccountRegistered() as e:
            return AccountView(
                **first(recorded),
                email=e.email,
                role=e.role,
                mechanic_id=e.mechanic_id,
                customer_id=e.customer_id,
                active=True,
                erased=False,
            )
        case AccountRoleChanged(role=role):
            return changed(view, recorded, role=role)
        case AccountDetailsChanged() as e:
            return changed(
                view,
                recorded,
                email=e.email,
                mechanic_id=e.mechanic_id,
                customer_id=e.customer_id,
            )
        case AccountDeactivated():
            return changed(view, recorded, active=False)
        case AccountReactivated():
            return changed(view, recorded, active=True)
        case AccountPasswordChanged():
            return changed(view, recorded)
        case AccountErased():
            return changed(view, recorded, email=None, active=False, erased=True)
        case other:
            raise TypeError(f"accounts do not know {other}")


def rows(view: AccountView) -> Iterator[Row]:
    yield (
        "accounts",
        dict(
            id=view.id,
            version=view.version,
            owner_id=view.id,
            name=folded(view.email or "")[:200],
            email=folded(view.email or "")[:254],
            role=view.role.value,
            archived=not view.active,
            created_at=view.created_at,
            updated_at=view.updated_at,
            body=msgspec.json.encode(view),
        ),
    )


FOLD = Fold("account", AccountView, evolve, rows, erasure="account.erased")
