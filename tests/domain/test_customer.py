from collections.abc import Callable

import pytest

from domain.customer import (
    Customer,
    CustomerArchived,
    CustomerErased,
    CustomerEvent,
    CustomerRestored,
)
from domain.kernel import Refused
from tests.builders import (
    OTHER_TICKET_ID,
    TICKET_ID,
    customer_changed,
    customer_details,
    customer_registered,
    customer_ticket_closed,
    customer_ticket_opened,
)
from tests.given import given

REGISTERED = customer_registered()
ARCHIVED, ERASED = CustomerArchived(), CustomerErased()
TWO_OPEN = [
    REGISTERED,
    customer_ticket_opened(),
    customer_ticket_opened(ticket_id=OTHER_TICKET_ID, open_ticket_ids=[TICKET_ID, OTHER_TICKET_ID]),
]


def test_a_customer_registers_with_all_details() -> None:
    customer = given(Customer)

    customer.register(customer_details(phone="555-0100", address="1 Street"))

    assert customer.emitted == [customer_registered(phone="555-0100", address="1 Street")]
    assert customer.state == "active"


def test_changed_details_are_recorded_whole() -> None:
    customer = given(Customer, REGISTERED)

    customer.change_details(customer_details(phone="555-0100"))

    assert customer.emitted == [customer_changed(phone="555-0100")]
    assert customer.details() == customer_details(phone="555-0100")


def test_details_that_stay_the_same_are_no_event() -> None:
    customer = given(Customer, REGISTERED)

    customer.change_details(customer_details())

    assert customer.emitted == []


def test_a_customer_knows_their_open_tickets() -> None:
    customer = given(Customer, REGISTERED)

    customer.open_ticket(TICKET_ID)
    customer.open_ticket(OTHER_TICKET_ID)
    customer.close_ticket(TICKET_ID)

    assert customer.emitted == [
        *TWO_OPEN[1:],
        customer_ticket_closed(open_ticket_ids=[OTHER_TICKET_ID]),
    ]
    assert customer.open_ticket_ids == [OTHER_TICKET_ID]


def test_a_customer_without_open_tickets_is_archived_and_restored() -> None:
    customer = given(Customer, REGISTERED, customer_ticket_opened(), customer_ticket_closed())

    customer.archive()
    customer.restore()
    customer.open_ticket(TICKET_ID)

    assert customer.emitted == [ARCHIVED, CustomerRestored(), customer_ticket_opened()]


@pytest.mark.parametrize("past", [[REGISTERED], [REGISTERED, ARCHIVED]], ids=["active", "archived"])
def test_an_erased_customer_has_no_personal_data(past: list[CustomerEvent]) -> None:
    customer = given(Customer, *past)

    customer.erase()

    assert customer.emitted == [ERASED]
    assert customer.details() == customer_details(name=None, email=None)
    assert customer.state == "erased"


@pytest.mark.parametrize(
    ("past", "ask", "message"),
    [
        (
            [REGISTERED, ARCHIVED],
            lambda c: c.change_details(customer_details(phone="555-0100")),
            "details change only while a customer is active; this one is archived",
        ),
        (
            [REGISTERED, ERASED],
            lambda c: c.change_details(customer_details()),
            "details change only while a customer is active; this one is erased",
        ),
        (
            [REGISTERED, ARCHIVED],
            lambda c: c.open_ticket(TICKET_ID),
            "tickets open only for an active customer; this one is archived",
        ),
        (
            [REGISTERED, ARCHIVED, ERASED],
            lambda c: c.open_ticket(TICKET_ID),
            "tickets open only for an active customer; this one is erased",
        ),
        (
            [REGISTERED, ARCHIVED],
            lambda c: c.archive(),
            "only an active customer is archived; this one is archived",
        ),
        (
            [REGISTERED, ERASED],
            lambda c: c.archive(),
            "only an active customer is archived; this one is erased",
        ),
        (
            [REGISTERED],
            lambda c: c.restore(),
            "only an archived customer is restored; this one is active",
        ),
        (
            [REGISTERED, ARCHIVED, ERASED],
            lambda c: c.restore(),
            "only an archived customer is restored; this one is erased",
        ),
        (
            [REGISTERED, ERASED],
            lambda c: c.erase(),
            "a customer is erased once; this one is erased",
        ),
    ],
)
def test_a_refusal_states_rule_and_state_and_nothing_happens(
    past: list[CustomerEvent], ask: Callable[[Customer], object], message: str
) -> None:
    customer = given(Customer, *past)

    with pytest.raises(Refused) as refused:
        ask(customer)

    assert str(refused.value) == message
    assert customer.emitted == []


@pytest.mark.parametrize(
    ("ask", "what"), [(Customer.archive, "archived"), (Customer.erase, "erased")]
)
def test_a_customer_with_open_tickets_stays_and_the_refusal_names_them(
    ask: Callable[[Customer], None], what: str
) -> None:
    customer = given(Customer, *TWO_OPEN)

    with pytest.raises(Refused) as refused:
        ask(customer)

    assert str(refused.value) == f"a customer with open tickets is not {what}; this one has 2 open"
    assert refused.value.blocking == {"tickets": [TICKET_ID, OTHER_TICKET_ID]}
    assert customer.emitted == []
