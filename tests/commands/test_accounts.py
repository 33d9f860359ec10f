from typing import Any
from uuid import UUID

import msgspec
import pytest

from commands.accounts import (
    ChangeAccount,
    ChangeMe,
    DeactivateAccount,
    ReactivateAccount,
    RegisterAccount,
)
from commands.kernel import NotFound
from domain.account import (
    AccountDeactivated,
    AccountPasswordChanged,
    AccountReactivated,
    AccountRoleChanged,
    Role,
)
from domain.claim import ClaimKind
from domain.kernel import Refused
from tests.builders import (
    ACCOUNT_ID,
    CUSTOMER_ID,
    MECHANIC_ID,
    OTHER_ACCOUNT_ID,
    account_changed,
    account_linked,
    account_registered,
    account_unlinked,
    claim_released,
    claim_taken,
)
from tests.commands.memory import claim_id
from tests.commands.shop import READY, Past, Shop, owned

EMAIL, NEW_EMAIL = "account@example.com", "new@example.com"
HASH, NEW_HASH = "hash-of-the-password", "hash-of-the-new-password"
REGISTER = RegisterAccount(account_id=ACCOUNT_ID, email=EMAIL, password=HASH, role=Role.ADMIN)
ADMIN: Past = {
    **READY,
    ACCOUNT_ID: [account_registered()],
    **owned(ClaimKind.ACCOUNT_EMAIL, EMAIL, ACCOUNT_ID),
}


def test_an_account_is_registered_and_its_password_kept_beside_the_log(shop: Shop) -> None:
    shop.when(REGISTER)

    assert shop.then == {
        ACCOUNT_ID: [account_registered()],
        claim_id(ClaimKind.ACCOUNT_EMAIL, EMAIL): [
            claim_taken(kind=ClaimKind.ACCOUNT_EMAIL, owner_id=ACCOUNT_ID)
        ],
    }
    assert shop.store.passwords == {ACCOUNT_ID: HASH}


@pytest.mark.parametrize(
    ("role", "person"),
    [(Role.MECHANIC, {"mechanic_id": MECHANIC_ID}), (Role.CUSTOMER, {"customer_id": CUSTOMER_ID})],
)
def test_an_account_stands_for_somebody_who_exists(
    shop: Shop, role: Role, person: dict[str, UUID]
) -> None:
    shop.given(READY)
    nobody: dict[str, Any] = dict.fromkeys(person, UUID(int=999))

    shop.when(msgspec.structs.replace(REGISTER, role=role, **person))
    with pytest.raises(NotFound):
        shop.when(ChangeAccount(account_id=ACCOUNT_ID, **nobody))
    with pytest.raises(NotFound):
        shop.when(
            msgspec.structs.replace(REGISTER, account_id=OTHER_ACCOUNT_ID, role=role, **nobody)
        )

    assert shop.then[ACCOUNT_ID] == [account_registered(role=role, **person)]
    assert OTHER_ACCOUNT_ID not in shop.then


def test_a_refused_registration_keeps_no_password(shop: Shop) -> None:
    shop.given(owned(ClaimKind.ACCOUNT_EMAIL, EMAIL, OTHER_ACCOUNT_ID))

    with pytest.raises(Refused):
        shop.when(REGISTER)

    assert shop.then == {}
    assert shop.store.passwords == {}


def test_no_event_ever_holds_a_password_or_its_hash(shop: Shop) -> None:
    shop.when(REGISTER)
    shop.when(ChangeAccount(account_id=ACCOUNT_ID, password=NEW_HASH))
    shop.when(ChangeMe(account_id=ACCOUNT_ID, password=HASH))

    log = b"".join(msgspec.json.encode(stream) for stream in shop.store.streams.values())
    assert b"account.password-changed" in log
    assert b"hash-of" not in log


