from datetime import timedelta
from uuid import UUID

import pytest

from domain.customer import Customer
from domain.kernel import Aggregate, BrokenHistory, Event, Refused, Taken, next_instant, replay
from tests.builders import (
    customer_changed,
    customer_registered,
    customer_ticket_closed,
    customer_ticket_opened,
)
from tests.given import SOME_DAY, SOME_ID, given, history


@pytest.mark.parametrize(
    "kept", [(1,), (0, 0), (1, 0), (0, 2)], ids=["no beginning", "doubled", "swapped", "hole"]
)
def test_a_broken_history_is_not_replayed(kept: tuple[int, ...]) -> None:
    whole = history(customer_registered(), customer_ticket_opened(), customer_ticket_closed())

    with pytest.raises(BrokenHistory):
        replay(Customer(id=SOME_ID), [whole[i] for i in kept])


def test_the_past_sets_version_and_instant_and_emits_nothing() -> None:
    customer = given(Customer, customer_registered(), customer_ticket_opened())

    assert customer.version == 2
    assert customer.recorded_at == SOME_DAY + timedelta(seconds=2)
    assert customer.emitted == []


def test_a_replay_goes_on_where_the_aggregate_stands() -> None:
    whole = history(customer_registered(), customer_changed(name="Another Name"))
    customer = replay(Customer(id=SOME_ID), whole[:1])

    replay(customer, whole[1:])

    assert customer == replay(Customer(id=SOME_ID), whole)


def test_what_is_emitted_has_happened_and_is_remembered() -> None:
    customer = given(Customer, customer_registered())

    customer.emit(customer_changed(name="Another Name"))

    assert customer.name == "Another Name"
    assert customer.version == 2
    assert customer.emitted == [customer_changed(name="Another Name")]


def test_two_blank_aggregates_share_nothing() -> None:
    given(Customer).emit(customer_registered())

    assert given(Customer).emitted == []


def test_an_aggregate_that_does_not_know_its_events_says_so() -> None:
    class Mute(Aggregate[Event]):
        pass

    with pytest.raises(TypeError, match="Mute does not say what"):
        Mute(id=SOME_ID).emit(customer_registered())


def test_a_refusal_names_what_stands_in_the_way() -> None:
    assert Refused("no").blocking == {}
    assert Refused("no", blocking={"tickets": (SOME_ID,)}).blocking == {"tickets": [SOME_ID]}


def test_what_is_taken_is_named() -> None:
    taken = Taken("email")

    assert (str(taken), taken.field) == ("this email is taken", "email")


@pytest.mark.parametrize("back", [0, 1, 3_600_000_000], ids=["same", "a bit", "an hour"])
def test_a_clock_that_steps_back_does_not_turn_history_around(back: int) -> None:
    last = SOME_DAY

    at = next_instant(SOME_DAY - timedelta(microseconds=back), last)

    assert at == last + timedelta(microseconds=1)


def test_otherwise_the_moment_is_now() -> None:
    later = SOME_DAY + timedelta(microseconds=1)

    assert next_instant(SOME_DAY, None) == SOME_DAY
    assert next_instant(later, SOME_DAY) == later


def test_histories_of_different_streams_are_kept_apart() -> None:
    mine, yours = history(customer_registered()), history(customer_registered(), id=UUID(int=2))

    assert mine[0].originator_id != yours[0].originator_id
