"""A mechanic: who does the work, at which rate."""

from __future__ import annotations

from typing import assert_never

import msgspec

from domain.kernel import Aggregate, Event, Personal, Refused


class MechanicDetails(msgspec.Struct, frozen=True, kw_only=True):
    name: str | None
    email: str | None
    phone: str | None = None
    address: str | None = None
    certifications: list[str] = []
    labor_rate_cents: int = 0


class MechanicHired(Event, frozen=True, tag="mechanic.hired"):
    name: Personal
    email: Personal
    phone: Personal
    address: Personal
    certifications: list[str]
    labor_rate_cents: int


class MechanicDetailsChanged(Event, frozen=True, tag="mechanic.details-changed"):
    """All details as they are now, changed or not."""

    name: Personal
    email: Personal
    phone: Personal
    address: Personal
    certifications: list[str]
    labor_rate_cents: int


class MechanicLeft(Event, frozen=True, tag="mechanic.left"):
    pass


class MechanicRehired(Event, frozen=True, tag="mechanic.rehired"):
    pass


class Mechanic(Aggregate["MechanicEvent"]):
    noun = "mechanic"
    stream = "mechanic"

    name: Personal = None
    email: Personal = None
    phone: Personal = None
    address: Personal = None
    certifications: list[str] = []
    labor_rate_cents: int = 0
    has_left: bool = False

    def hire(self, details: MechanicDetails) -> None:
        self.emit(MechanicHired(**msgspec.structs.asdict(details)))

    def details(self) -> MechanicDetails:
        return msgspec.convert(self, MechanicDetails, from_attributes=True)

    def change_details(self, details: MechanicDetails) -> None:
        self.must_work_here("details change only while a mechanic works here")
        if details != self.details():
            self.emit(MechanicDetailsChanged(**msgspec.structs.asdict(details)))

    def leave(self) -> None:
        self.must_work_here("only a mechanic who works here can leave")
        self.emit(MechanicLeft())

    def rehire(self) -> None:
        if not self.has_left:
            raise Refused("only a mechanic who has left is rehired; this one works here")
        self.emit(MechanicRehired())

    def must_work_here(self, rule: str) -> None:
        if self.has_left:
            raise Refused(f"{rule}; this one has left")

    def apply(self, event: MechanicEvent) -> None:
        match event:
            case MechanicHired() | MechanicDetailsChanged():
                self.name, self.email = event.name, event.email
                self.phone, self.address = event.phone, event.address
                self.certifications = list(event.certifications)
                self.labor_rate_cents = event.labor_rate_cents
            case MechanicLeft():
                self.has_left = True
            case MechanicRehired():
                self.has_left = False
            case _:
                assert_never(event)


MechanicEvent = MechanicHired | MechanicDetailsChanged | MechanicLeft | MechanicRehired
