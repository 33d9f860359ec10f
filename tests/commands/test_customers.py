from typing import Any

import msgspec
import pytest

from commands.customers import (
    ArchiveCustomer,
    ChangeCustomer,
    EraseCustomer,
    RegisterCustomer,
    RestoreCustomer,
)
from domain.account import AccountErased, Role
from domain.claim import ClaimKind
from domain.customer import CustomerArchived, CustomerErased, CustomerRestored
from domain.kernel import Refused
from tests.builders import (
    ACCOUNT_ID,
    CUSTOMER_ID,
    OTHER_CUSTOMER_ID,
    TICKET_ID,
    account_linked,
    account_registered,
    claim_released,
    claim_taken,
    customer_changed,
    customer_registered,
)
from tests.commands.memory import claim_id
from tests.commands.shop import BUSY, READY, Past, Shop, owned

EMAIL = "customer@example.com"
FULL = {CUSTOMER_ID: [customer_registered(phone="555-0100", address="1 Street")]}


def test_a_customer_registers(shop: Shop) -> None:
    receipt = shop.when(RegisterCustomer(customer_id=CUSTOMER_ID, name="Customer One", email=EMAIL))

    assert shop.then == {
        CUSTOMER_ID: [customer_registered()],
        claim_id(ClaimKind.CUSTOMER_EMAIL, EMAIL): [claim_taken()],
    }
    assert (receipt.id, receipt.version, receipt.created) == (CUSTOMER_ID, 1, True)


@pytest.mark.parametrize(
    ("patch", "changed"),
    [
        ({"name": "New Name"}, {"name": "New Name"}),
        ({"phone": None}, {"phone": None}),
        ({"address": None, "phone": "555-0199"}, {"address": None, "phone": "555-0199"}),
    ],
)
def test_what_a_patch_lacks_stays_and_null_clears(
    shop: Shop, patch: dict[str, Any], changed: dict[str, Any]
) -> None:
    shop.given(FULL)

    shop.when(msgspec.convert({"customer_id": CUSTOMER_ID, **patch}, ChangeCustomer))

    now: dict[str, Any] = {"phone": "555-0100", "address": "1 Street"} | changed
    assert shop.then == {CUSTOMER_ID: [customer_changed(**now)]}


@pytest.mark.parametrize("patch", [{}, {"name": "Customer One"}], ids=["empty", "the same"])
def test_a_patch_that_changes_nothing_is_no_event(shop: Shop, patch: dict[str, Any]) -> None:
    shop.given(READY)

    receipt = shop.when(msgspec.convert({"customer_id": CUSTOMER_ID, **patch}, ChangeCustomer))

    assert shop.then == {}
    assert (receipt.version, receipt.commit_id) == (1, None)
    assert receipt.versions == {CUSTOMER_ID: 1}


@pytest.mark.parametrize("field", ["name", "email"])
def test_null_does_not_clear_what_a_customer_must_have(field: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"customer_id": CUSTOMER_ID, field: None}, ChangeCustomer)


def test_a_customer_is_archived_and_restored(shop: Shop) -> None:
    shop.given(READY)

    shop.when(ArchiveCustomer(customer_id=CUSTOMER_ID))
    shop.when(RestoreCustomer(customer_id=CUSTOMER_ID))

    assert shop.then == {CUSTOMER_ID: [CustomerArchived(), CustomerRestored()]}


def test_erasing_destroys_the_key_and_gives_up_the_email(shop: Shop) -> None:
    shop.given(READY, owned(ClaimKind.CUSTOMER_EMAIL, EMAIL, CUSTOMER_ID))

    shop.when(EraseCustomer(customer_id=CUSTOMER_ID))

    assert shop.then == {
        CUSTOMER_ID: [CustomerErased()],
        claim_id(ClaimKind.CUSTOMER_EMAIL, EMAIL): [claim_released()],
    }
    assert shop.store.forgotten == {CUSTOMER_ID}


def test_erasing_takes_the_accounts_along_that_stand_for_them(shop: Shop) -> None:
    theirs = account_registered(role=Role.CUSTOMER, customer_id=CUSTOMER_ID)
    claims = {
        **owned(ClaimKind.CUSTOMER_EMAIL, EMAIL, CUSTOMER_ID),
        **owned(ClaimKind.ACCOUNT_EMAIL, theirs.email or "", ACCOUNT_ID),
    }
    people: Past = {CUSTOMER_ID: [customer_registered(), account_linked()], ACCOUNT_ID: [theirs]}
    shop.given(people, claims)

    shop.when(EraseCustomer(customer_id=CUSTOMER_ID))

    released = claim_released(kind=ClaimKind.ACCOUNT_EMAIL, owner_id=ACCOUNT_ID)
    assert shop.then == {
        CUSTOMER_ID: [CustomerErased()],
        claim_id(ClaimKind.CUSTOMER_EMAIL, EMAIL): [claim_released()],
        ACCOUNT_ID: [AccountErased()],
        claim_id(ClaimKind.ACCOUNT_EMAIL, theirs.email or ""): [released],
    }
    assert shop.store.forgotten == {CUSTOMER_ID, ACCOUNT_ID}


@pytest.mark.parametrize("command", [ArchiveCustomer, EraseCustomer])
def test_a_customer_with_an_open_ticket_stays(shop: Shop, command: Any) -> None:
    shop.given(BUSY, owned(ClaimKind.CUSTOMER_EMAIL, EMAIL, CUSTOMER_ID))

    with pytest.raises(Refused) as refused:
        shop.when(command(customer_id=CUSTOMER_ID))

    assert refused.value.blocking == {"tickets": [TICKET_ID]}
    assert shop.then == {}
    assert shop.store.forgotten == set()


def test_others_are_left_alone(shop: Shop) -> None:
    shop.given({**READY, OTHER_CUSTOMER_ID: [customer_registered(email="other@example.com")]})

    shop.when(EraseCustomer(customer_id=OTHER_CUSTOMER_ID))

    assert CUSTOMER_ID not in shop.then
    assert shop.store.forgotten == {OTHER_CUSTOMER_ID}
