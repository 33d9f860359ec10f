from collections.abc import Callable

import pytest

from domain.kernel import Refused
from domain.mechanic import Mechanic, MechanicEvent, MechanicLeft, MechanicRehired
from tests.builders import mechanic_changed, mechanic_details, mechanic_hired
from tests.given import given

HIRED, LEFT = mechanic_hired(), MechanicLeft()


def test_a_mechanic_is_hired_with_all_details() -> None:
    mechanic = given(Mechanic)

    mechanic.hire(mechanic_details(certifications=["A1", "A2"]))

    assert mechanic.emitted == [mechanic_hired(certifications=["A1", "A2"])]
    assert mechanic.details() == mechanic_details(certifications=["A1", "A2"])


def test_changed_details_are_recorded_whole() -> None:
    mechanic = given(Mechanic, HIRED)

    mechanic.change_details(mechanic_details(labor_rate_cents=15_000))

    assert mechanic.emitted == [mechanic_changed(labor_rate_cents=15_000)]
    assert mechanic.details() == mechanic_details(labor_rate_cents=15_000)


def test_details_that_stay_the_same_are_no_event() -> None:
    mechanic = given(Mechanic, HIRED)

    mechanic.change_details(mechanic_details())

    assert mechanic.emitted == []


def test_a_mechanic_leaves_and_is_rehired() -> None:
    mechanic = given(Mechanic, HIRED)

    mechanic.leave()
    mechanic.rehire()

    assert mechanic.emitted == [LEFT, MechanicRehired()]
    assert not mechanic.has_left


@pytest.mark.parametrize(
    ("past", "ask", "message"),
    [
        (
            [HIRED, LEFT],
            lambda m: m.change_details(mechanic_details(labor_rate_cents=1)),
            "details change only while a mechanic works here; this one has left",
        ),
        (
            [HIRED, LEFT],
            lambda m: m.leave(),
            "only a mechanic who works here can leave; this one has left",
        ),
        (
            [HIRED],
            lambda m: m.rehire(),
            "only a mechanic who has left is rehired; this one works here",
        ),
        (
            [HIRED, LEFT, MechanicRehired()],
            lambda m: m.rehire(),
            "only a mechanic who has left is rehired; this one works here",
        ),
        (
            [HIRED, LEFT],
            lambda m: m.must_work_here("only a mechanic who works here is assigned"),
            "only a mechanic who works here is assigned; this one has left",
        ),
    ],
)
def test_a_refusal_states_rule_and_state_and_nothing_happens(
    past: list[MechanicEvent], ask: Callable[[Mechanic], object], message: str
) -> None:
    mechanic = given(Mechanic, *past)

    with pytest.raises(Refused) as refused:
        ask(mechanic)

    assert str(refused.value) == message
    assert mechanic.emitted == []
