"""The HTTP face on one page: every path, and what each thing that goes wrong is called."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import falcon
from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError

from api import (
    accounts,
    audit,
    consumers,
    customers,
    docs,
    events,
    evidence,
    exports,
    health,
    inventory,
    mechanics,
    problems,
    reports,
    ticket_lines,
    ticket_status,
    tickets,
    vehicles,
)
from api.exports import RangeNotSatisfiable
from api.gate import Forbidden, Gate, NoSuchThing, TooLarge, WrongMediaType
from api.headers import EXPOSED, AnswerHeaders
from api.log import LogCheckpoint, LogConsistency, LogInclusion, LogPublicKeys, LogTile
from api.observing import Observer
from api.operation import Operation, bound
from api.pressure import Overloaded, Pressure
from api.reports import NotAcceptable
from api.resource import Resource
from api.validation import FieldError, InvalidFields, Unreadable
from commands.execution import Conflict
from commands.kernel import NotFound, VersionMismatch
from commands.store import KeyReused
from domain.kernel import Refused, Taken
from infrastructure.access_tokens import InvalidAccess
from infrastructure.accesses import NotRecorded
from infrastructure.consumers import CursorMoved, TooManyConsumers
from infrastructure.database import CommitLost
from infrastructure.event_store.faults import is_cut, is_full
from infrastructure.event_store.store import CommitUnknown
from infrastructure.exports import TooManyExports
from infrastructure.feed_cursors import FeedFork
from infrastructure.rate_limits import TooManyRequests
from infrastructure.runtime import Runtime
from infrastructure.tailing import TooManyWait
from projections.history import CannotBeShown
from projections.queries import ProjectionBehind

log = logging.getLogger(__name__)

ROUTES: dict[str, type[Resource]] = {
    "/v1/auth/login": accounts.Login,
    "/v1/auth/refresh": accounts.Refresh,
    "/v1/auth/logout": accounts.Logout,
    "/v1/me": accounts.Me,
    "/v1/accounts": accounts.Accounts,
    "/v1/accounts/{account_id}": accounts.Account,
    "/v1/accounts/{account_id}/history": accounts.AccountHistory,
    "/v1/accounts/{account_id}/diff": accounts.AccountDiff,
    "/v1/accounts/{account_id}/reactivate": accounts.AccountReactivate,
    "/v1/customers": customers.Customers,
    "/v1/customers/{customer_id}": customers.Customer,
    "/v1/customers/{customer_id}/history": customers.CustomerHistory,
    "/v1/customers/{customer_id}/diff": customers.CustomerDiff,
    "/v1/customers/{customer_id}/restore": customers.CustomerRestore,
    "/v1/customers/{customer_id}/erase": customers.CustomerErase,
    "/v1/customers/{customer_id}/vehicles": vehicles.CustomerVehicles,
    "/v1/customers/{customer_id}/tickets": tickets.CustomerTickets,
    "/v1/vehicles": vehicles.Vehicles,
    "/v1/vehicles/{vehicle_id}": vehicles.Vehicle,
    "/v1/vehicles/{vehicle_id}/history": vehicles.VehicleHistory,
    "/v1/vehicles/{vehicle_id}/diff": vehicles.VehicleDiff,
    "/v1/vehicles/{vehicle_id}/transfer": vehicles.VehicleTransfer,
    "/v1/vehicles/{vehicle_id}/odometer": vehicles.VehicleOdometer,
    "/v1/vehicles/{vehicle_id}/restore": vehicles.VehicleRestore,
    "/v1/mechanics": mechanics.Mechanics,
    "/v1/mechanics/leaderboard": mechanics.MechanicLeaderboard,
    "/v1/mechanics/{mechanic_id}": mechanics.Mechanic,
    "/v1/mechanics/{mechanic_id}/history": mechanics.MechanicHistory,
    "/v1/mechanics/{mechanic_id}/diff": mechanics.MechanicDiff,
    "/v1/mechanics/{mechanic_id}/rehire": mechanics.MechanicRehire,
    "/v1/inventory": inventory.Inventory,
    "/v1/inventory/{inventory_id}": inventory.Item,
    "/v1/inventory/{inventory_id}/history": inventory.ItemHistory,
    "/v1/inventory/{inventory_id}/diff": inventory.ItemDiff,
    "/v1/inventory/{inventory_id}/receipts": inventory.ItemReceipts,
    "/v1/inventory/{inventory_id}/adjustments": inventory.ItemAdjustments,
    "/v1/inventory/{inventory_id}/movements": inventory.ItemMovements,
    "/v1/inventory/{inventory_id}/reinstate": inventory.ItemReinstate,
    "/v1/stock-levels": inventory.StockLevels,
    "/v1/tickets": tickets.Tickets,
    "/v1/tickets/{ticket_id}": tickets.Ticket,
    "/v1/tickets/{ticket_id}/history": tickets.TicketHistory,
    "/v1/tickets/{ticket_id}/diff": tickets.TicketDiff,
    "/v1/tickets/{ticket_id}/evidence": evidence.TicketEvidence,
    "/v1/tickets/{ticket_id}/mechanics": tickets.TicketMechanics,
    "/v1/tickets/{ticket_id}/mechanics/{mechanic_id}": tickets.TicketMechanic,
    "/v1/tickets/{ticket_id}/parts": ticket_lines.TicketParts,
    "/v1/tickets/{ticket_id}/parts/{line_id}": ticket_lines.TicketPart,
    "/v1/tickets/{ticket_id}/labor": ticket_lines.TicketLabor,
    "/v1/tickets/{ticket_id}/labor/{line_id}": ticket_lines.TicketLaborLine,
    "/v1/tickets/{ticket_id}/start": ticket_status.TicketStart,
    "/v1/tickets/{ticket_id}/hold": ticket_status.TicketHold,
    "/v1/tickets/{ticket_id}/resume": ticket_status.TicketResume,
    "/v1/tickets/{ticket_id}/complete": ticket_status.TicketComplete,
    "/v1/tickets/{ticket_id}/close": ticket_status.TicketClose,
    "/v1/tickets/{ticket_id}/reopen": ticket_status.TicketReopen,
    "/v1/assignments": tickets.Assignments,
    "/v1/audit/search": audit.Events,
    "/v1/audit/accesses": audit.Accesses,
    "/v1/exports": exports.Exports,
    "/v1/exports/{export_id}": exports.OneExport,
    "/v1/exports/{export_id}/file": exports.ExportFile,
    "/v1/reports/daily": reports.Daily,
    "/v1/reports/stock-valuation": reports.StockValuation,
    "/v1/reports/mechanics": reports.Mechanics,
    "/v1/log/checkpoint": LogCheckpoint,
    "/v1/log/keys": LogPublicKeys,
    "/v1/log/proof/inclusion": LogInclusion,
    "/v1/log/proof/consistency": LogConsistency,
    "/v1/log/tile/{level}/{tile_path}": LogTile,
    "/v1/events": events.Events,
    "/v1/consumers": consumers.Consumers,
    "/v1/consumers/{consumer}": consumers.Consumer,
    "/v1/consumers/{consumer}/events": consumers.ConsumerEvents,
    "/v1/consumers/{consumer}/cursor": consumers.ConsumerCursor,
    "/livez": health.Live,
    "/readyz": health.Ready,
    "/metrics": health.Numbers,
    "/openapi.json": docs.OpenApi,
    "/docs": docs.Docs,
    "/docs/static/{name}": docs.Static,
    "/docs/problems": docs.ProblemIndex,
    "/docs/problems/{slug}": docs.ProblemPage,
}

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

PROBLEM: dict[type[Exception], str] = {
    Unreadable: "unreadable",
    InvalidAccess: "unauthorized",
    Forbidden: "forbidden",
    TooManyRequests: "too-many-requests",
    NoSuchThing: "not-found",
    NotFound: "not-found",
    NotAcceptable: "not-acceptable",
    Taken: "taken",
    VersionMismatch: "version-mismatch",
    Refused: "refused",
    Conflict: "conflict",
    TooLarge: "too-large",
    WrongMediaType: "unsupported-media-type",
    InvalidFields: "invalid-fields",
    KeyReused: "key-reused",
    FeedFork: "feed-fork",
    CursorMoved: "cursor-moved",
    TooManyConsumers: "refused",
    TooManyExports: "refused",
    RangeNotSatisfiable: "range-not-satisfiable",
    TooManyWait: "too-many-streams",
    ProjectionBehind: "projection-behind",
    CannotBeShown: "projection-behind",
    OperationalError: "unavailable",
    InterfaceError: "unavailable",
    TimeoutError: "unavailable",
    NotRecorded: "unavailable",
    CommitUnknown: "unavailable",
    CommitLost: "unavailable",
    Overloaded: "overloaded",
    Exception: "internal",
}
"""What goes wrong inside, and what it is called outside (see api/problems.py)."""

OWN_WORDS = ("internal", "unavailable", "too-slow", "disk-full")
"""Problems whose detail never quotes the error: it may say too much."""


class App(falcon.App[Any, Any]):
    """What Falcon calls a request for itself is a method like any that there is not. It would
    refuse it before any middleware has seen it, and that is no answer of ours."""

    _META_METHODS = frozenset[str]()


def create_app(runtime: Runtime) -> falcon.App[Any, Any]:
    """The application. Raises `TypeError` for a responder that does not say who may call it."""
    app = App(middleware=_middleware(runtime))
    app.req_options.auto_parse_qs_csv = False
    app.req_options.keep_blank_qs_values = True
    for path, kind in ROUTES.items():
        resource = kind(runtime)
        resource.operations = {one.method: one for one in operations_of(path, kind)}
        if (get := resource.operations.get("GET")) is not None:
            # Falcon leaves the body away.
            resource.operations["HEAD"] = get
            readable: Any = resource
            readable.on_head = readable.on_get
        # What is called a path goes on over slashes.
        app.add_route(path.replace("_path}", "_path:path}"), resource)
    for error in PROBLEM:
        app.add_error_handler(error, _translate)
    app.add_error_handler(falcon.HTTPError, _translate_falcon)
    return app


def _middleware(runtime: Runtime) -> list[Any]:
    """The first is the outermost."""
    settings = runtime.settings
    outer: list[Any] = [Observer(runtime.metrics), AnswerHeaders(settings)]
    if settings.cors_origins:
        outer.append(falcon.CORSMiddleware(settings.cors_origins, EXPOSED))
    return [*outer, Gate(runtime), Pressure()]


def operations() -> list[Operation]:
    """Every operation there is, in the order of ROUTES."""
    return [one for path, kind in ROUTES.items() for one in operations_of(path, kind)]


def operations_of(path: str, kind: type[Resource]) -> Iterator[Operation]:
    for method in METHODS:
        responder: Callable[..., None] | None = getattr(kind, f"on_{method.lower()}", None)
        if responder is not None:
            declared: Operation | None = getattr(responder, "operation", None)
            if declared is None:
                raise TypeError(f"{kind.__name__} does not say who may {method} {path}")
            yield bound(declared, method, path)


def _translate(req: falcon.Request, resp: falcon.Response, error: Exception, _: Any) -> None:
    slug = next(PROBLEM[kind] for kind in type(error).__mro__ if kind in PROBLEM)
    if isinstance(error, OperationalError):
        slug = "too-slow" if is_cut(error) else "disk-full" if is_full(error) else slug
    detail = str(error) or problems.KINDS[slug].meaning
    errors: list[FieldError] = getattr(error, "errors", [])
    headers = {}
    if slug in OWN_WORDS or isinstance(error, CannotBeShown):
        log.error("%s %s: %s", req.method, req.path, type(error).__name__, exc_info=error)
    if slug in OWN_WORDS:
        detail = problems.KINDS[slug].meaning
    if slug == "unauthorized":
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.seconds)
    if isinstance(error, RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.size}"
    if isinstance(error, Taken):
        errors = [FieldError(f"/{error.field}", str(error))]
    if isinstance(error, NotFound) and (field := _field_naming(error, req.context.operation)):
        # What the body names does not exist: the path is right, a field is not.
        slug, errors = "invalid-fields", [FieldError(f"/{field}", str(error))]
    problems.answer(
        req,
        resp,
        slug,
        detail,
        errors=errors,
        current_version=getattr(error, "current", None),
        blocking=getattr(error, "blocking", None),
        headers=headers,
    )


def _field_naming(error: NotFound, operation: Operation) -> str | None:
    """The field of the body that names the missing thing; `None` where the path does."""
    field = f"{error.noun.partition(' ')[0]}_id"
    in_body = operation.body is not None and field in operation.body.__struct_fields__
    return field if in_body else None


def _translate_falcon(
    req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, _: Any
) -> None:
    """What Falcon refuses by itself: no such path, no such method, a broken request."""
    slug = problems.OF_STATUS.get(error.status_code, "internal")
    detail = error.description or problems.KINDS[slug].meaning
    problems.answer(req, resp, slug, detail, headers=dict(error.headers or {}))
