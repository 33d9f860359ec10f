"""Who may do what: the matrix, held against every declaration and against real answers."""

from __future__ import annotations

from uuid import uuid4

import falcon
import pytest

from api import app
from api.app import create_app, operations
from api.operation import Operation
from api.resource import Resource
from domain.account import Role
from infrastructure.runtime import Runtime
from tests.api.answers import is_problem, nothing_happens
from tests.shop import Shop, done

MATRIX = """
                    admin  mechanic  customer  auditor  reporter
me                  all    all       all       all      all
accounts.read       all    all       -         all      -
accounts.write      all    -         -         -        -
customers.read      all    all       own       all      -
customers.change    all    all       -         -        -
customers.archive   all    -         -         -        -
customers.erase     all    -         -         -        -
vehicles.read       all    all       own       all      -
vehicles.change     all    all       -         -        -
vehicles.archive    all    -         -         -        -
mechanics.read      all    all       -         all      all
mechanics.change    all    own       -         -        -
mechanics.hire      all    -         -         -        -
tickets.read        all    all       own       all      all
tickets.work        all    all       -         -        -
tickets.undo        all    -         -         -        -
tickets.history     all    all       -         all      -
history             all    -         -         all      -
audit               all    -         -         all      -
assignments.read    all    all       -         all      all
inventory.read      all    all       -         all      all
inventory.write     all    -         -         -        -
leaderboard         all    all       -         all      all
log                 all    -         -         all      -
feed                all    -         -         all      all
"""

ROWS = """
me                  GET /v1/me, PATCH /v1/me
accounts.read       GET /v1/accounts, GET /v1/accounts/{account_id}
accounts.write      POST /v1/accounts, PATCH /v1/accounts/{account_id}
accounts.write      DELETE /v1/accounts/{account_id}
accounts.write      POST /v1/accounts/{account_id}/reactivate
customers.read      GET /v1/customers, GET /v1/customers/{customer_id}
customers.change    POST /v1/customers, PATCH /v1/customers/{customer_id}
customers.archive   DELETE /v1/customers/{customer_id}
customers.archive   POST /v1/customers/{customer_id}/restore
customers.erase     POST /v1/customers/{customer_id}/erase
vehicles.read       GET /v1/customers/{customer_id}/vehicles
vehicles.read       GET /v1/vehicles, GET /v1/vehicles/{vehicle_id}
vehicles.change     POST /v1/vehicles, PATCH /v1/vehicles/{vehicle_id}
vehicles.change     POST /v1/vehicles/{vehicle_id}/transfer
vehicles.change     POST /v1/vehicles/{vehicle_id}/odometer
vehicles.archive    DELETE /v1/vehicles/{vehicle_id}
vehicles.archive    POST /v1/vehicles/{vehicle_id}/restore
mechanics.read      GET /v1/mechanics, GET /v1/mechanics/{mechanic_id}
mechanics.change    PATCH /v1/mechanics/{mechanic_id}
mechanics.hire      POST /v1/mechanics, DELETE /v1/mechanics/{mechanic_id}
mechanics.hire      POST /v1/mechanics/{mechanic_id}/rehire
leaderboard         GET /v1/mechanics/leaderboard
tickets.read        GET /v1/customers/{customer_id}/tickets
tickets.read        GET /v1/tickets, GET /v1/tickets/{ticket_id}
tickets.read        GET /v1/tickets/{ticket_id}/mechanics
tickets.read        GET /v1/tickets/{ticket_id}/parts
tickets.read        GET /v1/tickets/{ticket_id}/parts/{line_id}
tickets.read        GET /v1/tickets/{ticket_id}/labor
tickets.read        GET /v1/tickets/{ticket_id}/labor/{line_id}
tickets.history     GET /v1/tickets/{ticket_id}/history, GET /v1/tickets/{ticket_id}/diff
history             GET /v1/accounts/{account_id}/history, GET /v1/accounts/{account_id}/diff
history             GET /v1/customers/{customer_id}/history
history             GET /v1/customers/{customer_id}/diff
history             GET /v1/vehicles/{vehicle_id}/history, GET /v1/vehicles/{vehicle_id}/diff
history             GET /v1/mechanics/{mechanic_id}/history
history             GET /v1/mechanics/{mechanic_id}/diff
history             GET /v1/inventory/{inventory_id}/history
history             GET /v1/inventory/{inventory_id}/diff
audit               GET /v1/audit/search, GET /v1/audit/accesses
tickets.work        POST /v1/tickets, PATCH /v1/tickets/{ticket_id}
tickets.work        PUT /v1/tickets/{ticket_id}/mechanics/{mechanic_id}
tickets.work        DELETE /v1/tickets/{ticket_id}/mechanics/{mechanic_id}
tickets.work        POST /v1/tickets/{ticket_id}/parts
tickets.work        DELETE /v1/tickets/{ticket_id}/parts/{line_id}
tickets.work        POST /v1/tickets/{ticket_id}/labor
tickets.work        DELETE /v1/tickets/{ticket_id}/labor/{line_id}
tickets.work        POST /v1/tickets/{ticket_id}/start, POST /v1/tickets/{ticket_id}/hold
tickets.work        POST /v1/tickets/{ticket_id}/resume, POST /v1/tickets/{ticket_id}/complete
tickets.work        POST /v1/tickets/{ticket_id}/close
tickets.undo        POST /v1/tickets/{ticket_id}/reopen, DELETE /v1/tickets/{ticket_id}
assignments.read    GET /v1/assignments
inventory.read      GET /v1/inventory, GET /v1/inventory/{inventory_id}
inventory.read      GET /v1/inventory/{inventory_id}/movements, GET /v1/stock-levels
inventory.write     POST /v1/inventory, PATCH /v1/inventory/{inventory_id}
inventory.write     DELETE /v1/inventory/{inventory_id}
inventory.write     POST /v1/inventory/{inventory_id}/receipts
inventory.write     POST /v1/inventory/{inventory_id}/adjustments
inventory.write     POST /v1/inventory/{inventory_id}/reinstate
log                 GET /v1/tickets/{ticket_id}/evidence
log                 GET /v1/log/checkpoint, GET /v1/log/keys
log                 GET /v1/log/proof/inclusion, GET /v1/log/proof/consistency
log                 GET /v1/log/tile/{level}/{tile_path}
feed                GET /v1/events, GET /v1/consumers, GET /v1/consumers/{consumer}
feed                PUT /v1/consumers/{consumer}, DELETE /v1/consumers/{consumer}
feed                GET /v1/consumers/{consumer}/events, PUT /v1/consumers/{consumer}/cursor
"""


