"""Bodies that cannot be read or say too much: told apart, and never a 500."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import msgspec
import pytest

from api.app import operations
from api.validation import metas
from tests.api.answers import is_problem, nothing_happens
from tests.shop import Shop, done

JSON = "application/json"
DEEP = 200_000

UNREADABLE: dict[str, bytes] = {
    "not JSON": b"nonsense",
    "cut off": b'{"name": "A Cust',
    "two documents": b"{} {}",
    "a comma too many": b'{"name": "A Customer",}',
    "single quotes": b"{'name': 'A Customer'}",
    "not UTF-8": b'{"name": "A \xff Customer", "email": "a@shop.example"}',
    "UTF-16": '{"name": "A Customer"}'.encode("utf-16"),
    "nested too deep": b"[" * DEEP + b"]" * DEEP,
    "nested too deep in a field": b'{"name": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "cut off after a wrong field": b'{"name": 1, "email": ',
    "not UTF-8 after a wrong field": b'{"name": 1, "email": "\xff"}',
    "half a surrogate pair": rb'{"name": "A \ud800 Customer", "email": "a@shop.example"}',
    "half a surrogate pair after a wrong field": rb'{"email": 1, "name": "A \ud800 Customer"}',
    "NaN": b'{"name": NaN, "email": "a@shop.example"}',
    "a number of a million digits": b'{"name": 1' + b"0" * 900_000 + b"}",
    "a number beyond every number": b'{"name": 1e999}',
    "a raw control character": b'{"name": "A \x00 Customer", "email": "a@shop.example"}',
}


def test_a_body_that_is_no_json_is_unreadable(shop: Shop, subtests: pytest.Subtests) -> None:
    with nothing_happens(shop):
        for name, body in UNREADABLE.items():
            with subtests.test(name):
                answer = shop.post("/v1/customers", body=body, content_type=JSON)

                is_problem(answer, 400, "unreadable")


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null", b"true"])
def test_a_body_is_an_object(shop: Shop, body: bytes) -> None:
    with nothing_happens(shop):
        is_problem(
            shop.post("/v1/customers", body=body, content_type=JSON), 422, "invalid-fields", ""
        )


CUSTOMER = {"name": "A Customer", "email": "a@shop.example"}
WRONG_CUSTOMERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing at all": ({}, ["/name", "/email"]),
    "an unknown field": (CUSTOMER | {"salary": 1}, ["/salary"]),
    "an id of one's own": (CUSTOMER | {"customer_id": "x"}, ["/customer_id"]),
    "wrong types": (
        {"name": 1, "email": True, "phone": [], "address": {}},
        ["/name", "/email", "/phone", "/address"],
    ),
    "wrong, missing and unknown at once": (
        {"name": "", "emial": "a@shop.example"},
        ["/name", "/email", "/emial"],
    ),
    "a null that may not be": (CUSTOMER | {"name": None}, ["/name"]),
    "NUL in a name": (CUSTOMER | {"name": "A\x00Customer"}, ["/name"]),
    "NUL in an address": (CUSTOMER | {"address": "Street\x00"}, ["/address"]),
    "a newline at the end of an e-mail": (CUSTOMER | {"email": "a@shop.example\n"}, ["/email"]),
    "no e-mail": (CUSTOMER | {"email": "a at shop.example"}, ["/email"]),
    "a name of spaces": (CUSTOMER | {"name": "   "}, ["/name"]),
    "a name too long": (CUSTOMER | {"name": "x" * 201}, ["/name"]),
    "a phone of letters": (CUSTOMER | {"phone": "call me"}, ["/phone"]),
    "many unknown fields": (
        CUSTOMER | {f"f{n}": n for n in range(50)},
        [f"/f{n}" for n in range(50)],
    ),
    "a name that needs escaping in a pointer": (CUSTOMER | {"a/b~c": 1}, ["/a~1b~0c"]),
}


def test_every_wrong_field_is_named_at_once(shop: Shop, subtests: pytest.Subtests) -> None:
    with nothing_happens(shop):
        for name, (body, pointers) in WRONG_CUSTOMERS.items():
            with subtests.test(name):
                answer = shop.post("/v1/customers", json=body)

                is_problem(answer, 422, "invalid-fields", *pointers)


def test_what_was_expected_is_said_in_words(shop: Shop) -> None:
    answer = shop.post(
        "/v1/tickets",
        json={
            "customer_id": str(uuid4()),
            "vehicle_id": str(uuid4()),
            "description": "Noise",
            "priority": "x" * 1000,
            "key_tag": " 7",
            "customer_concerns": ["Noise", " "],
        },
    )

    assert {error["pointer"]: error["message"] for error in answer.json["errors"]} == {
        "/priority": "Expected low, normal, high",
        "/key_tag": "Expected: One line, neither beginning nor ending with a blank.",
        "/customer_concerns/1": (
            "Expected: Text, not all of it blank, without control characters."
        ),
    }


def test_no_pattern_is_left_without_words() -> None:
    """A regular expression is no message: fields that have one say what it means."""
    wordless = {
        f"{one.path} {field.name}"
        for one in operations()
        for sent in (one.body, one.params)
        if sent is not None
        for field in msgspec.structs.fields(sent)
        for meta in metas(field.type)
        if meta.pattern and not meta.description
    }

    assert wordless == set()


WRONG_VEHICLES: dict[str, tuple[bytes, str]] = {
    "I in the VIN": (b'"vin": "2T1BR32EI00000000"', "/vin"),
    "O in the VIN": (b'"vin": "2T1BR32EO00000000"', "/vin"),
    "q in the VIN": (b'"vin": "2T1BR32Eq00000000"', "/vin"),
    "16 characters": (b'"vin": "2T1BR32E00000000"', "/vin"),
    "18 characters": (b'"vin": "2T1BR32E0000000000"', "/vin"),
    "a VIN with a newline": (b'"vin": "2T1BR32E000000000\\n"', "/vin"),
    "full-width digits": ('"vin": "2T1BR32E00000000\uff11"'.encode(), "/vin"),
    "a year as text": (b'"year": "2014"', "/year"),
    "a year as a boolean": (b'"year": true', "/year"),
    "half a year": (b'"year": 2014.5', "/year"),
    "a year before the motor car": (b'"year": 1800', "/year"),
    "a huge year": (b'"year": 1' + b"0" * 400, "/year"),
    "a customer that is no UUID": (b'"customer_id": "12"', "/customer_id"),
}


def test_vehicles_have_a_proper_vin_and_year(shop: Shop, subtests: pytest.Subtests) -> None:
    customer_id = shop.customer().encode()
    good = {
        "vin": b'"vin": "2T1BR32E000000000"',
        "year": b'"year": 2014',
        "customer_id": b'"customer_id": "%b"' % customer_id,
        "make": b'"make": "Toyota"',
        "model": b'"model": "Corolla"',
    }

    with nothing_happens(shop):
        for name, (field, pointer) in WRONG_VEHICLES.items():
            with subtests.test(name):
                body = b"{%b}" % b", ".join((good | {pointer[1:]: field}).values())

                answer = shop.post("/v1/vehicles", body=body, content_type=JSON)

                is_problem(answer, 422, "invalid-fields", pointer)


def test_numbers_have_their_limits(shop: Shop, subtests: pytest.Subtests) -> None:
    item, ticket, vehicle = shop.item(), shop.ticket(), shop.vehicle()
    adjustments = f"/v1/inventory/{item}/adjustments"
    cases: list[tuple[str, dict[str, Any], list[str]]] = [
        (f"/v1/inventory/{item}/receipts", {"quantity": -1}, ["/quantity"]),
        (f"/v1/inventory/{item}/receipts", {"quantity": 0}, ["/quantity"]),
        (f"/v1/inventory/{item}/receipts", {"quantity": 10**18}, ["/quantity"]),
        (
            f"/v1/inventory/{item}/receipts",
            {"quantity": 1, "unit_cost_cents": -1},
            ["/unit_cost_cents"],
        ),
        (adjustments, {"quantity_delta": 10**30, "reason": "loss"}, ["/quantity_delta"]),
        (adjustments, {"quantity_delta": -1, "reason": "no reason"}, ["/reason"]),
        (adjustments, {"quantity_delta": "x"}, ["/quantity_delta", "/reason"]),
        (f"/v1/tickets/{ticket}/parts", {"inventory_id": item, "quantity": -2}, ["/quantity"]),
        (
            f"/v1/tickets/{ticket}/parts",
            {"inventory_id": 7, "quantity": 1.5},
            ["/inventory_id", "/quantity"],
        ),
        (f"/v1/tickets/{ticket}/labor", {"description": "Work", "minutes": 0}, ["/minutes"]),
        (f"/v1/tickets/{ticket}/hold", {"hold_reason": "tired"}, ["/hold_reason"]),
        (f"/v1/vehicles/{vehicle}/odometer", {"value": -1, "unit": "furlong"}, ["/value", "/unit"]),
        (
            "/v1/inventory",
            {"part_number": "", "name": "x", "unit_price_cents": -5},
            ["/part_number", "/unit_price_cents"],
        ),
        (
            "/v1/mechanics",
            {"name": "A Mechanic", "email": "m@shop.example", "certifications": ["ok", 3]},
            ["/certifications/1"],
        ),
    ]

    with nothing_happens(shop):
        for path, body, pointers in cases:
            with subtests.test(f"{path} {body}"):
                is_problem(shop.post(path, json=body), 422, "invalid-fields", *pointers)


def test_a_body_over_a_mebibyte_is_refused(shop: Shop) -> None:
    body = b'{"name": "' + b"x" * 1024 * 1024 + b'"}'

    with nothing_happens(shop):
        told = shop.post("/v1/customers", body=body, content_type=JSON)
        is_problem(told, 413, "too-large")

        untold = shop.post(
            "/v1/customers",
            body=body,
            content_type=JSON,
            headers={"Transfer-Encoding": "chunked"},
            extras={"CONTENT_LENGTH": "", "wsgi.input_terminated": True},
        )
        is_problem(untold, 413, "too-large")


def test_a_body_is_sent_as_json(shop: Shop, subtests: pytest.Subtests) -> None:
    body = b'{"name": "A Customer", "email": "a@shop.example"}'

    with nothing_happens(shop):
        for content_type in ("text/plain", "application/x-www-form-urlencoded", "text/json", ""):
            with subtests.test(content_type):
                answer = shop.post("/v1/customers", body=body, content_type=content_type)

                is_problem(answer, 415, "unsupported-media-type")

    done(shop.post("/v1/customers", body=body, content_type="Application/JSON; charset=utf-8"))


def test_what_takes_no_body_takes_no_fields(shop: Shop) -> None:
    ticket = shop.ticket()

    with nothing_happens(shop):
        answer = shop.post(f"/v1/tickets/{ticket}/start", json={"now": True})

    is_problem(answer, 422, "invalid-fields", "/now")
    done(shop.post(f"/v1/tickets/{ticket}/start", json={}))
