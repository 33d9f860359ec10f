from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from commands.customers import ArchiveCustomer, ChangeCustomer, RegisterCustomer, RestoreCustomer
from commands.execution import ATTEMPTS_MAX, BACKOFF_MAX_SECONDS, Conflict
from commands.inventory import ReceiveStock
from commands.kernel import Command, NotFound, VersionMismatch
from commands.store import Collision, Key, KeyReused
from commands.tickets import AssignMechanic, IssuePart, OpenTicket
from commands.vehicles import TransferVehicle
from domain.claim import ClaimKind
from domain.customer import CustomerArchived
from domain.kernel import Refused, Taken
from domain.vehicle import OdometerUnit
from tests.builders import (
    CUSTOMER_ID,
    ITEM_ID,
    MECHANIC_ID,
    OTHER_ACCOUNT_ID,
    OTHER_CUSTOMER_ID,
    OTHER_LINE_ID,
    OTHER_TICKET_ID,
    PART_LINE_ID,
    TICKET_ID,
    VEHICLE_ID,
    customer_changed,
    customer_registered,
    issued,
    part_issued,
    received,
)
from tests.commands.shop import BUSY, NOW, READY, Past, Shop, owned

KEY = Key(scope=b"account route key", fingerprint=b"payload")
RECEIVE = ReceiveStock(inventory_id=ITEM_ID, quantity=5)
ARCHIVE = ArchiveCustomer(customer_id=CUSTOMER_ID)
OPEN = OpenTicket(
    ticket_id=TICKET_ID,
    ro_number=1,
    shop_unit=OdometerUnit.MILES,
    customer_id=CUSTOMER_ID,
    vehicle_id=VEHICLE_ID,
    description="Oil change",
)


def issue(line_id: Any, quantity: int) -> IssuePart:
    return IssuePart(ticket_id=TICKET_ID, line_id=line_id, inventory_id=ITEM_ID, quantity=quantity)


def test_the_record_says_who_did_what_when_and_under_which_request(shop: Shop) -> None:
    shop.given(READY)

    receipt = shop.when(RECEIVE)

    recorded = shop.store.streams[ITEM_ID][-1]
    assert (recorded.originator_version, recorded.recorded_at) == (3, NOW)
    assert (recorded.actor, recorded.role) == (OTHER_ACCOUNT_ID, "admin")
    assert (recorded.command, recorded.correlation_id) == ("ReceiveStock", "request-1")
    assert recorded.reason is None
    assert (receipt.id, receipt.version, receipt.created) == (ITEM_ID, 3, False)
    assert receipt.commit_id is not None


def test_time_runs_forward_within_an_aggregate_whatever_the_clock_does(shop: Shop) -> None:
    shop.given(READY)

    shop.when(RECEIVE)
    shop.now = NOW - timedelta(hours=1)
    shop.when(RECEIVE)

    instants = [recorded.recorded_at for recorded in shop.store.streams[ITEM_ID]]
    assert instants[-2:] == [NOW, NOW + timedelta(microseconds=1)]


def test_time_runs_forward_within_a_commit_too(shop: Shop) -> None:
    shop.given(BUSY)

    shop.when(msgspec.structs.replace(OPEN, ticket_id=OTHER_TICKET_ID, odometer_in=50_000))

    opened, odometer = shop.store.streams[VEHICLE_ID][-2:]
    assert (opened.recorded_at, odometer.recorded_at) == (NOW, NOW + timedelta(microseconds=1))


def test_a_lost_race_is_decided_again_with_what_the_winner_left(shop: Shop) -> None:
    shop.given(BUSY)

    shop.once_before_commit(lambda: shop.when(issue(OTHER_LINE_ID, 4)))
    shop.when(issue(PART_LINE_ID, 2))

    assert shop.then[ITEM_ID] == [
        issued(line_id=OTHER_LINE_ID, quantity=4, quantity_on_hand=6),
        issued(line_id=PART_LINE_ID, quantity=2, quantity_on_hand=4),
    ]
    assert shop.then[TICKET_ID] == [
        part_issued(line_id=OTHER_LINE_ID, quantity=4, parts_total_cents=4_000, total_cents=4_000),
        part_issued(parts_total_cents=6_000, total_cents=6_000),
    ]
    assert len(shop.naps) == 1


def test_who_lost_a_race_queues_for_what_it_wanted_to_change(shop: Shop) -> None:
    shop.given(BUSY)

    shop.once_before_commit(lambda: shop.when(issue(OTHER_LINE_ID, 4)))
    shop.when(issue(PART_LINE_ID, 2))

    assert shop.store.queued == [sorted([TICKET_ID, ITEM_ID])]


