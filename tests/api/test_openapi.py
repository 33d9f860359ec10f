"""The document says what the declarations say, and nothing that is not so."""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest

from api.app import METHODS, ROUTES
from api.openapi import document
from api.openapi_examples import REF, example_of
from api.operation import Operation, bound, operation
from api.problems import KINDS
from tests.api.approve_openapi import APPROVED, todays_document
from tests.api.described import (
    DOCUMENT,
    OPERATIONS,
    SCHEMAS,
    at,
    described,
    every,
    names,
    place,
    resolved,
)


def test_the_document_is_the_approved_one() -> None:
    assert todays_document() == APPROVED.read_text(), (
        "the API has changed: run `python -m tests.approve` and look at the difference"
    )


def test_every_route_and_method_is_in_the_document() -> None:
    there_are = {
        (path, method.lower())
        for path, kind in ROUTES.items()
        for method in METHODS
        if hasattr(kind, f"on_{method.lower()}")
    }

    said = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}

    assert said == there_are
    assert ("/v1/tickets/{ticket_id}/parts", "post") in said


def test_the_document_is_valid_openapi() -> None:
    validator = pytest.importorskip("openapi_spec_validator")

    validator.validate(DOCUMENT, cls=validator.OpenAPIV31SpecValidator)


def test_every_reference_leads_somewhere() -> None:
    references = [thing for thing in every(DOCUMENT) if isinstance(thing.get("$ref"), str)]

    assert len(references) > 100
    for reference in references:
        assert resolved(reference)


def test_every_operation_has_a_name_of_its_own() -> None:
    ids = [described(one)["operationId"] for one in OPERATIONS]

    assert len(set(ids)) == len(ids)
    assert at("POST /v1/tickets/{ticket_id}/parts")["operationId"] == "post_tickets_parts"


@pytest.mark.parametrize("one", OPERATIONS, ids=place)
def test_who_may_call_it_is_said(one: Operation) -> None:
    said = described(one)

    allow = one.allow or {}
    assert said["x-roles"] == {role.value: scope.value for role, scope in allow.items()}
    assert said["security"] == ([] if one.allow is None else [{"bearerAuth": []}])
    assert ("401" in said["responses"]) == (one.allow is not None or 401 in one.statuses)


@pytest.mark.parametrize("one", [o for o in OPERATIONS if o.body is not None], ids=place)
def test_the_example_of_a_body_is_one_that_is_taken(one: Operation) -> None:
    for content in described(one)["requestBody"]["content"].values():
        # Where this fails, api/openapi_examples.py has to learn how the field looks.
        assert msgspec.convert(content["example"], one.body)


@pytest.mark.parametrize("one", [o for o in OPERATIONS if o.returns is not None], ids=place)
def test_the_example_of_an_answer_is_one_that_may_come(one: Operation) -> None:
    many = get_origin(one.returns) in (list, tuple)
    returns = get_args(one.returns)[0] if many else one.returns
    status, answer = next(iter(described(one)["responses"].items()))

    content = answer["content"][one.media_type]
    example = resolved(next(iter(content["examples"].values())))["value"]

    assert status in ("200", "201", "202")
    whole = example if get_origin(one.returns) is tuple else [example]
    found = example["items"] if get_origin(one.returns) is list else whole
    assert msgspec.convert(found, list[returns])  # type: ignore[valid-type]


def test_an_example_has_every_field_that_is_required() -> None:
    for name, schema in SCHEMAS.items():
        example = example_of(schema, SCHEMAS)
        if "properties" in schema:
            assert set(schema["required"]) <= example.keys(), name


def test_what_may_be_left_out_is_optional_and_null_only_where_it_may_be() -> None:
    change = SCHEMAS["ChangeVehicle"]

    assert change["required"] == []
    assert change["properties"]["make"]["type"] == "string"
    assert {"type": "null"} in change["properties"]["plate"]["anyOf"]
    assert SCHEMAS["OpenTicket"]["required"] == ["customer_id", "vehicle_id", "description"]
    assert "ro_number" not in SCHEMAS["OpenTicket"]["properties"]


def test_bodies_refuse_unknown_fields() -> None:
    for one in OPERATIONS:
        if one.body is not None:
            content = next(iter(described(one)["requestBody"]["content"].values()))
            assert resolved(content["schema"])["additionalProperties"] is False


