"""One declaration per operation: who may call it, what goes in, what comes out.

The gate, the validation, the OpenAPI document and the tests all read the same declaration.
A responder without one does not start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import falcon
import msgspec

from commands.kernel import NEW_ID, PASSWORD_HASH, Command, outside_fields
from domain.account import Role


class Scope(StrEnum):
    """How far a role may reach."""

    ALL = "all"
    OWN = "own"


Allow = Mapping[Role, Scope]
EVERYONE: Allow = dict.fromkeys(Role, Scope.ALL)


def any_of(*roles: Role) -> dict[Role, Scope]:
    return dict.fromkeys(roles, Scope.ALL)


def own(*roles: Role) -> dict[Role, Scope]:
    """Only what is theirs: the customer's, the mechanic's, the account's own."""
    return dict.fromkeys(roles, Scope.OWN)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """`allow` is `None` for what needs no token. `params` are query parameters.

    `budget` is what it counts against ("" where asking costs nothing). The gate counts before
    anything is read; where it is `late` the responder does, together with its look in the cache
    or with what the body says (see `Passage`).
    What is `fresh` is shown from the events or records themselves: it waits for no view.
    `body` and `path_params` of a write are derived from its command and its route when the
    operation is bound to a path. `media_types` are those it answers in besides `media_type`.
    What does not show the views (`of_views`) says itself which headers it `asks` for and
    `tells`. `refusals` are types of problem that nothing else here implies.
    """

    summary: str
    description: str = ""
    allow: Allow | None
    command: type[Command] | None = None
    kind: str = ""
    body: type[msgspec.Struct] | None = None
    params: type[msgspec.Struct] | None = None
    returns: Any = None
    statuses: tuple[int, ...] = ()
    fresh: bool = False
    creates: bool = False
    of_actor: str = ""
    method: str = ""
    path: str = ""
    path_params: tuple[str, ...] = ()
    media_type: str = falcon.MEDIA_JSON
    budget: str = ""
    late: bool = False
    media_types: tuple[str, ...] = ()
    of_views: bool = True
    asks: tuple[str, ...] = ()
    tells: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()


_OF_METHOD = "of its method"
Responder = TypeVar("Responder", bound=Callable[..., None])


def operation(
    allow: Allow | None,
    *,
    body: type[msgspec.Struct] | None = None,
    params: type[msgspec.Struct] | None = None,
    returns: Any = None,
    statuses: tuple[int, ...] = (),
    fresh: bool = False,
    media_type: str = falcon.MEDIA_JSON,
    budget: str | None = None,
    late: bool = False,
    media_types: tuple[str, ...] = (),
    of_views: bool = True,
    asks: tuple[str, ...] = (),
    tells: tuple[str, ...] = (),
    refusals: tuple[str, ...] = (),
) -> Callable[[Responder], Responder]:
    """Declare a responder; its docstring becomes summary and description. Its `budget` is what
    its method says, if it names none."""

    def mark(responder: Responder) -> Responder:
        summary, description = _told(responder.__doc__)
        responder.operation = Operation(  # type: ignore[attr-defined]
            summary=summary,
            description=description,
            allow=allow,
            body=body,
            params=params,
            returns=returns,
            statuses=statuses,
            fresh=fresh,
            media_type=media_type,
            budget=_OF_METHOD if budget is None else budget,
            late=late,
            media_types=media_types,
            of_views=of_views,
            asks=asks,
            tells=tells,
            refusals=refusals,
        )
        return responder

    return mark


def write(command: type[Command], allow: Allow, *, of_actor: str = "") -> Callable[..., None]:
    """A responder that carries out a command; its docstring is the command's.

    `of_actor` names a field that is the caller's own account.
    """

    def responder(self: Any, req: falcon.Request, resp: falcon.Response, command: Command) -> None:
        self.execute(req, resp, command)

    summary, description = _told(command.__doc__)
    target = command.__struct_fields__[0]
    responder.operation = Operation(  # type: ignore[attr-defined]
        summary=summary,
        description=description,
        allow=allow,
        command=command,
        kind=target.removesuffix("_id"),
        returns=WriteAnswer,
        statuses=(404, 409, 412),
        creates=NEW_ID in outside_fields(command).values(),
        of_actor=of_actor,
        budget=_OF_METHOD,
    )
    return responder


class WriteAnswer(msgspec.Struct):
    """What a write made: the resource, its version, and a token for reading it back."""

    id: UUID
    version: int
    token: str


def bound(declared: Operation, method: str, path: str) -> Operation:
    """The operation at its place: what of the command comes from the path, what from outside,
    and what is left for the client to send - in the body, or in the query of a DELETE."""
    in_path = tuple(
        part[1:-1] for part in path.split("/") if part.startswith("{") and part.endswith("}")
    )
    declared = replace(declared, method=method, path=path, path_params=in_path)
    if declared.budget == _OF_METHOD:
        declared = replace(declared, budget="reads" if method == "GET" else "writes")
    if declared.command is None:
        return declared
    rest = _sent_by_clients(declared.command, (*in_path, declared.of_actor))
    if method == "DELETE":
        return replace(declared, params=rest)
    return replace(declared, body=rest)


@cache
def _sent_by_clients(command: type[Command], known: tuple[str, ...]) -> type[msgspec.Struct] | None:
    outside = {name for name, what in outside_fields(command).items() if what != PASSWORD_HASH}
    fields = [
        _field(info)
        for info in msgspec.structs.fields(command)
        if info.name not in outside and info.name not in known
    ]
    if not fields:
        return None
    return msgspec.defstruct(
        command.__name__,
        fields,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
        module=command.__module__,
    )


def _field(info: msgspec.structs.FieldInfo) -> Any:
    """A field as `defstruct` takes it."""
    if info.default is not msgspec.NODEFAULT:
        return info.name, info.type, info.default
    if info.default_factory is not msgspec.NODEFAULT:
        return info.name, info.type, msgspec.field(default_factory=info.default_factory)
    return info.name, info.type


def _told(docstring: str | None) -> tuple[str, str]:
    """The first sentence or line, and the rest."""
    summary, _, rest = " ".join((docstring or "").split()).partition(". ")
    return summary.rstrip("."), rest
