"""The OpenAPI 3.1 document, made from the declarations of the operations and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import get_origin

import falcon

from api.openapi_examples import Schema, example_of, patch_example, uuid_of
from api.openapi_parts import HEADERS, PARAMETERS, headers, problem_responses
from api.openapi_schemas import Schemas, without_null
from api.operation import Operation, Scope, WriteAnswer
from api.problems import Problem
from domain.account import Role

ABOUT = """\
Money is integer cents (`*_cents`), durations are integer minutes (`*_minutes`), instants are UTC
in RFC 3339, ids are UUIDs. Unknown fields are refused. What goes wrong is a problem (RFC 9457)
whose `type` is a page that explains it. PATCH is a JSON merge patch (RFC 7396): what is absent
stays as it is."""
MERGE_PATCH = "application/merge-patch+json"
SERVICE = "service"
"""The tag of what is not the shop's business: health, documentation."""


def document(operations: Sequence[Operation], *, title: str, version: str) -> Schema:
    """The whole document. The same operations give the same document, to the byte."""
    described = Described(operations)
    paths: dict[str, Schema] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = described.operation(one)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(map(_tag, operations))],
        "paths": paths,
        "components": {
            "schemas": described.schemas.components,
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "responses": problem_responses(),
            "securitySchemes": {
                "bearerAuth": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The `access_token` of POST /v1/auth/login.",
                }
            },
        },
    }


