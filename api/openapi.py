"""The OpenAPI 3.1 document, made from the declarations of the operations and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import get_args

import falcon

from api import openapi_facts as facts
from api.openapi_examples import KNOWN, REF, Schema, example_of, patch_example, uuid_of
from api.openapi_parts import (
    HEADERS,
    PARAMETERS,
    PATH_TEXTS,
    SECURITY,
    headers,
    problem_response,
)
from api.openapi_schemas import Schemas, without_null
from api.operation import Operation, WriteAnswer
from api.problems import Problem

ABOUT = """\
Money is integer cents (`*_cents`), durations are integer minutes (`*_minutes`), integers are
written without a decimal point, instants are UTC in RFC 3339, ids are UUIDs. Unknown fields are
refused. What goes wrong is a problem (RFC 9457) whose `type` is a page that explains it. PATCH is
a JSON merge patch (RFC 7396): what is absent stays as it is. HEAD goes wherever GET does."""
MERGE_PATCH = "application/merge-patch+json"


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
        "tags": [{"name": name} for name in dict.fromkeys(map(facts.tag, operations))],
        "paths": paths,
        "components": {
            "schemas": described.schemas.components,
            "examples": described.examples,
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "responses": described.problems,
            "securitySchemes": SECURITY,
        },
    }


class Described:
    """Operations as the document says them. `examples` are of what they answer with, `problems`
    are the responses they may refuse with: each stands once."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        types = [type for one in operations for type in (one.body, one.returns) if type is not None]
        params = [one.params for one in operations if one.params is not None]
        self._operations = operations
        self.schemas = Schemas([*types, Problem], params)
        self.examples: dict[str, Schema] = {}
        self.problems: dict[str, Schema] = {}
        self._shown = {
            one.path_params[-1].removesuffix("_id"): one.returns
            for one in operations
            if one.method == "GET" and one.path.endswith("_id}")
        }
        """What a GET of each kind of resource shows."""

    def operation(self, one: Operation) -> Schema:
        described: Schema = {
            "operationId": facts.operation_id(one),
            "tags": [facts.tag(one)],
            "summary": one.summary,
            "description": "\n\n".join(filter(None, self._told(one))),
            "security": [] if one.allow is None else [{"bearerAuth": []}],
            "x-roles": facts.roles(one),
            "parameters": [*_in_path(one), *self._in_query(one), *_in_headers(one)],
        }
        if one.body is not None:
            described["requestBody"] = self._body(one)
        return described | {"responses": self._responses(one)}

    def _told(self, one: Operation) -> list[str]:
        query = self.schemas.of_query(one.params) if one.params is not None else {}
        return [one.description, query.get("description", ""), facts.who(one)]

    def _in_query(self, one: Operation) -> Iterator[Schema]:
        if one.params is None:
            return
        query = self.schemas.of_query(one.params)
        for name, field in query["properties"].items():
            schema = without_null(field)
            yield {
                "name": name,
                "in": "query",
                "description": schema.pop("description", ""),
                "required": name in query.get("required", []),
                "schema": schema,
            }

    def _body(self, one: Operation) -> Schema:
        schema = self.schemas.of(one.body)
        make = patch_example if one.method == "PATCH" else example_of
        content = {"schema": schema, "example": make(schema, self.schemas.components)}
        media = [falcon.MEDIA_JSON, *([MERGE_PATCH] if one.method == "PATCH" else [])]
        # None at all is taken for {}.
        needed = bool(self.schemas.components[schema["$ref"].removeprefix(REF)]["required"])
        return {"required": needed, "content": dict.fromkeys(media, content)}

    def _responses(self, one: Operation) -> Schema:
        responses = {str(status): self._answer(one) for status in facts.successes(one)}
        if facts.may_be_unchanged(one):
            responses["304"] = {
                "description": "It has not changed since the ETag in If-None-Match.",
                "headers": headers(*facts.headers_unchanged(one)),
            }
        for status, slugs in facts.problems(one).items():
            name = ".".join(slugs)
            self.problems[name] = problem_response(slugs)
            responses[str(status)] = {"$ref": f"#/components/responses/{name}"}
        for status in facts.own_statuses(one):
            responses[str(status)] = self._answer(one)
        return responses

    def _answer(self, one: Operation) -> Schema:
        answer: Schema = {
            "description": facts.told(one),
            "headers": headers(*facts.headers_given(one)),
        }
        if links := dict(map(self._link, repeat(one), facts.leads_to(one, self._operations))):
            answer["links"] = links
        if 204 in facts.successes(one):
            return answer
        content: Schema = {"schema": {"type": "string"}}
        if one.returns is not None:
            schemas = [self.schemas.of(one.returns)]
            if one.returns is WriteAnswer and one.kind in self._shown:
                schemas.append(self.schemas.of(self._shown[one.kind]))
            content["schema"] = {"anyOf": schemas} if len(schemas) > 1 else schemas[0]
            content["examples"] = dict(map(self._example, schemas))
        others = {media: {"schema": {"type": "string"}} for media in one.media_types}
        return answer | {"content": {one.media_type: content} | others}

    def _link(self, one: Operation, other: Operation) -> tuple[str, Schema]:
        *known, made = other.path_params
        view = get_args(one.returns)[0] if facts.shows_many(one) else one.returns
        name = "id" if "id" in view.__struct_fields__ else made
        where = f"/{name}" if one.creates else f"/items/0/{name}"
        ids = {known_id: f"$request.path.{known_id}" for known_id in known}
        link = {
            "operationId": facts.operation_id(other),
            "parameters": ids | {made: f"$response.body#{where}"},
        }
        return facts.operation_id(other), link

    def _example(self, schema: Schema) -> tuple[str, Schema]:
        example = {"value": example_of(schema, self.schemas.components)}
        if "$ref" not in schema:
            return "page", example
        name = str(schema["$ref"]).removeprefix(REF)
        self.examples[name] = example
        return name, {"$ref": f"#/components/examples/{name}"}


def _in_path(one: Operation) -> Iterator[Schema]:
    for name in one.path_params:
        id = name.endswith("_id")
        of_id = {"format": "uuid", "description": f"The {name[:-3].replace('_', ' ')}."}
        schema = {"type": "string"} | (of_id if id else PATH_TEXTS.get(name, {}))
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": schema.pop("description", ""),
            "schema": schema,
            "example": uuid_of(name) if id else KNOWN.get(name, name),
        }


def _in_headers(one: Operation) -> Iterator[Schema]:
    names = [*one.asks]
    if one.command is not None:
        names += ["IfMatch"] if facts.conditional(one) else []
        names += ["IdempotencyKey"] if one.method == "POST" else []
        names += ["PreferRepresentation", "ConsistencyToken"]
    elif facts.reads(one):
        names += ["ConsistencyToken", "IfNoneMatch"]
        names += ["PreferWait"] if facts.waits(one) else []
    for name in names:
        yield {"$ref": f"#/components/parameters/{name}"}
