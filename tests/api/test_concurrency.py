"""Many clients at once against real gunicorn processes on MariaDB, as a shop would see them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.servers import MariaDB
from tests.service import Api, founded


@pytest.fixture(scope="module")
def api(mariadb: MariaDB, valkey: Any, servers: Path) -> Iterator[Api]:
    """Two API processes and no worker: nothing here may depend on the views."""
    settings = founded(mariadb.create_database(f"at_once_{uuid4().hex[:8]}"), valkey.url)
    workers = dict(WEB_CONCURRENCY="2", WEB_THREADS="16")
    api = Api.start(servers / f"api-{uuid4().hex[:8]}", **settings, **workers)
    yield api
    api.stop()


@pytest.fixture(scope="module")
def client(api: Api) -> Iterator[httpx.Client]:
    client = api.client()
    yield client
    client.close()


Request = Callable[[httpx.Client], httpx.Response]


def all_at_once(client: httpx.Client, requests: Sequence[Request]) -> list[httpx.Response]:
    """Each over a connection of its own, and none before all are ready."""
    start = Barrier(len(requests))

    def one(request: Request) -> httpx.Response:
        with httpx.Client(
            base_url=client.base_url, headers=client.headers, timeout=30, verify=False
        ) as another:
            another.get("/livez")
            start.wait()
            return request(another)

    with ThreadPoolExecutor(len(requests)) as threads:
        return list(threads.map(one, requests))


def made(client: httpx.Client, path: str, **fields: Any) -> str:
    return str(client.post(path, json=fields).raise_for_status().json()["id"])


def a_customer(client: httpx.Client) -> str:
    return made(client, "/v1/customers", name="Customer", email=f"{uuid4()}@mail.example")


def a_vehicle(client: httpx.Client, customer_id: str, number: int) -> dict[str, Any]:
    vin = f"1HGCM826{number:09d}"
    return dict(customer_id=customer_id, vin=vin, make="Make", model="Model", year=2020)


def test_40_adds_against_a_stock_of_10_give_exactly_10(client: httpx.Client) -> None:
    customer = a_customer(client)
    tickets = [
        made(
            client,
            "/v1/tickets",
            customer_id=customer,
            vehicle_id=made(client, "/v1/vehicles", **a_vehicle(client, customer, n)),
            description="Brakes",
        )
        for n in range(40)
    ]
    item = made(client, "/v1/inventory", part_number="P-1", name="Part", unit_price_cents=100)
    client.post(f"/v1/inventory/{item}/receipts", json={"quantity": 10}).raise_for_status()

    answers = all_at_once(
        client,
        [
            lambda c, ticket=ticket: c.post(  # type: ignore[misc]
                f"/v1/tickets/{ticket}/parts", json={"inventory_id": item, "quantity": 1}
            )
            for ticket in tickets
        ],
    )

    assert Counter(answer.status_code for answer in answers) == {201: 10, 409: 30}
    told = {answer.json()["detail"] for answer in answers if answer.status_code == 409}
    assert told == {"parts are issued from what is on hand; 1 of P-1 wanted, 0 on hand"}
    left = client.get(f"/v1/inventory/{item}").json()
    assert left["quantity_on_hand"] == 0
    on_tickets = [client.get(f"/v1/tickets/{ticket}/parts").json()["items"] for ticket in tickets]
    assert sum(line["quantity"] for lines in on_tickets for line in lines) == 10


def test_one_of_20_registers_a_vin(client: httpx.Client) -> None:
    vehicle = a_vehicle(client, a_customer(client), 999)

    answers = all_at_once(client, [lambda c: c.post("/v1/vehicles", json=vehicle)] * 20)

    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}
    problems = [answer.json() for answer in answers if answer.status_code == 409]
    assert {problem["type"] for problem in problems} == {"/docs/problems/taken"}
    assert {problem["errors"][0]["pointer"] for problem in problems} == {"/vin"}


def test_20_retries_under_one_key_have_one_effect_and_one_answer(client: httpx.Client) -> None:
    item = made(client, "/v1/inventory", part_number="P-2", name="Part", unit_price_cents=100)
    path, key = f"/v1/inventory/{item}/receipts", {"Idempotency-Key": str(uuid4())}

    answers = all_at_once(client, [lambda c: c.post(path, json={"quantity": 5}, headers=key)] * 20)

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    token = {"Consistency-Token": answers[0].headers["Consistency-Token"]}
    assert client.get(f"/v1/inventory/{item}", headers=token).json()["quantity_on_hand"] == 5


def test_of_two_changes_on_the_same_version_one_is_told_to_look_again(
    client: httpx.Client,
) -> None:
    customer = a_customer(client)
    path, match = f"/v1/customers/{customer}", {"If-Match": '"1"'}

    answers = all_at_once(
        client,
        [
            lambda c, name=name: c.patch(path, json={"name": name}, headers=match)  # type: ignore[misc]
            for name in ("First", "Second")
        ],
    )

    assert sorted(answer.status_code for answer in answers) == [200, 412]
    refused = next(answer.json() for answer in answers if answer.status_code == 412)
    assert refused["current_version"] == 2