def test_stock_is_not_oversold_by_a_lost_race(shop: Shop) -> None:
    shop.given(BUSY)

    shop.once_before_commit(lambda: shop.when(issue(OTHER_LINE_ID, 9)))
    with pytest.raises(Refused, match="2 of OIL-5W30 wanted, 1 on hand"):
        shop.when(issue(PART_LINE_ID, 2))

    assert shop.then[ITEM_ID] == [issued(line_id=OTHER_LINE_ID, quantity=9, quantity_on_hand=1)]


@pytest.mark.parametrize(
    "rival",
    [ARCHIVE, TransferVehicle(vehicle_id=VEHICLE_ID, customer_id=OTHER_CUSTOMER_ID)],
    ids=["archive", "transfer"],
)
def test_an_opening_and_its_contrary_never_slip_past_each_other(shop: Shop, rival: Command) -> None:
    shop.given({**READY, OTHER_CUSTOMER_ID: [customer_registered()]})

    shop.once_before_commit(lambda: shop.when(rival))
    with pytest.raises(Refused):
        shop.when(OPEN)
    assert TICKET_ID not in shop.then


@pytest.mark.parametrize(
    "late",
    [ARCHIVE, TransferVehicle(vehicle_id=VEHICLE_ID, customer_id=OTHER_CUSTOMER_ID)],
    ids=["archive", "transfer"],
)
def test_nor_the_other_way_round(shop: Shop, late: Command) -> None:
    shop.given({**READY, OTHER_CUSTOMER_ID: [customer_registered()]})

    shop.once_before_commit(lambda: shop.when(OPEN))
    with pytest.raises(Refused) as refused:
        shop.when(late)

    assert refused.value.blocking == {"tickets": [TICKET_ID]}


def test_who_loses_every_race_hears_so_and_leaves_nothing(shop: Shop) -> None:
    shop.given(READY)

    def lose() -> None:
        raise Collision("another came first")

    shop.store.before_commit = lose
    with pytest.raises(Conflict, match=f"tried {ATTEMPTS_MAX} times"):
        shop.when(RECEIVE, key=KEY)

    assert shop.then == {}
    assert shop.store.answers == {}
    assert shop.store.transactions == ATTEMPTS_MAX
    assert len(shop.naps) == ATTEMPTS_MAX - 1
    assert all(0 <= nap <= BACKOFF_MAX_SECONDS for nap in shop.naps)


def test_the_last_attempt_counts(shop: Shop) -> None:
    shop.given(READY)

    def lose_all_but_the_last() -> None:
        if shop.store.transactions < ATTEMPTS_MAX:
            raise Collision("another came first")

    shop.store.before_commit = lose_all_but_the_last
    shop.when(RECEIVE)

    assert shop.then == {ITEM_ID: [received(quantity=5, quantity_on_hand=15)]}


def test_a_retry_with_the_same_key_has_one_effect_and_one_answer(shop: Shop) -> None:
    shop.given(READY)

    first = shop.when(RECEIVE, key=KEY)
    again = shop.when(RECEIVE, key=KEY)

    assert again == first
    assert shop.then == {ITEM_ID: [received(quantity=5, quantity_on_hand=15)]}


def test_without_a_key_or_with_another_it_is_another_wish(shop: Shop) -> None:
    shop.given(READY)

    shop.when(RECEIVE, key=KEY)
    shop.when(RECEIVE)
    shop.when(RECEIVE, key=Key(scope=b"another", fingerprint=b"payload"))

    assert len(shop.then[ITEM_ID]) == 3


def test_what_changed_nothing_is_an_answer_too(shop: Shop) -> None:
    shop.given(READY)
    command = ChangeCustomer(customer_id=CUSTOMER_ID, name="Customer One")

    first = shop.when(command, key=KEY)
    shop.when(ChangeCustomer(customer_id=CUSTOMER_ID, name="New Name"))
    again = shop.when(command, key=KEY)

    assert again == first
    assert shop.then == {CUSTOMER_ID: [customer_changed(name="New Name")]}


def test_a_key_is_for_one_payload(shop: Shop) -> None:
    shop.given(READY)

    shop.when(RECEIVE, key=KEY)
    with pytest.raises(KeyReused):
        shop.when(RECEIVE, key=Key(scope=KEY.scope, fingerprint=b"another payload"))

    assert len(shop.then[ITEM_ID]) == 1


REGISTER = RegisterCustomer(
    customer_id=OTHER_CUSTOMER_ID, name="Customer Two", email="customer@example.com"
)
TAKEN: Past = {**BUSY, **owned(ClaimKind.CUSTOMER_EMAIL, "customer@example.com", CUSTOMER_ID)}


