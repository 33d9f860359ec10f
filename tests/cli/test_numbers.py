"""Every number that operators are promised is there, over two API processes, and moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import httpx
import pytest

from tests.process import wait_until
from tests.servers import MariaDB
from tests.service import Api, Worker, founded

DATABASE = "all_numbers"
AT_ONCE = 12
SNAPSHOT = "shop_oldest_read_snapshot_started_timestamp_seconds"
READS = 'shop_database_connections_in_use{pool="reads"}'
PARKED = """\
INSERT INTO dead_letters_1 (stream_id, position, version, topic, error, parked_at)
VALUES (REPEAT('a', 16), 1, 1, 'a.topic', 'an error', '2024-01-01')"""


class Service(NamedTuple):
    api: Api
    worker: Worker
    client: httpx.Client

    def number(self, name: str) -> float:
        """As Prometheus reads it; that of a series nobody has counted in is 0."""
        text = httpx.get(f"{self.api.url}/metrics", timeout=30).raise_for_status().text
        lines = (line.rsplit(" ", 1) for line in text.splitlines())
        return sum(float(value) for series, value in lines if series == name)

    @contextmanager
    def moving(self, name: str, by: Callable[[float], bool]) -> Iterator[None]:
        before = self.number(name)
        yield
        wait_until(lambda: by(self.number(name) - before), f"{name} does not move from {before}")


@pytest.fixture
def service(mariadb: MariaDB, redis_url: str, tmp_path: Path) -> Iterator[Service]:
    settings = founded(mariadb.create_database(DATABASE), redis_url)
    worker = Worker.start(tmp_path / "worker", **settings)
    api = Api.start(tmp_path / "api", **settings, WEB_CONCURRENCY="2")
    try:
        with closing(api.client()) as client:
            yield Service(api, worker, client)
    finally:
        api.kill()
        worker.kill()


def up(by: float) -> bool:
    return by > 0


def down(by: float) -> bool:
    return by < 0


def changed(by: float) -> bool:
    return by != 0


def test_every_number_is_there_and_moves(service: Service, mariadb: MariaDB) -> None:
    client, worker = service.client, service.worker
    body = {"part_number": "BOLT", "name": "A part", "unit_price_cents": 1}
    item = client.post("/v1/inventory", json=body).raise_for_status().headers["location"]

    def receive(_: int = 0) -> int:
        # A connection each: both processes get some.
        return httpx.post(
            f"{service.api.url}{item}/receipts",
            json={"quantity": 1},
            headers=client.headers,
            timeout=30,
        ).status_code

    route = 'method="POST",route="/v1/inventory/{inventory_id}/receipts",status="200"'
    with (
        service.moving(f"shop_http_request_duration_seconds_count{{{route}}}", up),
        service.moving('shop_commands_total{command="ReceiveStock",outcome="done"}', up),
        service.moving("shop_feed_position", up),
        service.moving("shop_projection_position", up),
    ):
        assert receive() == 200
    lag = 'shop_follower_lag_events{follower="audit index"}'
    wait_until(lambda: service.number(lag) == 0, "the audit index does not follow")

    def race() -> bool:
        with ThreadPoolExecutor(AT_ONCE) as crowd:
            assert set(crowd.map(receive, range(AT_ONCE))) == {200}
        return service.number('shop_command_retries_total{command="ReceiveStock"}') > 0

    wait_until(race, "nobody loses a race")
    with service.moving('shop_cache_looks_total{outcome="hit"}', up):
        wait_until(lambda: client.get(item).status_code == 200, "the item is not shown")
        client.get(item)
    assert client.put("/v1/consumers/warehouse", json={}).is_success

    wait_until(lambda: service.number("shop_projection_lag_events") == 0, "the views stay behind")
    worker.kill()
    with (
        service.moving("shop_sequencer_pending_events", up),
        service.moving("shop_sequencer_pending_seconds", up),
        service.moving("shop_projection_lag_events", up),
        service.moving("shop_projection_lag_seconds", up),
        service.moving('shop_queue_depth{queue="views"}', up),
    ):
        assert receive() == 200
    with (
        service.moving("shop_sequencer_pending_events", down),
        service.moving("shop_projection_lag_seconds", down),
        service.moving('shop_queue_depth{queue="views"}', down),
        service.moving('shop_consumer_lag_events{consumer="warehouse"}', up),
        service.moving('shop_consumer_lag_seconds{consumer="warehouse"}', up),
    ):
        worker.restart()

    with service.moving("shop_dead_letters", up), closing(mariadb.connect(DATABASE)) as other:
        other.cursor().execute(PARKED)
        other.commit()


def test_what_is_held_is_told(service: Service, mariadb: MariaDB) -> None:
    client = service.client
    ticket = opened(client)
    client.get(f"{ticket}/evidence").raise_for_status()  # It waits until the log has the ticket.
    vain = {"customer_id": str(uuid4()), "vehicle_id": str(uuid4()), "description": "Squeals"}
    for table, number, ask in (
        ("log_tiles", SNAPSHOT, lambda: client.get(f"{ticket}/evidence")),
        ("running_numbers", READS, lambda: client.post("/v1/tickets", json=vain)),
    ):
        before = service.number(number)
        with closing(mariadb.connect(DATABASE)) as other, ThreadPoolExecutor(1) as thread:
            other.cursor().execute(f"LOCK TABLES {table} WRITE")
            with service.moving(number, changed):
                asked = thread.submit(ask)
            other.cursor().execute("UNLOCK TABLES")
            asked.result()
        assert service.number(number) == before


def opened(client: httpx.Client) -> str:
    """Where the ticket is."""
    person = {"name": "A Customer", "email": "somebody@mail.example"}
    customer = client.post("/v1/customers", json=person).raise_for_status().json()["id"]
    car = {"vin": "2T1BR32E000000001", "make": "Toyota", "model": "Corolla", "year": 2014}
    owned = {"customer_id": customer, **car}
    vehicle = client.post("/v1/vehicles", json=owned).raise_for_status().json()["id"]
    wanted = {"customer_id": customer, "vehicle_id": vehicle, "description": "Squeals"}
    return client.post("/v1/tickets", json=wanted).raise_for_status().headers["location"]
