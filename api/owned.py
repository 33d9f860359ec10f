"""What belongs to an account: consumers and exports."""

from __future__ import annotations

from uuid import UUID

import falcon

from domain.account import Role


def owner_of(req: falcon.Request) -> UUID | None:
    """Whose things the caller sees: their own, and admins everybody's (`None`)."""
    actor = req.context.actor
    return None if actor.role is Role.ADMIN else actor.account_id


def may_see(req: falcon.Request, account_id: UUID) -> bool:
    return owner_of(req) in (None, account_id)
