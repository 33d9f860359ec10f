"""A client generated from the document (openapi-python-client) walks the tour of README.md."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.docs import openapi_json
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Api

PACKAGE = "generated_shop_client"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The generated package, importable. A part of the document that the generator cannot make
    something of is a failure."""
    directory = tmp_path_factory.mktemp("client")
    document, config = directory / "openapi.json", directory / "config.yml"
    document.write_bytes(openapi_json())
    config.write_text("post_hooks: []\n")
    command = [
        *(sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
        *("--path", str(document), "--config", str(config), "--meta", "none"),
        *("--output-path", str(directory / PACKAGE)),
    ]
    made = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(directory))
    yield PACKAGE
    sys.path.remove(str(directory))


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    settings = dict(ADMIN_EMAIL=ADMIN_EMAIL, ADMIN_PASSWORD=ADMIN_PASSWORD, DEMO="0")
    api = Api.start(tmp_path / "api", **settings)
    yield api
    api.stop()


class Walking:
    """Calls operations of the generated package by their names, with models made from fields."""

    def __init__(self, package: str, url: str) -> None:
        self._package, self._url = package, url
        self._client = import_module(package).Client(url)

    def model(self, name: str) -> Any:
        return getattr(import_module(f"{self._package}.models"), name)

    def log_in(self, email: str, password: str) -> None:
        session = self(
            200, "auth", "post_auth_login", "LoginRequest", email=email, password=password
        )
        made: Any = import_module(self._package).AuthenticatedClient
        self._client = made(self._url, session.access_token, raise_on_unexpected_status=True)

    def __call__(
        self, status: int, tag: str, name: str, body: str = "", /, *ids: UUID, **given: Any
    ) -> Any:
        """What is answered, read into its model. `given` are the fields of the body, if it has
        one, else parameters."""
        operation = import_module(f"{self._package}.api.{tag}.{name}")
        if body:
            model = self.model(body)
            token = given.pop("consistency_token", None)
            given = {"body": model(**given)} | ({"consistency_token": token} if token else {})
        answer = operation.sync_detailed(*ids, client=self._client, **given)
        assert answer.status_code == status, answer.content
        return answer.parsed


def test_a_generated_client_walks_the_tour(package: str, api: Api) -> None:
    ask = Walking(package, api.url)
    ask.log_in(ADMIN_EMAIL, ADMIN_PASSWORD)
    customer = ask(
        201,
        "customers",
        "post_customers",
        "RegisterCustomer",
        name="Customer One",
        email="one@mail.example",
    ).id
    vehicle = ask(
        201,
        "vehicles",
        "post_vehicles",
        "RegisterVehicle",
        customer_id=customer,
        vin="1M8GDM9AXKP042788",
        make="Honda",
        model="Accord",
        year=2021,
    ).id
    mechanic = ask(
        201,
        "mechanics",
        "post_mechanics",
        "HireMechanic",
        name="Mechanic One",
        email="mechanic@shop.example",
    ).id
    oil = ask(
        201,
        "inventory",
        "post_inventory",
        "AddItem",
        part_number="OIL-1",
        name="Oil, 1 l",
        unit_price_cents=900,
        reorder_point=8,
    ).id
    received = ask(200, "inventory", "post_inventory_receipts", "ReceiveStock", oil, quantity=10)
    assert received.version == 2

    ticket = ask(
        201,
        "tickets",
        "post_tickets",
        "OpenTicket",
        customer_id=customer,
        vehicle_id=vehicle,
        description="Oil change",
    ).id
    on_it = ask(200, "tickets", "put_tickets_mechanics_by_mechanic_id", "", ticket, mechanic)
    seen = dict(consistency_token=on_it.token)
    before = ask(200, "tickets", "get_tickets_by_ticket_id", "", ticket, **seen).updated_at
    ask(201, "tickets", "post_tickets_parts", "IssuePart", ticket, inventory_id=oil, quantity=2)
    too_many = ask(
        409, "tickets", "post_tickets_parts", "IssuePart", ticket, inventory_id=oil, quantity=11
    )
    assert too_many.type_ == "/docs/problems/refused"
    assert too_many.detail.endswith("wanted, 8 on hand")
    closed = ask(200, "tickets", "post_tickets_close", "CloseTicket", ticket, odometer_out=48_210)
    too_late = ask(
        409, "tickets", "post_tickets_parts", "IssuePart", ticket, inventory_id=oil, quantity=1
    )
    assert too_late.detail == "parts go on an open ticket; this one is closed"

    seen = dict(consistency_token=closed.token)
    shown = ask(200, "tickets", "get_tickets_by_ticket_id", "", ticket, **seen)
    assert (shown.status, shown.total_cents, shown.parts[0].quantity) == ("closed", 1800, 2)
    board = ask(
        200,
        "mechanics",
        "get_mechanics_leaderboard",
        "",
        by=ask.model("GetMechanicsLeaderboardBy").CLOSED,
        **seen,
    )
    assert [(ranked.mechanic_id, ranked.closed) for ranked in board.items] == [(mechanic, 1)]
    levels = ask(200, "stock_levels", "get_stock_levels", "", low=True, **seen)
    assert [(level.inventory_id, level.quantity_on_hand) for level in levels.items] == [(oil, 8)]
    listed = ask(200, "tickets", "get_tickets", "", expand="customer", **seen)
    assert [one.customer.name for one in listed.items] == ["Customer One"]
    history = ask(200, "tickets", "get_tickets_history", "", ticket)
    assert [entry.type_ for entry in history.items] == [
        "ticket.opened",
        "ticket.mechanic-assigned",
        "ticket.part-issued",
        "ticket.closed",
    ]
    was = ask(200, "tickets", "get_tickets_by_ticket_id", "", ticket, as_of=before)
    assert (was.status, was.parts, was.version) == ("open", [], 2)


def test_a_document_the_generator_cannot_read_whole_is_noticed(tmp_path: Path) -> None:
    broken = openapi_json().replace(b'"items":{"$ref":"#/components/schemas/FieldError"}', b'"x":0')
    (tmp_path / "broken.json").write_bytes(broken)
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"]

    made = subprocess.run(
        [*command, "--path", "broken.json", "--meta", "none", "--output-path", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert broken != openapi_json()
    assert made.returncode != 0
    assert "Problem" in made.stdout + made.stderr
