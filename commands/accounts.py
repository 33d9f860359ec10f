"""What can be asked of accounts."""

from __future__ import annotations

from uuid import UUID

from msgspec import UNSET, UnsetType

from commands.claims import claim, exchange
from commands.fields import Email, NewId, Password, if_set
from commands.kernel import Command, Work, handles
from domain.account import Account, Role
from domain.claim import ClaimKind
from domain.customer import Customer
from domain.mechanic import Mechanic


class RegisterAccount(Command, frozen=True):
    """Give somebody a login. The e-mail must be no other account's."""

    account_id: NewId
    email: Email
    password: Password
    role: Role
    mechanic_id: UUID | None = None
    customer_id: UUID | None = None


@handles(RegisterAccount)
def register_account(command: RegisterAccount, work: Work) -> None:
    account = work.new(Account, command.account_id)
    _stands_for(work, account, command.mechanic_id, command.customer_id)
    account.register(command.email, command.role, command.mechanic_id, command.customer_id)
    claim(work, ClaimKind.ACCOUNT_EMAIL, account.id, command.email)
    work.set_password(account.id, command.password)


class ChangeAccount(Command, frozen=True):
    """Change e-mail, role, password or whom an account stands for."""

    account_id: UUID
    email: Email | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    mechanic_id: UUID | UnsetType | None = UNSET
    customer_id: UUID | UnsetType | None = UNSET
    password: Password | UnsetType = UNSET


@handles(ChangeAccount)
def change_account(command: ChangeAccount, work: Work) -> None:
    account = work.get(Account, command.account_id)
    before = account.email
    mechanic_id = if_set(command.mechanic_id, account.mechanic_id)
    customer_id = if_set(command.customer_id, account.customer_id)
    _stands_for(work, account, mechanic_id, customer_id)
    account.change(
        email=if_set(command.email, before),
        role=if_set(command.role, account.role),
        mechanic_id=mechanic_id,
        customer_id=customer_id,
        by=work.actor,
    )
    exchange(work, ClaimKind.ACCOUNT_EMAIL, account.id, before, account.email)
    if not isinstance(command.password, UnsetType):
        account.change_password()
        work.set_password(account.id, command.password)


class ChangeMe(Command, frozen=True):
    """Change one's own e-mail or password. A new password ends the other sessions."""

    account_id: UUID
    email: Email | UnsetType = UNSET
    password: Password | UnsetType = UNSET


@handles(ChangeMe)
def change_me(command: ChangeMe, work: Work) -> None:
    change_account(
        ChangeAccount(
            account_id=command.account_id, email=command.email, password=command.password
        ),
        work,
    )


class DeactivateAccount(Command, frozen=True):
    """Nobody logs in with it any more; its tokens end within seconds."""

    account_id: UUID


@handles(DeactivateAccount)
def deactivate_account(command: DeactivateAccount, work: Work) -> None:
    work.get(Account, command.account_id).deactivate(by=work.actor)


class ReactivateAccount(Command, frozen=True):
    """The account may log in again."""

    account_id: UUID


@handles(ReactivateAccount)
def reactivate_account(command: ReactivateAccount, work: Work) -> None:
    work.get(Account, command.account_id).reactivate()


def _stands_for(
    work: Work, account: Account, mechanic_id: UUID | None, customer_id: UUID | None
) -> None:
    """Whom an account newly stands for must be there; a customer hears of it, and of its end.

    A mechanic who leaves at that very moment is a harmless race.
    """
    if mechanic_id is not None and mechanic_id != account.mechanic_id:
        work.get(Mechanic, mechanic_id).must_work_here(
            "an account stands for somebody who is active here"
        )
    if customer_id != account.customer_id:
        if account.customer_id is not None:
            work.get(Customer, account.customer_id).unlink_account(account.id)
        if customer_id is not None:
            work.get(Customer, customer_id).link_account(account.id)
