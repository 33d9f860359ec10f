from collections.abc import Callable
from typing import Any

import pytest

from domain.account import (
    Account,
    AccountDeactivated,
    AccountEvent,
    AccountPasswordChanged,
    AccountReactivated,
    AccountRoleChanged,
    Role,
)
from domain.kernel import Refused
from tests.builders import (
    CUSTOMER_ID,
    MECHANIC_ID,
    OTHER_ACCOUNT_ID,
    account_changed,
    account_registered,
)
from tests.given import SOME_ID, given

REGISTERED, DEACTIVATED = account_registered(), AccountDeactivated()


def changed(account: Account, by: Any = OTHER_ACCOUNT_ID, **changes: Any) -> None:
    now: dict[str, Any] = dict(
        email=account.email,
        role=account.role,
        mechanic_id=account.mechanic_id,
        customer_id=account.customer_id,
    )
    account.change(**(now | changes), by=by)


@pytest.mark.parametrize(
    ("role", "mechanic_id", "customer_id"),
    [
        (Role.ADMIN, None, None),
        (Role.MECHANIC, None, None),
        (Role.MECHANIC, MECHANIC_ID, None),
        (Role.CUSTOMER, None, CUSTOMER_ID),
        (Role.AUDITOR, None, None),
        (Role.REPORTER, None, None),
    ],
)
def test_an_account_stands_for_a_person_that_fits_its_role(
    role: Role, mechanic_id: Any, customer_id: Any
) -> None:
    account = given(Account)

    account.register("account@example.com", role, mechanic_id, customer_id)

    assert account.emitted == [
        account_registered(role=role, mechanic_id=mechanic_id, customer_id=customer_id)
    ]
    assert account.active
    assert (account.email, account.role) == ("account@example.com", role)
    assert (account.mechanic_id, account.customer_id) == (mechanic_id, customer_id)


@pytest.mark.parametrize(
    ("role", "mechanic_id", "customer_id", "message"),
    [
        (
            Role.CUSTOMER,
            None,
            None,
            "a customer's account names the customer it stands for, and no other account does; "
            "this one is a customer account without customer_id",
        ),
        *(
            (
                role,
                None,
                CUSTOMER_ID,
                "a customer's account names the customer it stands for, and no other account "
                f"does; this one is a {role} account with customer_id",
            )
            for role in Role
            if role is not Role.CUSTOMER
        ),
        *(
            (
                role,
                MECHANIC_ID,
                CUSTOMER_ID if role is Role.CUSTOMER else None,
                f"only a mechanic's account names a mechanic; this one is a {role} account",
            )
            for role in Role
            if role is not Role.MECHANIC
        ),
    ],
)
def test_an_account_stands_for_nobody_else(
    role: Role, mechanic_id: Any, customer_id: Any, message: str
) -> None:
    blank, existing = given(Account), given(Account, REGISTERED)

    with pytest.raises(Refused) as at_registration:
        blank.register("account@example.com", role, mechanic_id, customer_id)
    with pytest.raises(Refused) as later:
        changed(existing, role=role, mechanic_id=mechanic_id, customer_id=customer_id)

    assert str(at_registration.value) == str(later.value) == message
    assert blank.emitted == existing.emitted == []


def test_details_and_role_change_together() -> None:
    account = given(Account, REGISTERED)

    changed(account, email="new@example.com", role=Role.CUSTOMER, customer_id=CUSTOMER_ID)

    assert account.emitted == [
        account_changed(email="new@example.com", customer_id=CUSTOMER_ID),
        AccountRoleChanged(role=Role.CUSTOMER),
    ]


def test_the_role_alone_changes_alone() -> None:
    account = given(Account, REGISTERED)

    changed(account, role=Role.AUDITOR)

    assert account.emitted == [AccountRoleChanged(role=Role.AUDITOR)]
    assert account.role is Role.AUDITOR


def test_what_stays_the_same_is_no_event() -> None:
    account = given(Account, REGISTERED)

    changed(account)

    assert account.emitted == []


def test_everybody_may_change_their_own_email() -> None:
    account = given(Account, REGISTERED)

    changed(account, by=SOME_ID, email="new@example.com")

    assert account.emitted == [account_changed(email="new@example.com")]


def test_that_a_password_changed_is_recorded_and_nothing_of_it() -> None:
    account = given(Account, REGISTERED)

    account.change_password()

    assert account.emitted == [AccountPasswordChanged()]
    assert AccountPasswordChanged.__struct_fields__ == ()


@pytest.mark.parametrize("by", [OTHER_ACCOUNT_ID, None], ids=["another", "the system"])
def test_an_account_is_deactivated_by_another_and_reactivated(by: Any) -> None:
    account = given(Account, REGISTERED)

    account.deactivate(by=by)
    account.reactivate()

    assert account.emitted == [DEACTIVATED, AccountReactivated()]
    assert account.active


@pytest.mark.parametrize(
    ("past", "ask", "message"),
    [
        (
            [REGISTERED, DEACTIVATED],
            lambda a: changed(a, email="new@example.com"),
            "details and role change only while an account is active; this one is deactivated",
        ),
        (
            [REGISTERED],
            lambda a: changed(a, by=SOME_ID, role=Role.AUDITOR),
            "nobody changes their own role; ask another admin",
        ),
        (
            [REGISTERED, DEACTIVATED],
            lambda a: a.change_password(),
            "the password changes only while an account is active; this one is deactivated",
        ),
        (
            [REGISTERED, DEACTIVATED],
            lambda a: a.deactivate(by=OTHER_ACCOUNT_ID),
            "only an active account is deactivated; this one is deactivated",
        ),
        (
            [REGISTERED],
            lambda a: a.deactivate(by=SOME_ID),
            "nobody deactivates their own account; ask another admin",
        ),
        (
            [REGISTERED],
            lambda a: a.reactivate(),
            "only a deactivated account is reactivated; this one is active",
        ),
    ],
)
def test_a_refusal_states_rule_and_state_and_nothing_happens(
    past: list[AccountEvent], ask: Callable[[Account], object], message: str
) -> None:
    account = given(Account, *past)

    with pytest.raises(Refused) as refused:
        ask(account)

    assert str(refused.value) == message
    assert account.emitted == []