@pytest.mark.parametrize(
    ("command", "expected_version", "kind"),
    [
        (REGISTER, None, Taken),
        (RestoreCustomer(customer_id=OTHER_CUSTOMER_ID), None, NotFound),
        (RestoreCustomer(customer_id=CUSTOMER_ID), 7, VersionMismatch),
        (RestoreCustomer(customer_id=CUSTOMER_ID), None, Refused),
        (ARCHIVE, None, Refused),
    ],
    ids=["taken", "not found", "version mismatch", "refused", "refused and blocked"],
)
def test_a_refusal_is_an_answer_and_is_given_again(
    shop: Shop, command: Command, expected_version: int | None, kind: type[Refused]
) -> None:
    shop.given(TAKEN)

    with pytest.raises(Refused) as unkeyed:
        shop.when(command, expected_version=expected_version)
    with pytest.raises(Refused) as first:
        shop.when(command, expected_version=expected_version, key=KEY)
    shop.given({})
    shop.store.streams.clear()
    with pytest.raises(Refused) as again:
        shop.when(command, expected_version=expected_version, key=KEY)

    assert type(unkeyed.value) is type(first.value) is type(again.value) is kind
    assert str(unkeyed.value) == str(first.value) == str(again.value)
    assert vars(unkeyed.value) == vars(first.value) == vars(again.value)
    assert shop.then == {}


def test_a_refusal_under_a_key_leaves_the_key_and_nothing_else(shop: Shop) -> None:
    shop.given(TAKEN)

    with pytest.raises(Taken):
        shop.when(REGISTER, key=KEY)

    assert shop.then == {}
    assert list(shop.store.answers) == [KEY.scope]
    assert shop.store.commits == 1


def test_a_refusal_without_a_key_leaves_nothing(shop: Shop) -> None:
    shop.given(TAKEN)

    with pytest.raises(Taken):
        shop.when(REGISTER)

    assert (shop.then, shop.store.answers) == ({}, {})
    assert shop.store.commits == 0


def test_a_duplicate_that_comes_while_the_first_commits_hears_its_answer(shop: Shop) -> None:
    shop.given(READY)
    answers: list[object] = []

    shop.once_before_commit(lambda: answers.append(shop.when(RECEIVE, key=KEY)))
    answers.append(shop.when(RECEIVE, key=KEY))

    assert answers[0] == answers[1]
    assert len(shop.then[ITEM_ID]) == 1


@pytest.mark.parametrize("expected", [None, 2])
def test_the_version_that_was_expected_is_changed(shop: Shop, expected: int | None) -> None:
    shop.given(READY)

    receipt = shop.when(RECEIVE, expected_version=expected)

    assert receipt.version == 3


@pytest.mark.parametrize("expected", [0, 1, 3])
def test_another_version_than_expected_is_not_changed(shop: Shop, expected: int) -> None:
    shop.given(READY)

    with pytest.raises(VersionMismatch) as mismatch:
        shop.when(RECEIVE, expected_version=expected)

    assert (str(mismatch.value), mismatch.value.current) == ("the current version is 2", 2)
    assert shop.then == {}


def test_the_expected_version_is_that_of_the_target_alone(shop: Shop) -> None:
    shop.given(BUSY)

    receipt = shop.when(issue(PART_LINE_ID, 2), expected_version=1)

    assert receipt.versions == {TICKET_ID: 2, ITEM_ID: 3}


def test_the_expected_version_is_looked_at_again_after_a_lost_race(shop: Shop) -> None:
    shop.given(READY)

    shop.once_before_commit(lambda: shop.when(RECEIVE))
    with pytest.raises(VersionMismatch, match="the current version is 3"):
        shop.when(RECEIVE, expected_version=2)

    assert shop.then == {ITEM_ID: [received(quantity=5, quantity_on_hand=15)]}


def test_if_match_is_looked_at_although_nothing_would_change(shop: Shop) -> None:
    shop.given(BUSY)
    assign = AssignMechanic(ticket_id=TICKET_ID, mechanic_id=MECHANIC_ID)
    shop.when(assign)

    with pytest.raises(VersionMismatch):
        shop.when(assign, expected_version=1)


def test_what_is_not_there_is_missing_before_its_version_is_wrong(shop: Shop) -> None:
    with pytest.raises(NotFound) as missing:
        shop.when(
            AssignMechanic(ticket_id=OTHER_TICKET_ID, mechanic_id=MECHANIC_ID), expected_version=1
        )

    assert str(missing.value) == f"no ticket {OTHER_TICKET_ID}"


def test_a_race_that_touches_other_aggregates_is_no_race(shop: Shop) -> None:
    shop.given(BUSY)

    shop.once_before_commit(
        lambda: shop.given(shop.past(), {OTHER_CUSTOMER_ID: [customer_registered()]})
    )
    shop.when(RECEIVE)

    assert shop.naps == []


def test_an_archived_customer_is_seen_by_the_second_attempt(shop: Shop) -> None:
    shop.given(READY)

    shop.once_before_commit(lambda: shop.when(ARCHIVE))
    with pytest.raises(Refused, match="this one is archived"):
        shop.when(ChangeCustomer(customer_id=CUSTOMER_ID, name="New Name"))

    assert shop.then == {CUSTOMER_ID: [CustomerArchived()]}
