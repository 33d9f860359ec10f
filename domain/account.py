"""An account: who may log in, and as what. Passwords are not events and not here."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never
from uuid import UUID

from domain.kernel import Aggregate, Event, Personal, Refused


class Role(StrEnum):
    ADMIN = "admin"
    MECHANIC = "mechanic"
    CUSTOMER = "customer"
    AUDITOR = "auditor"
    REPORTER = "reporter"


class AccountRegistered(Event, frozen=True, tag="account.registered"):
    """`mechanic_id` or `customer_id`: the person it stands for."""

    email: Personal
    role: Role
    mechanic_id: UUID | None
    customer_id: UUID | None


class AccountRoleChanged(Event, frozen=True, tag="account.role-changed"):
    role: Role


class AccountDetailsChanged(Event, frozen=True, tag="account.details-changed"):
    """All details as they are now, changed or not."""

    email: Personal
    mechanic_id: UUID | None
    customer_id: UUID | None


class AccountDeactivated(Event, frozen=True, tag="account.deactivated"):
    pass


class AccountReactivated(Event, frozen=True, tag="account.reactivated"):
    pass


class AccountPasswordChanged(Event, frozen=True, tag="account.password-changed"):
    """That it was changed, never to what."""


class AccountErased(Event, frozen=True, tag="account.erased"):
    """Its customer was erased: so is its e-mail, and nobody logs in with it again."""


class Account(Aggregate["AccountEvent"]):
    noun = "account"
    stream = "account"

    email: Personal = None
    role: Role = Role.CUSTOMER
    mechanic_id: UUID | None = None
    customer_id: UUID | None = None
    active: bool = False
    erased: bool = False
    era: int = 0
    """How often all its sessions were ended: what was signed in an earlier era opens nothing."""

    def register(
        self, email: str, role: Role, mechanic_id: UUID | None, customer_id: UUID | None
    ) -> None:
        _must_stand_for_the_right_kind(role, mechanic_id, customer_id)
        self.emit(
            AccountRegistered(
                email=email, role=role, mechanic_id=mechanic_id, customer_id=customer_id
            )
        )

    def change(
        self,
        *,
        email: str | None,
        role: Role,
        mechanic_id: UUID | None,
        customer_id: UUID | None,
        by: UUID | None,
    ) -> None:
        """Role and details together: what must fit together changes together."""
        self._must_be_active("details and role change only while an account is active")
        if role != self.role and by == self.id:
            raise Refused("nobody changes their own role; ask another admin")
        _must_stand_for_the_right_kind(role, mechanic_id, customer_id)
        if (email, mechanic_id, customer_id) != (self.email, self.mechanic_id, self.customer_id):
            self.emit(
                AccountDetailsChanged(email=email, mechanic_id=mechanic_id, customer_id=customer_id)
            )
        if role != self.role:
            self.emit(AccountRoleChanged(role=role))

    def change_password(self) -> None:
        self._must_be_active("the password changes only while an account is active")
        self.emit(AccountPasswordChanged())

    def deactivate(self, *, by: UUID | None) -> None:
        self._must_be_active("only an active account is deactivated")
        if by == self.id:
            raise Refused("nobody deactivates their own account; ask another admin")
        self.emit(AccountDeactivated())

    def reactivate(self) -> None:
        if self.active or self.erased:
            state = "erased" if self.erased else "active"
            raise Refused(f"only a deactivated account is reactivated; this one is {state}")
        self.emit(AccountReactivated())

    def erase(self) -> None:
        """With the customer it stands for."""
        self.emit(AccountErased())

    def _must_be_active(self, rule: str) -> None:
        if not self.active:
            raise Refused(f"{rule}; this one is {'erased' if self.erased else 'deactivated'}")

    def apply(self, event: AccountEvent) -> None:
        match event:
            case AccountRegistered():
                self.email, self.role, self.active = event.email, event.role, True
                self.mechanic_id, self.customer_id = event.mechanic_id, event.customer_id
            case AccountRoleChanged(role=role):
                self.role = role
                self.era += 1
            case AccountDetailsChanged():
                self.email = event.email
                self.mechanic_id, self.customer_id = event.mechanic_id, event.customer_id
            case AccountDeactivated():
                self.active = False
                self.era += 1
            case AccountReactivated():
                self.active = True
            case AccountPasswordChanged():
                self.era += 1
            case AccountErased():
                self.email, self.active, self.erased = None, False, True
            case _:
                assert_never(event)


def _must_stand_for_the_right_kind(
    role: Role, mechanic_id: UUID | None, customer_id: UUID | None
) -> None:
    if (role is Role.CUSTOMER) != (customer_id is not None):
        raise Refused(
            "a customer's account names the customer it stands for, and no other account does; "
            f"this one is a {role} account {'with' if customer_id else 'without'} customer_id"
        )
    if mechanic_id is not None and role is not Role.MECHANIC:
        raise Refused(f"only a mechanic's account names a mechanic; this one is a {role} account")


AccountEvent = (
    AccountRegistered
    | AccountRoleChanged
    | AccountDetailsChanged
    | AccountDeactivated
    | AccountReactivated
    | AccountPasswordChanged
    | AccountErased
)
