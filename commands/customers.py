"""What can be asked of customers."""

from __future__ import annotations

from uuid import UUID

from msgspec import UNSET, UnsetType, convert

from commands.claims import claim, exchange
from commands.fields import Email, Name, NewId, Phone, Text, merged
from commands.kernel import Command, Work, handles
from domain.account import Account
from domain.claim import ClaimKind
from domain.customer import Customer, CustomerDetails


class RegisterCustomer(Command, frozen=True):
    """Register a customer. The e-mail must be no other customer's."""

    customer_id: NewId
    name: Name
    email: Email
    phone: Phone | None = None
    address: Text | None = None


@handles(RegisterCustomer)
def register_customer(command: RegisterCustomer, work: Work) -> None:
    customer = work.new(Customer, command.customer_id)
    claim(work, ClaimKind.CUSTOMER_EMAIL, customer.id, command.email)
    customer.register(convert(command, CustomerDetails, from_attributes=True))


class ChangeCustomer(Command, frozen=True):
    """Change details of an active customer; what is absent stays as it is."""

    customer_id: UUID
    name: Name | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    phone: Phone | UnsetType | None = UNSET
    address: Text | UnsetType | None = UNSET


@handles(ChangeCustomer)
def change_customer(command: ChangeCustomer, work: Work) -> None:
    customer = work.get(Customer, command.customer_id)
    before = customer.details()
    customer.change_details(details := merged(before, command))
    exchange(work, ClaimKind.CUSTOMER_EMAIL, customer.id, before.email, details.email)


class ArchiveCustomer(Command, frozen=True):
    """Archive a customer without open tickets. Nothing is deleted; the e-mail stays theirs."""

    customer_id: UUID


@handles(ArchiveCustomer)
def archive_customer(command: ArchiveCustomer, work: Work) -> None:
    work.get(Customer, command.customer_id).archive()


class RestoreCustomer(Command, frozen=True):
    """Bring an archived customer back."""

    customer_id: UUID


@handles(RestoreCustomer)
def restore_customer(command: RestoreCustomer, work: Work) -> None:
    work.get(Customer, command.customer_id).restore()


class EraseCustomer(Command, frozen=True):
    """Erase a person: their personal data reads null from here on, in history too, and so
    does that of the accounts that stand for them; nobody logs in with those again.

    Tickets, totals and proofs stay whole. Refused while a ticket of theirs is open.
    """

    customer_id: UUID


@handles(EraseCustomer)
def erase_customer(command: EraseCustomer, work: Work) -> None:
    customer = work.get(Customer, command.customer_id)
    email = customer.email
    customer.erase()
    exchange(work, ClaimKind.CUSTOMER_EMAIL, customer.id, email, None)
    work.forget(customer.id)
    for account_id in customer.account_ids:
        account = work.get(Account, account_id)
        exchange(work, ClaimKind.ACCOUNT_EMAIL, account.id, account.email, None)
        account.erase()
        work.forget(account.id)
