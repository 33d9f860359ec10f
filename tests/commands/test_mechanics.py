from typing import Any

import msgspec
import pytest

from commands.mechanics import ChangeMechanic, HireMechanic, RecordMechanicLeft, RehireMechanic
from domain.claim import ClaimKind
from domain.kernel import Refused
from domain.mechanic import MechanicLeft, MechanicRehired
from tests.builders import MECHANIC_ID, claim_taken, mechanic_changed, mechanic_hired
from tests.commands.memory import claim_id
from tests.commands.shop import READY, Shop

EMAIL = "mechanic@example.com"


def test_a_mechanic_is_hired(shop: Shop) -> None:
    shop.when(
        HireMechanic(
            mechanic_id=MECHANIC_ID,
            name="Mechanic One",
            email=EMAIL,
            certifications=["A1 Engine Repair"],
            labor_rate_cents=12_000,
        )
    )

    assert shop.then == {
        MECHANIC_ID: [mechanic_hired()],
        claim_id(ClaimKind.MECHANIC_EMAIL, EMAIL): [
            claim_taken(kind=ClaimKind.MECHANIC_EMAIL, owner_id=MECHANIC_ID)
        ],
    }


@pytest.mark.parametrize(
    "patch",
    [{"labor_rate_cents": 0}, {"certifications": []}, {"phone": "555-0100", "name": "New Name"}],
)
def test_what_a_patch_lacks_stays(shop: Shop, patch: dict[str, Any]) -> None:
    shop.given(READY)

    shop.when(ChangeMechanic(mechanic_id=MECHANIC_ID, **patch))

    assert shop.then == {MECHANIC_ID: [mechanic_changed(**patch)]}


def test_null_clears_what_a_mechanic_may_lack(shop: Shop) -> None:
    shop.given({MECHANIC_ID: [mechanic_hired(phone="555-0100", address="1 Street")]})

    shop.when(ChangeMechanic(mechanic_id=MECHANIC_ID, phone=None))

    assert shop.then == {MECHANIC_ID: [mechanic_changed(phone=None, address="1 Street")]}


@pytest.mark.parametrize("field", ["name", "email", "certifications", "labor_rate_cents"])
def test_null_does_not_clear_what_a_mechanic_must_have(field: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"mechanic_id": MECHANIC_ID, field: None}, ChangeMechanic)


def test_a_mechanic_leaves_and_is_rehired(shop: Shop) -> None:
    shop.given(READY)

    shop.when(RecordMechanicLeft(mechanic_id=MECHANIC_ID))
    shop.when(RehireMechanic(mechanic_id=MECHANIC_ID))

    assert shop.then == {MECHANIC_ID: [MechanicLeft(), MechanicRehired()]}


def test_one_who_has_left_is_not_changed(shop: Shop) -> None:
    shop.given(READY, {MECHANIC_ID: [MechanicLeft()]})

    with pytest.raises(Refused):
        shop.when(ChangeMechanic(mechanic_id=MECHANIC_ID, email="new@example.com"))

    assert shop.then == {}
