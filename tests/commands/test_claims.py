"""What must be unique: five kinds of values, each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from commands.accounts import ChangeAccount, RegisterAccount
from commands.customers import ChangeCustomer, EraseCustomer, RegisterCustomer
from commands.inventory import AddItem, ChangeItem
from commands.kernel import Command
from commands.mechanics import ChangeMechanic, HireMechanic
from commands.vehicles import ChangeVehicle, RegisterVehicle
from domain.account import Role
from domain.claim import ClaimKind, ClaimReleased, ClaimTaken
from domain.customer import CustomerArchived, CustomerErased
from domain.inventory import ItemDiscontinued
from domain.kernel import Event, Taken
from domain.mechanic import MechanicLeft
from domain.vehicle import VehicleArchived
from tests.builders import (
    ACCOUNT_ID,
    CUSTOMER_ID,
    GOOD_VIN,
    ITEM_ID,
    MECHANIC_ID,
    OTHER_ACCOUNT_ID,
    OTHER_CUSTOMER_ID,
    OTHER_ITEM_ID,
    OTHER_MECHANIC_ID,
    OTHER_VEHICLE_ID,
    OTHER_VIN,
    VEHICLE_ID,
    account_registered,
    customer_registered,
    item_added,
    mechanic_hired,
    vehicle_registered,
)
from tests.commands.memory import claim_id
from tests.commands.shop import READY, Shop, owned

CUSTOMER, MECHANIC, ACCOUNT = (
    ClaimKind.CUSTOMER_EMAIL,
    ClaimKind.MECHANIC_EMAIL,
    ClaimKind.ACCOUNT_EMAIL,
)
EMAIL, OTHER_EMAIL = "one@example.com", "other@example.com"


class Case:
    """How one kind of owner gets and changes its unique value."""

    def __init__(
        self,
        kind: ClaimKind,
        owner_id: UUID,
        born: Event,
        archived: Event | None,
        values: tuple[str, str],
        register: type[Command],
        register_with: dict[str, Any],
        change: type[Command],
        other_id: UUID,
    ) -> None:
        self.kind, self.owner_id, self.archived, self.other_id = kind, owner_id, archived, other_id
        self.value, self.other_value = values
        self._id, self._field = register.__struct_fields__[0], kind.field
        self._register, self._register_with, self._change = register, register_with, change
        self._born = born

    def past(self, *more: Event) -> dict[UUID, Sequence[Event]]:
        return {
            **READY,
            self.owner_id: [self._born, *more],
            **owned(self.kind, self.value.lower(), self.owner_id),
        }

    def register(self, value: str) -> Command:
        given = {self._id: self.other_id, self._field: value, **self._register_with}
        return self._register(**given)

    def change(self, value: str) -> Command:
        return self._change(**{self._id: self.owner_id, self._field: value})

    def claim_of(self, value: str) -> UUID:
        return claim_id(self.kind, value.lower())


CASES = [
    Case(
        CUSTOMER,
        CUSTOMER_ID,
        customer_registered(email=EMAIL),
        CustomerArchived(),
        (EMAIL, OTHER_EMAIL),
        RegisterCustomer,
        dict(name="Customer Two"),
        ChangeCustomer,
        OTHER_CUSTOMER_ID,
    ),
    Case(
        MECHANIC,
        MECHANIC_ID,
        mechanic_hired(email=EMAIL),
        MechanicLeft(),
        (EMAIL, OTHER_EMAIL),
        HireMechanic,
        dict(name="Mechanic Two"),
        ChangeMechanic,
        OTHER_MECHANIC_ID,
    ),
    Case(
        ACCOUNT,
        ACCOUNT_ID,
        account_registered(email=EMAIL),
        None,
        (EMAIL, OTHER_EMAIL),
        RegisterAccount,
        dict(role=Role.ADMIN, password="hash"),
        ChangeAccount,
        OTHER_ACCOUNT_ID,
    ),
    Case(
        ClaimKind.VIN,
        VEHICLE_ID,
        vehicle_registered(vin=GOOD_VIN),
        VehicleArchived(),
        (GOOD_VIN, OTHER_VIN),
        RegisterVehicle,
        dict(customer_id=CUSTOMER_ID, make="Make", model="Model", year=2020),
        ChangeVehicle,
        OTHER_VEHICLE_ID,
    ),
    Case(
        ClaimKind.PART_NUMBER,
        ITEM_ID,
        item_added(part_number="Oil-1"),
        ItemDiscontinued(),
        ("Oil-1", "Oil-2"),
        AddItem,
        dict(name="Oil", unit_price_cents=1),
        ChangeItem,
        OTHER_ITEM_ID,
    ),
]
every_kind = pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)


def test_every_kind_is_tried() -> None:
    assert {case.kind for case in CASES} == set(ClaimKind)


@every_kind
def test_a_free_value_is_taken_with_its_owner(shop: Shop, case: Case) -> None:
    shop.given(case.past())

    shop.when(case.register(case.other_value))

    assert set(shop.then) == {case.other_id, case.claim_of(case.other_value)}
    assert shop.then[case.claim_of(case.other_value)] == [
        ClaimTaken(kind=case.kind, owner_id=case.other_id)
    ]


@every_kind
@pytest.mark.parametrize("spelt", [str, str.upper, str.lower])
def test_another_cannot_take_it_however_it_is_spelt(shop: Shop, case: Case, spelt: Any) -> None:
    shop.given(case.past())

    with pytest.raises(Taken) as taken:
        shop.when(case.register(spelt(case.value)))

    assert taken.value.field == case.kind.field
    assert shop.then == {}


@every_kind
def test_an_archived_owner_keeps_it(shop: Shop, case: Case) -> None:
    shop.given(case.past(*[case.archived] if case.archived else []))

    with pytest.raises(Taken):
        shop.when(case.register(case.value))

    assert shop.then == {}


@every_kind
def test_another_value_is_taken_and_the_old_one_given_up(shop: Shop, case: Case) -> None:
    shop.given(case.past())

    shop.when(case.change(case.other_value))

    assert set(shop.then) == {
        case.owner_id,
        case.claim_of(case.value),
        case.claim_of(case.other_value),
    }
    assert shop.then[case.claim_of(case.value)] == [
        ClaimReleased(kind=case.kind, owner_id=case.owner_id)
    ]
    assert shop.then[case.claim_of(case.other_value)] == [
        ClaimTaken(kind=case.kind, owner_id=case.owner_id)
    ]


@every_kind
def test_what_was_given_up_another_may_take(shop: Shop, case: Case) -> None:
    shop.given(case.past())

    shop.when(case.change(case.other_value))
    shop.when(case.register(case.value))

    assert shop.then[case.claim_of(case.value)][-1] == ClaimTaken(
        kind=case.kind, owner_id=case.other_id
    )


@every_kind
def test_a_change_to_anothers_value_changes_nothing(shop: Shop, case: Case) -> None:
    others = owned(case.kind, case.other_value.lower(), case.other_id)
    shop.given({**case.past(), **others})

    with pytest.raises(Taken) as taken:
        shop.when(case.change(case.other_value))

    assert taken.value.field == case.kind.field
    assert shop.then == {}


@every_kind
def test_another_spelling_of_ones_own_is_no_new_claim(shop: Shop, case: Case) -> None:
    shop.given(case.past())

    shop.when(case.change(case.value.swapcase()))

    assert set(shop.then) <= {case.owner_id}


@pytest.mark.parametrize("value", [EMAIL, EMAIL.upper()])
def test_each_kind_is_a_name_space_of_its_own(shop: Shop, value: str) -> None:
    shop.given({**READY, **owned(CUSTOMER, EMAIL, CUSTOMER_ID)})

    shop.when(HireMechanic(mechanic_id=OTHER_MECHANIC_ID, name="Mechanic Two", email=value))
    shop.when(RegisterAccount(account_id=ACCOUNT_ID, email=value, password="hash", role=Role.ADMIN))

    assert set(shop.then) == {
        OTHER_MECHANIC_ID,
        ACCOUNT_ID,
        claim_id(MECHANIC, EMAIL),
        claim_id(ACCOUNT, EMAIL),
    }


@pytest.mark.parametrize("past", [[], [CustomerArchived()]], ids=["active", "archived"])
def test_an_erased_customer_gives_up_the_email(shop: Shop, past: list[Event]) -> None:
    case = CASES[0]
    shop.given(case.past(*past))

    shop.when(EraseCustomer(customer_id=CUSTOMER_ID))
    shop.when(case.register(EMAIL))

    assert shop.then[CUSTOMER_ID] == [CustomerErased()]
    assert shop.then[case.claim_of(EMAIL)] == [
        ClaimReleased(kind=CUSTOMER, owner_id=CUSTOMER_ID),
        ClaimTaken(kind=CUSTOMER, owner_id=OTHER_CUSTOMER_ID),
    ]


@every_kind
def test_of_two_who_take_it_at_once_one_is_refused(shop: Shop, case: Case) -> None:
    past = case.past()
    del past[case.owner_id], past[case.claim_of(case.value)]
    shop.given(past)
    taken_by_rival = owned(case.kind, case.value.lower(), case.owner_id)

    shop.once_before_commit(lambda: shop.given({**past, **taken_by_rival}))
    with pytest.raises(Taken):
        shop.when(case.register(case.value))

    assert shop.then == {}