@pytest.mark.parametrize("command", [ChangeAccount, ChangeMe])
def test_a_new_password_is_kept_and_that_it_changed_is_recorded(shop: Shop, command: Any) -> None:
    shop.given(ADMIN)

    shop.when(command(account_id=ACCOUNT_ID, password=NEW_HASH), actor=ACCOUNT_ID)

    assert shop.then == {ACCOUNT_ID: [AccountPasswordChanged()]}
    assert shop.store.passwords == {ACCOUNT_ID: NEW_HASH}


@pytest.mark.parametrize("command", [ChangeAccount, ChangeMe])
def test_a_new_email_is_exchanged_for_the_old(shop: Shop, command: Any) -> None:
    shop.given(ADMIN)

    shop.when(command(account_id=ACCOUNT_ID, email=NEW_EMAIL), actor=ACCOUNT_ID)

    kind = ClaimKind.ACCOUNT_EMAIL
    assert shop.then == {
        ACCOUNT_ID: [account_changed(email=NEW_EMAIL)],
        claim_id(kind, EMAIL): [claim_released(kind=kind, owner_id=ACCOUNT_ID)],
        claim_id(kind, NEW_EMAIL): [claim_taken(kind=kind, owner_id=ACCOUNT_ID)],
    }
    assert shop.store.passwords == {}


@pytest.mark.parametrize("field", ["role", "customer_id", "mechanic_id"])
def test_nobody_gives_themselves_another_role_or_person(field: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"account_id": ACCOUNT_ID, field: None}, ChangeMe)


def test_role_and_person_change_together_and_null_clears(shop: Shop) -> None:
    shop.given(ADMIN)

    shop.when(ChangeAccount(account_id=ACCOUNT_ID, role=Role.CUSTOMER, customer_id=CUSTOMER_ID))
    shop.when(ChangeAccount(account_id=ACCOUNT_ID, role=Role.AUDITOR, customer_id=None))

    assert shop.then == {
        ACCOUNT_ID: [
            account_changed(customer_id=CUSTOMER_ID),
            AccountRoleChanged(role=Role.CUSTOMER),
            account_changed(),
            AccountRoleChanged(role=Role.AUDITOR),
        ],
        CUSTOMER_ID: [account_linked(), account_unlinked()],
    }


@pytest.mark.parametrize("field", ["email", "role", "password"])
def test_null_does_not_clear_what_an_account_must_have(field: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"account_id": ACCOUNT_ID, field: None}, ChangeAccount)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            ChangeAccount(account_id=ACCOUNT_ID, role=Role.AUDITOR, password=NEW_HASH),
            "nobody changes their own role; ask another admin",
        ),
        (
            DeactivateAccount(account_id=ACCOUNT_ID),
            "nobody deactivates their own account; ask another admin",
        ),
    ],
)
def test_nobody_takes_their_own_role_away(shop: Shop, command: Any, message: str) -> None:
    shop.given(ADMIN)

    with pytest.raises(Refused) as refused:
        shop.when(command, actor=ACCOUNT_ID)

    assert str(refused.value) == message
    assert shop.then == {}
    assert shop.store.passwords == {}


def test_a_deactivated_account_takes_no_new_password_until_reactivated(shop: Shop) -> None:
    shop.given(ADMIN)

    shop.when(DeactivateAccount(account_id=ACCOUNT_ID))
    with pytest.raises(Refused, match="this one is deactivated"):
        shop.when(ChangeAccount(account_id=ACCOUNT_ID, password=NEW_HASH))
    shop.when(ReactivateAccount(account_id=ACCOUNT_ID))

    assert shop.then == {ACCOUNT_ID: [AccountDeactivated(), AccountReactivated()]}
    assert shop.store.passwords == {}


def test_a_deactivated_account_keeps_its_email(shop: Shop) -> None:
    shop.given(ADMIN, {ACCOUNT_ID: [AccountDeactivated()]})

    with pytest.raises(Refused, match="this email is taken"):
        shop.when(msgspec.structs.replace(REGISTER, account_id=OTHER_ACCOUNT_ID))

    assert shop.then == {}