class Described:
    """Operations as the document says them."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        types = [type for one in operations for type in (one.body, one.returns) if type is not None]
        params = [one.params for one in operations if one.params is not None]
        self.schemas = Schemas([*types, Problem], params)
        self._shown = {
            one.path_params[-1].removesuffix("_id"): one.returns
            for one in operations
            if one.method == "GET" and one.path.endswith("_id}")
        }
        """What a GET of each kind of resource shows."""

    def operation(self, one: Operation) -> Schema:
        described: Schema = {
            "operationId": operation_id(one),
            "tags": [_tag(one)],
            "summary": one.summary,
            "description": "\n\n".join(filter(None, [one.description, _who(one)])),
            "security": [] if one.allow is None else [{"bearerAuth": []}],
            "x-roles": _roles(one),
            "parameters": [*self._in_path(one), *self._in_query(one), *_in_headers(one)],
            "responses": self._responses(one),
        }
        if one.body is not None:
            described["requestBody"] = self._body(one)
        return {name: value for name, value in described.items() if value not in ("", [], {})} | {
            "security": described["security"]
        }

    def _in_path(self, one: Operation) -> Iterator[Schema]:
        for name in one.path_params:
            schema, example = {"type": "string"}, name
            if name.endswith("_id"):
                schema, example = {"type": "string", "format": "uuid"}, uuid_of(name)
            yield {
                "name": name,
                "in": "path",
                "required": True,
                "schema": schema,
                "example": example,
            }

    def _in_query(self, one: Operation) -> Iterator[Schema]:
        if one.params is None:
            return
        query = self.schemas.of_query(one.params)
        for name, field in query["properties"].items():
            schema = without_null(field)
            described = {"name": name, "in": "query", "schema": schema}
            if description := schema.pop("description", ""):
                described["description"] = description
            if name in query.get("required", []):
                described["required"] = True
            yield described

    def _body(self, one: Operation) -> Schema:
        schema = self.schemas.of(one.body)
        make = patch_example if one.method == "PATCH" else example_of
        content = {"schema": schema, "example": make(schema, self.schemas.components)}
        media = [falcon.MEDIA_JSON, *([MERGE_PATCH] if one.method == "PATCH" else [])]
        return {"required": True, "content": dict.fromkeys(media, content)}

    def _responses(self, one: Operation) -> Schema:
        responses = {str(_success(one)): self._answer(one)}
        if _reads(one):
            responses["304"] = {
                "description": "It has not changed since the ETag in If-None-Match.",
                "headers": headers("X-Request-Id", "ETag", "Consistency-Token", "Feed-Position"),
            }
        for status in sorted(_problems(one)):
            responses[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
        if _tag(one) == SERVICE:
            for status in one.statuses:
                responses[str(status)] = self._answer(one)
        return responses

    def _answer(self, one: Operation) -> Schema:
        names = ["X-Request-Id"]
        if one.command is not None:
            names += ["ETag", "Consistency-Token", *(["Location"] if one.creates else [])]
        elif _reads(one):
            names += ["ETag", "Consistency-Token", "Feed-Position"]
            names += ["Link"] if get_origin(one.returns) is list else []
        answer: Schema = {"description": _told(one), "headers": headers(*names)}
        if _success(one) == 204:
            return answer
        if one.returns is None:
            return answer | {"content": {one.media_type: {"schema": {"type": "string"}}}}
        schemas = [self.schemas.of(one.returns)]
        if one.returns is WriteAnswer and one.kind in self._shown:
            schemas.append(self.schemas.of(self._shown[one.kind]))
        content = {
            "schema": {"anyOf": schemas} if len(schemas) > 1 else schemas[0],
            "examples": {f"{n}": self._example(schema) for n, schema in enumerate(schemas, 1)},
        }
        return answer | {"content": {one.media_type: content}}

    def _example(self, schema: Schema) -> Schema:
        if (ref := schema.get("$ref")) is None:
            return {"value": example_of(schema, self.schemas.components)}
        self.examples[ref] = {"value": example_of(schema, self.schemas.components)}


def operation_id(one: Operation) -> str:
    """The method and the words of the path: `post_tickets_parts`, `get_tickets_by_ticket_id`."""
    parts = one.path.removeprefix("/v1").strip("/").split("/")
    words = [part for part in parts if not part.startswith("{")]
    if parts[-1].startswith("{"):
        words.append(f"by_{parts[-1][1:-1]}")
    return re.sub(r"\W", "_", "_".join([one.method.lower(), *words]))


def _tag(one: Operation) -> str:
    return one.path.split("/")[2] if one.path.startswith("/v1/") else SERVICE


def _roles(one: Operation) -> dict[str, str]:
    allow = one.allow or {}
    return {role.value: allow[role].value for role in Role if role in allow}


def _who(one: Operation) -> str:
    if one.allow is None:
        return "Needs no token."
    told = [
        f"{role} (what is theirs)" if scope == Scope.OWN else role
        for role, scope in _roles(one).items()
    ]
    return f"For: {', '.join(told)}."


def _reads(one: Operation) -> bool:
    return one.method == "GET" and one.allow is not None and one.media_type == falcon.MEDIA_JSON


def _conditional(one: Operation) -> bool:
    """Whether there is a version yet that If-Match could name."""
    return one.command is not None and (bool(one.path_params) or one.method != "POST")


def _in_headers(one: Operation) -> list[Schema]:
    names = []
    if one.command is not None:
        names += ["IfMatch"] if _conditional(one) else []
        names += ["IdempotencyKey"] if one.method == "POST" else []
        names += ["PreferRepresentation", "ConsistencyToken"]
    elif _reads(one):
        names += ["ConsistencyToken", "IfNoneMatch"]
        names += ["PreferWait"] if get_origin(one.returns) is list else []
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _success(one: Operation) -> int:
    return 201 if one.creates else next((s for s in one.statuses if 200 <= s < 300), 200)


def _told(one: Operation) -> str:
    if one.command is None:
        return "A page of them." if get_origin(one.returns) is list else "As asked."
    return "Made." if one.creates else "Done, or it was so already."


def _problems(one: Operation) -> set[int]:
    """Every status this operation may refuse with."""
    found = {422} | {status for status in one.statuses if status in (401, 403, 409, 429)}
    if one.path.startswith("/v1/"):
        found |= {429, 503}
    if one.allow is not None:
        limited = set(one.allow) != set(Role) or Scope.OWN in one.allow.values()
        found |= {401, 403} if limited else {401}
    if one.path_params:
        found.add(404)
    if one.body is not None:
        found |= {400, 413, 415}
    if one.command is not None:
        found |= {409, 412} if _conditional(one) else {409}
    return found
