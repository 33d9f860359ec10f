"""Who may do what: the matrix, held against every declaration and against real answers."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import falcon
import pytest

from api import app
from api.app import create_app, operations
from api.history import At
from api.operation import Operation
from api.resource import Resource
from domain.account import Role
from infrastructure.runtime import Runtime
from tests.api.answers import is_problem, nothing_happens
from tests.shop import Shop, done

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
TICKETS_PAST = "tickets: history, differences, as they were"
OTHER_PAST = "everything else: history, differences, as it was"

ROWS = {
    "own account: read, change e-mail and password": """
        GET /v1/me
        PATCH /v1/me
    """,
    "accounts: read": """
        GET /v1/accounts
        GET /v1/accounts/{account_id}
    """,
    "accounts: register, change, deactivate, reactivate": """
        POST /v1/accounts
        PATCH /v1/accounts/{account_id}
        DELETE /v1/accounts/{account_id}
        POST /v1/accounts/{account_id}/reactivate
    """,
    "customers and vehicles: read": """
        GET /v1/customers
        GET /v1/customers/{customer_id}
        GET /v1/customers/{customer_id}/vehicles
        GET /v1/vehicles
        GET /v1/vehicles/{vehicle_id}
    """,
    "customers and vehicles: create, change, transfer, odometer": """
        POST /v1/customers
        PATCH /v1/customers/{customer_id}
        POST /v1/vehicles
        PATCH /v1/vehicles/{vehicle_id}
        POST /v1/vehicles/{vehicle_id}/transfer
        POST /v1/vehicles/{vehicle_id}/odometer
    """,
    "customers and vehicles: archive, restore": """
        DELETE /v1/customers/{customer_id}
        POST /v1/customers/{customer_id}/restore
        DELETE /v1/vehicles/{vehicle_id}
        POST /v1/vehicles/{vehicle_id}/restore
    """,
    "customers: erase a person": """
        POST /v1/customers/{customer_id}/erase
    """,
    "mechanics and assignments: read": """
        GET /v1/mechanics
        GET /v1/mechanics/{mechanic_id}
        GET /v1/assignments
    """,
    "mechanics: change": """
        PATCH /v1/mechanics/{mechanic_id}
    """,
    "mechanics: hire, part with, rehire": """
        POST /v1/mechanics
        DELETE /v1/mechanics/{mechanic_id}
        POST /v1/mechanics/{mechanic_id}/rehire
    """,
    "tickets: read": """
        GET /v1/customers/{customer_id}/tickets
        GET /v1/tickets
        GET /v1/tickets/{ticket_id}
        GET /v1/tickets/{ticket_id}/mechanics
        GET /v1/tickets/{ticket_id}/parts
        GET /v1/tickets/{ticket_id}/parts/{line_id}
        GET /v1/tickets/{ticket_id}/labor
        GET /v1/tickets/{ticket_id}/labor/{line_id}
    """,
    "tickets: open, change, lines, assign, start, hold, resume, complete, close": """
        POST /v1/tickets
        PATCH /v1/tickets/{ticket_id}
        PUT /v1/tickets/{ticket_id}/mechanics/{mechanic_id}
        DELETE /v1/tickets/{ticket_id}/mechanics/{mechanic_id}
        POST /v1/tickets/{ticket_id}/parts
        DELETE /v1/tickets/{ticket_id}/parts/{line_id}
        POST /v1/tickets/{ticket_id}/labor
        DELETE /v1/tickets/{ticket_id}/labor/{line_id}
        POST /v1/tickets/{ticket_id}/start
        POST /v1/tickets/{ticket_id}/hold
        POST /v1/tickets/{ticket_id}/resume
        POST /v1/tickets/{ticket_id}/complete
        POST /v1/tickets/{ticket_id}/close
    """,
    "tickets: reopen, void": """
        POST /v1/tickets/{ticket_id}/reopen
        DELETE /v1/tickets/{ticket_id}
    """,
    TICKETS_PAST: """
        GET /v1/tickets/{ticket_id}/history
        GET /v1/tickets/{ticket_id}/diff
    """,
    OTHER_PAST: """
        GET /v1/accounts/{account_id}/history
        GET /v1/accounts/{account_id}/diff
        GET /v1/customers/{customer_id}/history
        GET /v1/customers/{customer_id}/diff
        GET /v1/vehicles/{vehicle_id}/history
        GET /v1/vehicles/{vehicle_id}/diff
        GET /v1/mechanics/{mechanic_id}/history
        GET /v1/mechanics/{mechanic_id}/diff
        GET /v1/inventory/{inventory_id}/history
        GET /v1/inventory/{inventory_id}/diff
    """,
    "audit: search, who read whose history": """
        GET /v1/audit/search
        GET /v1/audit/accesses
    """,
    "transparency log: checkpoint, keys, proofs, tiles, evidence": """
        GET /v1/tickets/{ticket_id}/evidence
        GET /v1/log/checkpoint
        GET /v1/log/keys
        GET /v1/log/proof/inclusion
        GET /v1/log/proof/consistency
        GET /v1/log/tile/{level}/{tile_path}
    """,
    "event feed and consumers (reporters: no customers, accounts, claims)": """
        GET /v1/events
        GET /v1/consumers
        GET /v1/consumers/{consumer}
        PUT /v1/consumers/{consumer}
        DELETE /v1/consumers/{consumer}
        GET /v1/consumers/{consumer}/events
        PUT /v1/consumers/{consumer}/cursor
    """,
    "inventory and stock levels: read": """
        GET /v1/inventory
        GET /v1/inventory/{inventory_id}
        GET /v1/inventory/{inventory_id}/movements
        GET /v1/stock-levels
    """,
    "inventory: add, change, price, receive, adjust, discontinue, reinstate": """
        POST /v1/inventory
        PATCH /v1/inventory/{inventory_id}
        DELETE /v1/inventory/{inventory_id}
        POST /v1/inventory/{inventory_id}/receipts
        POST /v1/inventory/{inventory_id}/adjustments
        POST /v1/inventory/{inventory_id}/reinstate
    """,
    "leaderboard and reports: read": """
        GET /v1/mechanics/leaderboard
        GET /v1/reports/daily
        GET /v1/reports/stock-valuation
        GET /v1/reports/mechanics
    """,
    "exports": """
        GET /v1/exports
        POST /v1/exports
        GET /v1/exports/{export_id}
        DELETE /v1/exports/{export_id}
        GET /v1/exports/{export_id}/file
    """,
}
"""The row of each operation."""


def _matrix() -> dict[str, dict[Role, str]]:
    """The table of the page: the cell of every role by row."""
    (table,) = re.findall(r"^## Roles\n.*?((?:^\|[^\n]*\n)+)", PAGE.read_text(), re.M | re.S)
    head, _, *lines = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in table.split("\n")[:-1]
    ]
    roles = [Role(name) for name in head[1:]]
    return {name: dict(zip(roles, cells, strict=True)) for name, *cells in lines}


def _cells() -> dict[str, dict[Role, str]]:
    """The row of the table by operation."""
    matrix = _matrix()
    return {
        told.strip(): matrix[row]
        for row, several in ROWS.items()
        for told in several.split("\n")
        if told.strip()
    }


def _name(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def _path(operation: Operation) -> str:
    """One of things that do not exist."""
    return re.sub(r"{\w+}", lambda _: str(uuid4()), operation.path)


GUARDED = [one for one in operations() if one.allow is not None]


def test_every_operation_has_its_row_and_every_row_its_operations() -> None:
    named = " ".join(ROWS.values()).split()
    told = sorted(f"{method} {path}" for method, path in zip(named[::2], named[1::2], strict=True))

    assert told == sorted(map(_name, GUARDED))
    assert list(ROWS) == list(_matrix())
    assert all(set(cells) == set(Role) for cells in _matrix().values())
    assert {cell for cells in _matrix().values() for cell in cells.values()} == {"all", "own", "-"}


@pytest.mark.parametrize("role", list(Role))
def test_every_declaration_is_a_cell_of_the_matrix(role: Role) -> None:
    declared = {_name(one): str((one.allow or {}).get(role, "-")) for one in GUARDED}

    assert declared == {name: cells[role] for name, cells in _cells().items()}


@pytest.mark.parametrize("role", list(Role))
def test_every_cell_of_the_matrix_is_what_is_answered(
    shop: Shop, role: Role, subtests: pytest.Subtests
) -> None:
    """Asked about things that do not exist, so that what is allowed leads to 404 or 422."""
    somebody, cells = shop.as_(role), _cells()

    with nothing_happens(shop):
        for operation in GUARDED:
            path, cell = _path(operation), cells[_name(operation)][role]
            with subtests.test(f"{role} {_name(operation)}"):
                answer = somebody.request(operation.method, path)
                if cell == "-" or (cell == "own" and operation.method == "PATCH"):
                    is_problem(answer, 403, "forbidden")
                else:  # A consumer is made by naming it.
                    assert answer.status_code in (200, 201, 404, 422), answer.text
                if operation.method == "GET":
                    head = somebody.request("HEAD", path)
                    assert (head.status_code, head.content) == (answer.status_code, b"")


def test_mechanics_change_their_own_record(shop: Shop) -> None:
    mechanic, colleague = shop.mechanic(), shop.mechanic()
    client = shop.as_("mechanic", mechanic_id=mechanic)

    done(client.patch(f"/v1/mechanics/{mechanic}", json={"phone": "555 0100"}))

    answer = client.patch(f"/v1/mechanics/{colleague}", json={"phone": "555 0100"})
    is_problem(answer, 403, "forbidden")
    answer = shop.as_("mechanic").patch(f"/v1/mechanics/{mechanic}", json={"phone": "555 0199"})
    is_problem(answer, 403, "forbidden")


def test_the_past_is_read_by_some(shop: Shop, subtests: pytest.Subtests) -> None:
    ticket = shop.ticket()
    ids = {"ticket_id": ticket, "customer_id": shop.customer(), "vehicle_id": shop.vehicle()}
    ids |= {"mechanic_id": shop.mechanic(), "inventory_id": shop.item()}
    ids |= {"account_id": shop.admin_id, "line_id": str(uuid4())}
    matrix = _matrix()
    with_past = [one for one in GUARDED if one.params and issubclass(one.params, At)]
    assert {name for one in with_past for name in one.path_params} == set(ids)

    for operation in with_past:
        row = matrix[TICKETS_PAST if "ticket_id" in operation.path_params else OTHER_PAST]
        shown = 404 if "line_id" in operation.path_params else 200
        for role in Role:
            for query in ("version=1", "as_of=9999-01-01T00:00:00Z"):
                path = f"{operation.path.format_map(ids)}?{query}"
                with subtests.test(f"{role} {path}"):
                    answer = shop.as_(role).get(path)
                    assert answer.status_code == (shown if row[role] == "all" else 403)


def test_reporters_see_no_persons_inside_tickets(shop: Shop) -> None:
    ticket = shop.ticket()
    reporter = shop.as_("reporter")

    assert reporter.get(f"/v1/tickets/{ticket}").status_code == 200
    is_problem(reporter.get(f"/v1/tickets/{ticket}?expand=customer"), 403, "forbidden")
    is_problem(reporter.get("/v1/tickets?expand=customer,vehicle"), 403, "forbidden")


def test_a_responder_that_does_not_say_who_may_call_it_does_not_start(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Planted(Resource):
        def on_delete(self, req: falcon.Request, resp: falcon.Response) -> None: ...

    monkeypatch.setitem(app.ROUTES, "/v1/planted", Planted)

    with pytest.raises(TypeError, match="Planted does not say who may DELETE /v1/planted"):
        create_app(runtime)
