"""A customer: who brings the vehicle, and whom the shop calls back."""

from __future__ import annotations

from typing import assert_never
from uuid import UUID

import msgspec

from domain.kernel import Aggregate, Event, Personal, Refused

OPEN_TICKETS_MAX = 1_000


class CustomerDetails(msgspec.Struct, frozen=True, kw_only=True):
    name: str | None
    email: str | None
    phone: str | None = None
    address: str | None = None


class CustomerRegistered(Event, frozen=True, tag="customer.registered"):
    name: Personal
    email: Personal
    phone: Personal
    address: Personal


class CustomerDetailsChanged(Event, frozen=True, tag="customer.details-changed"):
    """All details as they are now, changed or not."""

    name: Personal
    email: Personal
    phone: Personal
    address: Personal


class CustomerTicketOpened(Event, frozen=True, tag="customer.ticket-opened"):
    ticket_id: UUID
    open_ticket_ids: list[UUID]


class CustomerTicketClosed(Event, frozen=True, tag="customer.ticket-closed"):
    """A ticket of theirs was closed or voided."""

    ticket_id: UUID
    open_ticket_ids: list[UUID]


class CustomerAccountLinked(Event, frozen=True, tag="customer.account-linked"):
    """An account stands for them from here on."""

    account_id: UUID
    account_ids: list[UUID]


class CustomerAccountUnlinked(Event, frozen=True, tag="customer.account-unlinked"):
    """An account no longer stands for them."""

    account_id: UUID
    account_ids: list[UUID]


class CustomerArchived(Event, frozen=True, tag="customer.archived"):
    pass


class CustomerRestored(Event, frozen=True, tag="customer.restored"):
    pass


class CustomerErased(Event, frozen=True, tag="customer.erased"):
    """The key of their personal data is destroyed: it reads null from here on, everywhere."""


class Customer(Aggregate["CustomerEvent"]):
    noun = "customer"
    stream = "customer"
    snapshot_every = 200

    name: Personal = None
    email: Personal = None
    phone: Personal = None
    address: Personal = None
    open_ticket_ids: list[UUID] = []
    account_ids: list[UUID] = []
    archived: bool = False
    erased: bool = False

    def register(self, details: CustomerDetails) -> None:
        self.emit(CustomerRegistered(**msgspec.structs.asdict(details)))

    def details(self) -> CustomerDetails:
        return CustomerDetails(
            name=self.name, email=self.email, phone=self.phone, address=self.address
        )

    def change_details(self, details: CustomerDetails) -> None:
        self.must_be_active("details change only while a customer is active")
        if details != self.details():
            self.emit(CustomerDetailsChanged(**msgspec.structs.asdict(details)))

    def open_ticket(self, ticket_id: UUID) -> None:
        self.must_be_active("tickets open only for an active customer")
        if (opened := len(self.open_ticket_ids)) >= OPEN_TICKETS_MAX:
            raise Refused(f"at most {OPEN_TICKETS_MAX} open tickets; this customer has {opened}")
        self.emit(
            CustomerTicketOpened(
                ticket_id=ticket_id, open_ticket_ids=[*self.open_ticket_ids, ticket_id]
            )
        )

    def close_ticket(self, ticket_id: UUID) -> None:
        left = [id for id in self.open_ticket_ids if id != ticket_id]
        self.emit(CustomerTicketClosed(ticket_id=ticket_id, open_ticket_ids=left))

    def link_account(self, account_id: UUID) -> None:
        self.must_be_active("an account stands for somebody who is active here")
        ids = [*self.account_ids, account_id]
        self.emit(CustomerAccountLinked(account_id=account_id, account_ids=ids))

    def unlink_account(self, account_id: UUID) -> None:
        left = [id for id in self.account_ids if id != account_id]
        self.emit(CustomerAccountUnlinked(account_id=account_id, account_ids=left))

    def archive(self) -> None:
        self.must_be_active("only an active customer is archived")
        self._must_have_no_open_tickets("archived")
        self.emit(CustomerArchived())

    def restore(self) -> None:
        if self.erased or not self.archived:
            raise Refused(f"only an archived customer is restored; this one is {self.state}")
        self.emit(CustomerRestored())

    def erase(self) -> None:
        if self.erased:
            raise Refused("a customer is erased once; this one is erased")
        self._must_have_no_open_tickets("erased")
        self.emit(CustomerErased())

    @property
    def state(self) -> str:
        return "erased" if self.erased else "archived" if self.archived else "active"

    def must_be_active(self, rule: str) -> None:
        if self.state != "active":
            raise Refused(f"{rule}; this one is {self.state}")

    def _must_have_no_open_tickets(self, what: str) -> None:
        if self.open_ticket_ids:
            raise Refused(
                f"a customer with open tickets is not {what}; "
                f"this one has {len(self.open_ticket_ids)} open",
                blocking={"tickets": self.open_ticket_ids},
            )

    def apply(self, event: CustomerEvent) -> None:
        match event:
            case CustomerRegistered() | CustomerDetailsChanged():
                self.name, self.email = event.name, event.email
                self.phone, self.address = event.phone, event.address
            case (
                CustomerTicketOpened(open_ticket_ids=ids)
                | CustomerTicketClosed(open_ticket_ids=ids)
            ):
                self.open_ticket_ids = list(ids)
            case CustomerAccountLinked(account_ids=ids) | CustomerAccountUnlinked(account_ids=ids):
                self.account_ids = list(ids)
            case CustomerArchived():
                self.archived = True
            case CustomerRestored():
                self.archived = False
            case CustomerErased():
                self.erased = True
                self.name = self.email = self.phone = self.address = None
            case _:
                assert_never(event)


CustomerEvent = (
    CustomerRegistered
    | CustomerDetailsChanged
    | CustomerTicketOpened
    | CustomerTicketClosed
    | CustomerAccountLinked
    | CustomerAccountUnlinked
    | CustomerArchived
    | CustomerRestored
    | CustomerErased
)