def _matrix() -> dict[str, dict[Role, str]]:
    head, *lines = MATRIX.strip().splitlines()
    roles = [Role(name) for name in head.split()]
    rows = (line.split() for line in lines)
    return {name: dict(zip(roles, cells, strict=True)) for name, *cells in rows}


def _row_of() -> dict[str, str]:
    """What each operation is a case of."""
    pairs = (line.split(maxsplit=1) for line in ROWS.strip().splitlines())
    return {told.strip(): row for row, several in pairs for told in several.split(",")}


def _name(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def test_the_matrix_is_whole() -> None:
    guarded = {_name(operation) for operation in operations() if operation.allow is not None}

    assert guarded == set(_row_of())
    assert set(_row_of().values()) == set(_matrix())
    assert all(set(cells) == set(Role) for cells in _matrix().values())


@pytest.mark.parametrize("role", list(Role))
def test_every_declaration_is_a_cell_of_the_matrix(role: Role) -> None:
    declared = {
        _name(operation): str((operation.allow or {}).get(role, "-"))
        for operation in operations()
        if operation.allow is not None
    }

    assert declared == {name: _matrix()[row][role] for name, row in _row_of().items()}


@pytest.mark.parametrize("role", list(Role))
def test_every_cell_of_the_matrix_is_what_is_answered(
    shop: Shop, role: Role, subtests: pytest.Subtests
) -> None:
    """Asked about things that do not exist, so that what is allowed leads to 404 or 422."""
    somebody = shop.as_(role)

    with nothing_happens(shop):
        for operation in operations():
            if operation.allow is None:
                continue
            path = operation.path
            for name in operation.path_params:
                path = path.replace(f"{{{name}}}", str(uuid4()))
            cell = _matrix()[_row_of()[_name(operation)]][role]
            with subtests.test(f"{role} {_name(operation)}"):
                answer = somebody.request(operation.method, path)
                if cell == "-" or (cell == "own" and operation.method == "PATCH"):
                    is_problem(answer, 403, "forbidden")
                else:
                    assert answer.status_code in (200, 201, 404, 422), answer.text


def test_mechanics_change_their_own_record(shop: Shop) -> None:
    mechanic, colleague = shop.mechanic(), shop.mechanic()
    client = shop.as_("mechanic", mechanic_id=mechanic)

    done(client.patch(f"/v1/mechanics/{mechanic}", json={"phone": "555 0100"}))

    answer = client.patch(f"/v1/mechanics/{colleague}", json={"phone": "555 0100"})
    is_problem(answer, 403, "forbidden")
    answer = shop.as_("mechanic").patch(f"/v1/mechanics/{mechanic}", json={"phone": "555 0199"})
    is_problem(answer, 403, "forbidden")


PAST = {"tickets": {"admin", "mechanic", "auditor"}, "customers": {"admin", "auditor"}}
PAST |= dict.fromkeys(("vehicles", "mechanics", "inventory", "accounts"), PAST["customers"])


def test_the_past_is_read_by_some(shop: Shop, subtests: pytest.Subtests) -> None:
    ids = {"tickets": shop.ticket(), "customers": shop.customer(), "vehicles": shop.vehicle()}
    ids |= {"mechanics": shop.mechanic(), "inventory": shop.item(), "accounts": shop.admin_id}

    for collection, id in ids.items():
        for role in Role:
            for query in ("version=1", "as_of=9999-01-01T00:00:00Z"):
                with subtests.test(f"{role} {collection}?{query}"):
                    answer = shop.as_(role).get(f"/v1/{collection}/{id}?{query}")
                    assert answer.status_code == (200 if role in PAST[collection] else 403)


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
