"""The whole service under load while its Redis is struck down: no read fails, none is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from uuid import UUID

import httpx
import pytest

from infrastructure.runtime import Runtime, open_runtime
from infrastructure.settings import Settings
from tests.process import wait_until
from tests.servers import MariaDB, Valkey
from tests.service import Api, Worker, founded

CLIENTS = 3
ROUNDS = 8
"""So many more rounds of each client before the next blow."""


class Service:
    def __init__(self, api: Api, redis: Valkey, runtime: Runtime) -> None:
        self.api, self.redis, self.runtime = api, redis, runtime


@pytest.fixture
def service(mariadb: MariaDB, own_valkey: Valkey, tmp_path: Path) -> Iterator[Service]:
    settings = founded(mariadb.create_database("comes_and_goes"), own_valkey.url)
    runtime = open_runtime(Settings.read(settings))
    worker = Worker.start(tmp_path / "worker", **settings)
    api = Api.start(tmp_path / "api", **settings, WEB_CONCURRENCY="2")
    yield Service(api, own_valkey, runtime)
    api.kill()
    worker.kill()
    runtime.close()


class Reader(Thread):
    """Writes, and reads what it wrote and the list, each time with the token of the last answer.

    `rounds` is how often all of it went well; `wrong` what did not.
    """

    def __init__(self, api: Api, stopping: Event) -> None:
        super().__init__()
        self._client, self._stopping = api.client(), stopping
        self.rounds, self.wrong = 0, list[str]()
        body = {"name": "0", "email": f"{id(self)}@shop.example"}
        self._at = self._sent("POST", "/v1/customers", json=body).headers["location"]

    def _sent(self, method: str, path: str, **sent: object) -> httpx.Response:
        answer = self._client.request(method, path, **sent)  # type: ignore[arg-type]
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        self._client.headers["Consistency-Token"] = answer.headers["consistency-token"]
        return answer

    def run(self) -> None:
        position = 0
        while not self._stopping.is_set():
            try:
                name = str(self.rounds + 1)
                self._sent("PATCH", self._at, json={"name": name})
                one = self._sent("GET", self._at)
                page = self._sent("GET", "/v1/customers?limit=200", headers={"Prefer": "wait=10"})
                listed = [c for c in page.json()["items"] if c["id"] == one.json()["id"]]
                assert one.json()["name"] == name, "a read older than its token"
                assert listed == [one.json()], "a list older than its token"
                seen = int(page.headers["feed-position"])
                assert seen >= position, "a position that goes back"
                position = seen
            except (AssertionError, httpx.HTTPError) as error:
                self.wrong.append(repr(error))
                return
            self.rounds += 1


def test_no_blow_to_redis_is_seen_by_a_reader(service: Service) -> None:
    stopping = Event()
    readers = [Reader(service.api, stopping) for _ in range(CLIENTS)]
    redis = service.redis
    for reader in readers:
        reader.start()

    def go_on() -> None:
        """Every reader gets on, so the views move too."""
        goals = [reader.rounds + ROUNDS for reader in readers]
        wait_until(
            lambda: (
                any(reader.wrong for reader in readers)
                or all(r.rounds >= goal for r, goal in zip(readers, goals, strict=True))
            )
        )

    def flush() -> None:
        with redis.client() as client:
            client.flushall()

    blows: list[Callable[[], None]] = [
        lambda: None,
        redis.pause,
        redis.resume,
        flush,
        redis.kill,
        redis.restart,
        flush,
    ]
    for blow in blows:
        blow()
        go_on()
    stopping.set()
    for reader in readers:
        reader.join()

    assert [reader.wrong for reader in readers] == [[], [], []]
    wait_until(lambda: _is_cached(redis, readers[0]._client, readers[0]._at))


def _is_cached(redis: Valkey, client: httpx.Client, at: str) -> bool:
    """Recovered by itself: what is read is kept again."""
    client.get(at)
    id = UUID(at.rpartition("/")[2])
    with redis.client() as connection:
        return any(connection.scan_iter(f"*:1:customer:{id.hex}"))
