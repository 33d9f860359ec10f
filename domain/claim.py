"""A claim: one unique value (an e-mail, a VIN, a part number) and whose it is.

The value itself is never stored: the aggregate's id is made from a keyed hash of it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never
from uuid import UUID

from domain.kernel import Aggregate, Event, Taken


class ClaimKind(StrEnum):
    """Name spaces of unique values; each is unique by itself."""

    CUSTOMER_EMAIL = "customer_email"
    MECHANIC_EMAIL = "mechanic_email"
    ACCOUNT_EMAIL = "account_email"
    VIN = "vin"
    PART_NUMBER = "part_number"

    @property
    def field(self) -> str:
        """How clients call it."""
        return "email" if self.endswith("_email") else self.value


class ClaimTaken(Event, frozen=True, tag="claim.taken"):
    kind: ClaimKind
    owner_id: UUID


class ClaimReleased(Event, frozen=True, tag="claim.released"):
    kind: ClaimKind
    owner_id: UUID


class Claim(Aggregate["ClaimEvent"]):
    noun = "claim"
    stream = "claim"

    owner_id: UUID | None = None

    def take(self, kind: ClaimKind, owner_id: UUID) -> None:
        if self.owner_id == owner_id:
            return
        if self.owner_id is not None:
            raise Taken(kind.field)
        self.emit(ClaimTaken(kind=kind, owner_id=owner_id))

    def release(self, kind: ClaimKind, owner_id: UUID) -> None:
        if self.owner_id == owner_id:
            self.emit(ClaimReleased(kind=kind, owner_id=owner_id))

    def apply(self, event: ClaimEvent) -> None:
        match event:
            case ClaimTaken(owner_id=owner_id):
                self.owner_id = owner_id
            case ClaimReleased():
                self.owner_id = None
            case _:
                assert_never(event)


ClaimEvent = ClaimTaken | ClaimReleased
