"""The service as a shop runs it: two API processes, two workers, MariaDB, Redis; and wires
between them that can be cut. What is struck down is brought back as a supervisor would, and
nothing else is done to it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
from sqlalchemy import make_url

from infrastructure.event_store.checks import verify
from infrastructure.runtime import open_runtime
from infrastructure.settings import Settings
from infrastructure.transparency.checking import check as check_log
from infrastructure.verifying import verification
from projections.tokens import Token
from tests.faults.clock import FILE
from tests.faults.judging import judge, log_of, shelves
from tests.faults.shoppers import Shopper
from tests.infrastructure.event_store.proxy import Proxy
from tests.process import wait_until
from tests.servers import MariaDB, Valkey
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Api, Process, Worker, founded

SHOPPERS = 6
ITEMS = 3
WARM_ROUNDS = 3
HEALED_ROUNDS = 3
CEILING_SECONDS = 120
LOGIN = {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}


@dataclass
class Outcome:
    """A line of the table."""

    fault: str
    requests: int
    failed: Counter[str]
    lost: list[str]
    wrong: list[str]
    seconds_to_healthy: float
    struck: bool

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.failed.items()))
        return (
            f"{self.fault:<52} {self.requests:>8} {kinds or '-':<34} {len(self.lost):>4} "
            f"{len(self.wrong):>5} {self.seconds_to_healthy:>10.1f}"
        )


HEADING = (
    f"{'fault':<52} {'requests':>8} {'failed':<34} {'lost':>4} {'wrong':>5} {'healthy in':>10}"
)


class _Clocked(Process):
    def _command(self) -> list[str]:
        return [sys.executable, "-m", "tests.faults.clock", *self.arguments]


class ClockedApi(_Clocked, Api): ...


class ClockedWorker(_Clocked, Worker): ...


class Deployment:
    def __init__(
        self, mariadb: MariaDB, redis: Valkey, directory: Path, api: type[Api] = ClockedApi
    ) -> None:
        self.mariadb, self.redis = mariadb, redis
        self._clock = directory / "clock"
        self.set_clock(wrong_by_seconds=0)
        self.api_wire, self.worker_wire = Proxy(mariadb.port), Proxy(mariadb.port)
        url = mariadb.create_database("faults")
        self.direct = founded(url, redis.url)
        self.runtime = open_runtime(Settings.read(self.direct))

        def wired(wire: Proxy) -> dict[str, str]:
            # In clear, for the wire to see a COMMIT: MySQL 9 would encrypt.
            clear = make_url(url).set(port=wire.port).update_query_dict({"ssl_disabled": "true"})
            through = clear.render_as_string(hide_password=False)
            return {**self.direct, "DATABASE_URL": through, FILE: str(self._clock)}

        views = wired(self.worker_wire)
        self.workers = [ClockedWorker.start(directory / f"worker-{n}", **views) for n in range(2)]
        self.api = api.start(directory / "api", **wired(self.api_wire), WEB_CONCURRENCY="2")
        self.client_wire = Proxy(self.api.port)
        self.url = f"http://127.0.0.1:{self.client_wire.port}"
        self._seeds = 0
        with closing(self.api.client()) as admin_client:
            self.items = [self._item(admin_client, n) for n in range(ITEMS)]

    def _item(self, client: httpx.Client, number: int) -> str:
        body = {"part_number": f"PART-{number}", "name": "A part", "unit_price_cents": 1500}
        made = client.post("/v1/inventory", json=body).raise_for_status().json()
        return str(made["id"])

    def processes(self) -> list[Process]:
        return [self.api, *self.workers]

    def close(self) -> None:
        for process in self.processes():
            process.kill()
        self.client_wire.close()
        self.api_wire.close()
        self.worker_wire.close()
        self.runtime.close()

    def set_clock(self, *, wrong_by_seconds: int) -> None:
        """That of the machine with the API and the workers."""
        new = self._clock.with_suffix(".new")
        new.write_text(str(wrong_by_seconds))
        new.replace(self._clock)

    def shoppers(self, *, pause_seconds: float = 0.0) -> list[Shopper]:
        """Others than those before; each pauses for so long after a round."""
        self._seeds += SHOPPERS
        seeds = range(self._seeds - SHOPPERS, self._seeds)
        return [Shopper(self.url, LOGIN, self.items, seed, pause_seconds) for seed in seeds]

    def suffer(self, fault: str, strike: Callable[[Deployment], None]) -> Outcome:
        """Under load: strike, wait until all is well again, hold everything against the log."""
        shoppers = self.shoppers()
        for shopper in shoppers:
            shopper.start()
        try:
            self.go_on(shoppers, WARM_ROUNDS)
            asked, before = _requests(shoppers), _failed(shoppers)
            strike(self)
            struck = time.monotonic()
            self.until_ready()
            healthy = self._until_all_is_well(shoppers)
            requests, failed = _requests(shoppers) - asked, _failed(shoppers) - before
        finally:
            # Else they went on while the next fault is judged.
            for shopper in shoppers:
                shopper.stopping.set()
        for shopper in shoppers:
            shopper.join(CEILING_SECONDS)
            assert not shopper.is_alive(), f"{shopper.name} hangs"
        self.runtime.database.close()  # Its connections may be of before the strike.
        log = log_of(self.runtime)
        writes = [write for shopper in shoppers for write in shopper.writes]
        verdict = judge(writes, log)
        wrong = [*verdict.wrong, *(each for shopper in shoppers for each in shopper.wrong)]
        wrong += self._served_otherwise(shelves(log)) + self.check()
        return Outcome(fault, requests, failed, verdict.lost, wrong, healthy - struck, self.is_up())

    def is_up(self) -> bool:
        return all(process.is_running for process in self.processes())

    def go_on(self, shoppers: list[Shopper], rounds: int) -> None:
        goals = [shopper.rounds + rounds for shopper in shoppers]
        until(
            lambda: all(
                shopper.rounds >= goal or not shopper.is_alive()
                for shopper, goal in zip(shoppers, goals, strict=True)
            ),
            "the shoppers do not get on",
        )

    def until_ready(self) -> None:
        def ready() -> bool:
            try:
                answer = httpx.get(f"{self.api.url}/readyz", timeout=5)
            except httpx.TransportError:
                return False
            return answer.is_success and set(answer.json()["checks"].values()) == {"ok"}

        until(ready, "it is not ready again")

    def _until_all_is_well(self, shoppers: list[Shopper]) -> float:
        """Since when every shopper's every request has been answered, for some rounds."""
        while True:
            since, failed = time.monotonic(), _failed(shoppers)
            self.go_on(shoppers, HEALED_ROUNDS)
            if _failed(shoppers) == failed:
                return since

    def _served_otherwise(self, shelf: Mapping[UUID, int]) -> list[str]:
        found = []
        with closing(self.api.client()) as client:
            # What the judge has sequenced no worker was woken for.
            client.headers["Consistency-Token"] = str(Token(self.runtime.feed.position()))
            client.get("/v1/inventory", headers={"Prefer": "wait=10"}).raise_for_status()
            for item in self.items:
                served = client.get(f"/v1/inventory/{item}").json()["quantity_on_hand"]
                on_hand = {str(id): count for id, count in shelf.items()}.get(item, 0)
                if served != on_hand:
                    found.append(f"{item}: {served} are served, {on_hand} in the log")
        return found

    def check(self) -> list[str]:
        """What the shop's own checks complain of: views, feed, transparency log."""
        runtime = self.runtime
        with verification(runtime, runtime.generations.live()) as (found, _):
            complaints = [*found.everything(), *verify(runtime.database)]
        return complaints + [fault.says for fault in check_log(runtime.database).faults]


def until(happened: Callable[[], object], otherwise: str) -> None:
    wait_until(happened, otherwise, seconds=CEILING_SECONDS)


def _requests(shoppers: list[Shopper]) -> int:
    return sum(shopper.requests for shopper in shoppers)


def _failed(shoppers: list[Shopper]) -> Counter[str]:
    return sum((Counter(shopper.failed) for shopper in shoppers), Counter[str]())


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