def test_units_and_formats_are_said() -> None:
    for name, schema in SCHEMAS.items():
        for field, said in schema.get("properties", {}).items():
            if field.endswith("_cents"):
                assert "cents" in said["description"], (name, field)
            if "minutes" in field:
                assert "minutes" in said["description"], (name, field)
    rate = SCHEMAS["LaborLineView"]["properties"]["rate_cents_per_hour"]
    assert rate["description"] == "Money in cents per hour of work."
    assert SCHEMAS["ShownTicket"]["properties"]["total_cents"]["format"] == "int64"
    assert SCHEMAS["IssuePart"]["properties"]["quantity"]["format"] == "int32"


def test_every_instant_in_an_answer_is_said_to_be_one() -> None:
    for one in OPERATIONS:
        struct = get_args(one.returns)[0] if get_origin(one.returns) is list else one.returns
        if not (isinstance(struct, type) and issubclass(struct, msgspec.Struct)):
            continue
        for field, hint in get_type_hints(struct).items():
            if hint is datetime or datetime in get_args(hint):
                said = SCHEMAS[struct.__name__]["properties"][field]
                formats = [kind.get("format") for kind in (said, *said.get("anyOf", []))]
                assert "date-time" in formats, (struct.__name__, field)


def test_headers_are_said_where_they_count() -> None:
    assert {"If-Match", "Prefer"} <= names("PATCH /v1/tickets/{ticket_id}")
    assert {"If-Match", "Idempotency-Key"} <= names("POST /v1/tickets/{ticket_id}/parts")
    assert "Idempotency-Key" in names("POST /v1/tickets")
    assert "If-Match" not in names("POST /v1/tickets")
    assert not {"Idempotency-Key", "If-Match"} & names("POST /v1/auth/login")
    assert {"Consistency-Token", "If-None-Match"} <= names("GET /v1/tickets/{ticket_id}")
    assert "Prefer" in names("GET /v1/tickets") & names("GET /v1/mechanics/leaderboard")
    assert "Prefer" not in names("GET /v1/me") | names("GET /v1/tickets/{ticket_id}/parts")
    assert "Location" in at("POST /v1/tickets")["responses"]["201"]["headers"]
    assert "Link" in at("GET /v1/tickets")["responses"]["200"]["headers"]


def test_what_query_parameters_do_is_said() -> None:
    assert "at or below its reorder point" in at("GET /v1/stock-levels")["description"]


def test_query_parameters_are_absent_rather_than_null() -> None:
    for one in OPERATIONS:
        for parameter in described(one)["parameters"]:
            if parameter.get("in") == "query":
                assert {"type": "null"} not in parameter["schema"].get("anyOf", [])
                assert parameter["schema"].get("default", "") is not None


def test_problems_are_those_that_can_occur() -> None:
    closing = {status: resolved(response) for status, response in closed().items()}

    assert set(closing) == {
        *("200", "400", "401", "403", "404", "409", "412", "413", "415", "422", "429", "503"),
    }
    content = closing["409"]["content"]["application/problem+json"]
    assert content["schema"]["$ref"] == REF + "Problem"
    assert set(content["examples"]) == {"refused", "conflict"}
    for path in ("/v1/tickets", "/v1/mechanics/leaderboard"):
        behind = resolved(at(f"GET {path}")["responses"]["503"])
        assert "projection-behind" in behind["content"]["application/problem+json"]["examples"]
    for name, response in DOCUMENT["components"]["responses"].items():
        (problem,) = response["content"].values()
        assert set(problem["examples"]) == set(name.split(".")) <= set(KINDS)


def closed() -> dict[str, Any]:
    responses: dict[str, Any] = at("POST /v1/tickets/{ticket_id}/close")["responses"]
    return responses


class Bolt(msgspec.Struct):
    """A thing of its own."""

    length_cents: int


def test_a_new_declaration_is_described_without_another_word() -> None:
    @operation(None, returns=list[Bolt])
    def on_get() -> None:
        """List bolts. The long ones first."""

    one = bound(on_get.operation, "GET", "/v1/bolts/{bolt_id}/parts")  # type: ignore[attr-defined]

    made = document([one], title="Bolts", version="2")

    said = made["paths"]["/v1/bolts/{bolt_id}/parts"]["get"]
    assert (said["summary"], said["tags"]) == ("List bolts", ["bolts"])
    assert said["description"] == "The long ones first.\n\nNeeds no token."
    page = said["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    assert page["items"]["items"] == {"$ref": REF + "Bolt"}
    assert made["components"]["schemas"]["Bolt"]["description"] == "A thing of its own."
