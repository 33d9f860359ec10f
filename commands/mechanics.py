"""What can be asked of mechanics."""

from __future__ import annotations

from uuid import UUID

from msgspec import UNSET, UnsetType, convert

from commands.claims import claim, exchange
from commands.fields import Cents, Certifications, Email, Name, NewId, Phone, Text, merged
from commands.kernel import Command, Work, handles
from domain.claim import ClaimKind
from domain.mechanic import Mechanic, MechanicDetails


class HireMechanic(Command, frozen=True):
    """Hire a mechanic. The e-mail must be no other mechanic's."""

    mechanic_id: NewId
    name: Name
    email: Email
    phone: Phone | None = None
    address: Text | None = None
    certifications: Certifications = []
    labor_rate_cents: Cents = 0


@handles(HireMechanic)
def hire_mechanic(command: HireMechanic, work: Work) -> None:
    mechanic = work.new(Mechanic, command.mechanic_id)
    claim(work, ClaimKind.MECHANIC_EMAIL, mechanic.id, command.email)
    mechanic.hire(convert(command, MechanicDetails, from_attributes=True))


class ChangeMechanic(Command, frozen=True):
    """Change details of a mechanic who works here; what is absent stays as it is."""

    mechanic_id: UUID
    name: Name | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    phone: Phone | UnsetType | None = UNSET
    address: Text | UnsetType | None = UNSET
    certifications: Certifications | UnsetType = UNSET
    labor_rate_cents: Cents | UnsetType = UNSET


@handles(ChangeMechanic)
def change_mechanic(command: ChangeMechanic, work: Work) -> None:
    mechanic = work.get(Mechanic, command.mechanic_id)
    before = mechanic.details()
    mechanic.change_details(details := merged(before, command))
    exchange(work, ClaimKind.MECHANIC_EMAIL, mechanic.id, before.email, details.email)


class RecordMechanicLeft(Command, frozen=True):
    """The mechanic has left the shop. Their tickets and figures stay."""

    mechanic_id: UUID


@handles(RecordMechanicLeft)
def record_mechanic_left(command: RecordMechanicLeft, work: Work) -> None:
    work.get(Mechanic, command.mechanic_id).leave()


class RehireMechanic(Command, frozen=True):
    """A mechanic who had left works here again."""

    mechanic_id: UUID


@handles(RehireMechanic)
def rehire_mechanic(command: RehireMechanic, work: Work) -> None:
    work.get(Mechanic, command.mechanic_id).rehire()
