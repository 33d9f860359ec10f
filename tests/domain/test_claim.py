import pytest

from domain.claim import Claim, ClaimKind
from domain.kernel import Taken
from tests.builders import CUSTOMER_ID, OTHER_CUSTOMER_ID, claim_released, claim_taken
from tests.given import given

EMAIL = ClaimKind.CUSTOMER_EMAIL


def test_a_free_value_is_taken() -> None:
    claim = given(Claim)

    claim.take(EMAIL, CUSTOMER_ID)

    assert claim.emitted == [claim_taken()]
    assert claim.owner_id == CUSTOMER_ID


def test_its_owner_takes_it_once() -> None:
    claim = given(Claim, claim_taken())

    claim.take(EMAIL, CUSTOMER_ID)

    assert claim.emitted == []


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (ClaimKind.CUSTOMER_EMAIL, "email"),
        (ClaimKind.MECHANIC_EMAIL, "email"),
        (ClaimKind.ACCOUNT_EMAIL, "email"),
        (ClaimKind.VIN, "vin"),
        (ClaimKind.PART_NUMBER, "part_number"),
    ],
)
def test_what_another_owns_is_refused_and_the_field_is_named(kind: ClaimKind, field: str) -> None:
    claim = given(Claim, claim_taken(kind=kind))

    with pytest.raises(Taken) as taken:
        claim.take(kind, OTHER_CUSTOMER_ID)

    assert (str(taken.value), taken.value.field) == (f"this {field} is taken", field)
    assert claim.emitted == []


def test_what_its_owner_releases_another_may_take() -> None:
    claim = given(Claim, claim_taken())

    claim.release(EMAIL, CUSTOMER_ID)
    claim.take(EMAIL, OTHER_CUSTOMER_ID)

    assert claim.emitted == [claim_released(), claim_taken(owner_id=OTHER_CUSTOMER_ID)]


@pytest.mark.parametrize("past", [[], [claim_taken()]], ids=["nobody's", "another's"])
def test_only_its_owner_releases_it(past: list[object]) -> None:
    claim = given(Claim, *past)

    claim.release(EMAIL, OTHER_CUSTOMER_ID)

    assert claim.emitted == []
