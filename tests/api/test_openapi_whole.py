"""What the document has to say of every operation, worked out from ROUTES once more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest

from api.app import ROUTES
from api.operation import Operation, Scope
from domain.account import Role
from tests.api.described import DOCUMENT, OPERATIONS, described, place, resolved

BY_ID = {described(one)["operationId"]: one for one in OPERATIONS}
COUNTED = "RateLimit"


def parameters(one: Operation, within: str) -> dict[str, dict[str, Any]]:
    found = [resolved(parameter) for parameter in described(one)["parameters"]]
    return {parameter["name"]: parameter for parameter in found if parameter["in"] == within}


def responses(one: Operation) -> dict[int, dict[str, Any]]:
    return {int(status): resolved(said) for status, said in described(one)["responses"].items()}


def shop(one: Operation) -> bool:
    """Whether it is the shop's business, not that of whoever runs the service."""
    return one.path.startswith("/v1/")


@pytest.mark.parametrize("one", OPERATIONS, ids=place)
def test_every_parameter_is_there_and_said_what_it_is(one: Operation) -> None:
    in_path, in_query = parameters(one, "path"), parameters(one, "query")
    asked = msgspec.structs.fields(one.params) if one.params is not None else ()

    assert list(in_path) == re.findall(r"{(\w+)}", one.path)
    assert all(parameter["required"] for parameter in in_path.values())
    assert set(in_query) == {field.encode_name for field in asked}
    for field in asked:
        assert in_query[field.encode_name]["required"] == field.required
    for parameter in described(one)["parameters"]:
        said = resolved(parameter)
        assert {"type", "anyOf", "$ref"} & said["schema"].keys(), said
        if said["in"] != "query":
            assert said["description"].endswith("."), said


@pytest.mark.parametrize("one", OPERATIONS, ids=place)
def test_every_status_that_may_come_is_there(one: Operation) -> None:
    allow = one.allow or {}
    narrow = set(allow) < set(Role) or Scope.OWN in allow.values()
    said = set(responses(one))

    assert 422 in said
    assert 500 not in said
    assert {401} & said == ({401} if one.allow is not None or 401 in one.statuses else set())
    assert {403} & said == ({403} if one.allow is not None and narrow else set())
    assert {404} & said == ({404} if "{" in one.path else set())
    assert {429, 503} <= said if shop(one) else 429 not in said
    assert ({400, 413, 415} <= said) if one.body is not None else not {400, 413} & said
    assert {409, 412} & said if one.command is not None and "{" in one.path else True
    assert (304 in said) == ("If-None-Match" in parameters(one, "header"))
    assert {206, 416} & said == ({206, 416} if "Range" in parameters(one, "header") else set())
    assert set(one.statuses) <= said or one.command is not None


@pytest.mark.parametrize("one", OPERATIONS, ids=place)
def test_every_answer_has_its_headers(one: Operation) -> None:
    for status, answer in responses(one).items():
        headers = {name: resolved(header) for name, header in answer["headers"].items()}
        assert "X-Request-Id" in headers, status
        assert all(header["description"].endswith(".") for header in headers.values())
        if status == 401:
            assert "WWW-Authenticate" in headers
        if status in (429, 503) and shop(one):
            assert "Retry-After" in headers
        if status < 300:
            assert (COUNTED in headers) == bool(one.budget)
            assert ("Location" in headers) == (one.creates or "Location" in one.tells)
        if status == 304:
            assert "ETag" in headers


@pytest.mark.parametrize("one", OPERATIONS, ids=place)
def test_examples_fit_their_schemas(one: Operation) -> None:
    found = list(examples(one))

    assert found or not (one.path_params or one.body or one.returns)
    for where, schema, example in found:
        # References lead into the document.
        whole = {**schema, "components": DOCUMENT["components"]}
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        wrong = list(
            jsonschema.Draft202012Validator(whole, format_checker=checker).iter_errors(example)
        )
        assert not wrong, (where, example, wrong[0].message)


def examples(one: Operation) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Where each stands, its schema, and itself."""
    said = described(one)
    contents = [("body", *each) for each in said.get("requestBody", {}).get("content", {}).items()]
    for parameter in map(resolved, said["parameters"]):
        if "example" in parameter:
            yield parameter["name"], parameter["schema"], parameter["example"]
    for status, answer in responses(one).items():
        contents += [(str(status), *each) for each in answer.get("content", {}).items()]
        for name, header in answer["headers"].items():
            if "example" in resolved(header):
                yield name, resolved(header)["schema"], resolved(header)["example"]
    for where, media, content in contents:
        if "example" in content:
            yield f"{where} {media}", content["schema"], content["example"]
        for name, example in content.get("examples", {}).items():
            yield f"{where} {media} {name}", content["schema"], resolved(example)["value"]


@pytest.mark.parametrize("one", OPERATIONS, ids=place)
def test_links_lead_from_an_answer_to_the_next_request(one: Operation) -> None:
    for status, answer in responses(one).items():
        for link in answer.get("links", {}).values():
            other = BY_ID[link["operationId"]]
            (content,) = answer["content"].values()
            (example, *_) = (resolved(each)["value"] for each in content["examples"].values())

            assert set(link["parameters"]) == set(other.path_params), (status, link)
            for expression in link["parameters"].values():
                if expression.startswith("$request.path."):
                    assert expression.removeprefix("$request.path.") in one.path_params
                else:
                    pointer = expression.removeprefix("$response.body#/")
                    assert re.match(r"[0-9a-f-]{36}$", followed(example, pointer))


def followed(example: Any, pointer: str) -> Any:
    for step in pointer.split("/"):
        example = example[int(step) if isinstance(example, list) else step]
    return example


@pytest.mark.parametrize("path", [path for path in ROUTES if f"{path}/" in "".join(ROUTES)])
def test_what_is_made_leads_to_all_that_can_be_done_with_it(path: str) -> None:
    made = [one for one in OPERATIONS if one.path == path and one.creates]

    for one in made:
        links = {link["operationId"] for link in responses(one)[201]["links"].values()}
        its_own = re.compile(re.escape(path) + r"/{\w+}(/[a-z-]+)?$")
        assert links >= {
            id
            for id, other in BY_ID.items()
            if its_own.match(other.path) and set(other.path_params) - set(one.path_params)
        }
