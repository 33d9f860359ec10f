"""The service is struck in every place while people use it, and heals without hands."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

import httpx
import pytest

from tests.faults.deployment import Deployment, Outcome, kill, until
from tests.servers import MariaDB, Valkey
from tests.service import Process

PAUSED_SECONDS = 5.0
SUPERVISOR_SECONDS = 1.0
CUTS = 5
CROWD = 60
CLOCK_BACK_SECONDS = 3600
UNANSWERED = {"cut off", "timeout", "503 unavailable", "503 projection-behind", "503 overloaded"}
"""What may happen to a request while something is away; each of them was sent again."""


def no_fault(_: Deployment) -> None:
    time.sleep(SUPERVISOR_SECONDS)


def one_api_process_killed(service: Deployment) -> None:
    kill(service.api.children()[0])


def both_api_processes_killed(service: Deployment) -> None:
    for pid in service.api.children():
        kill(pid)


def a_worker_killed(service: Deployment) -> None:
    service.workers[0].kill()
    time.sleep(SUPERVISOR_SECONDS)
    service.workers[0].restart()


def both_workers_killed(service: Deployment) -> None:
    for worker in service.workers:
        worker.kill()
    time.sleep(SUPERVISOR_SECONDS)
    for worker in service.workers:
        worker.restart()


def redis_killed(service: Deployment) -> None:
    _killed(service.redis)


def database_killed(service: Deployment) -> None:
    _killed(service.mariadb)


def redis_paused(service: Deployment) -> None:
    _paused(service.redis)


def database_paused(service: Deployment) -> None:
    _paused(service.mariadb)


def clients_cut_off(service: Deployment) -> None:
    for _ in range(CUTS):
        assert service.client_wire.cut()
        time.sleep(0.2)


def database_connections_cut(service: Deployment) -> None:
    for _ in range(CUTS):
        until(lambda: service.api_wire.cut() > 0, "the API does not connect again")
        until(lambda: service.worker_wire.cut() > 0, "no worker connects again")
        time.sleep(0.2)


def answers_to_commits_cut(service: Deployment) -> None:
    """Of writes and of batches; every other is carried out although its connection breaks."""
    for number in range(2 * CUTS):
        service.api_wire.cut_next_commit(forward=number % 2 == 0)
        service.worker_wire.cut_next_commit(forward=number % 2 == 1)
        until(lambda: service.api_wire.has_cut, "no write comes along")
        until(lambda: service.worker_wire.has_cut, "no batch comes along")


def a_worker_asked_to_stop(service: Deployment) -> None:
    _asked_to_stop(service.workers[0])


def the_api_asked_to_stop(service: Deployment) -> None:
    _asked_to_stop(service.api)


def clock_set_back_and_right_again(service: Deployment) -> None:
    service.set_clock(wrong_by_seconds=-CLOCK_BACK_SECONDS)
    with closing(service.api.client()) as client:
        body = {"name": "A part", "part_number": "OF-YORE", "unit_price_cents": 1}
        made = client.post("/v1/inventory", json=body)
        token = {"Consistency-Token": made.headers["consistency-token"]}
        item = client.get(made.headers["location"], headers=token).json()
        service.client_wire.cut()  # So that people meet the process that does not know them yet.
        time.sleep(PAUSED_SECONDS)
        service.set_clock(wrong_by_seconds=0)
        assert client.get("/v1/me").status_code == 401, "the token is an hour old"
    ago = datetime.now(UTC) - datetime.fromisoformat(item["created_at"])
    assert ago.total_seconds() > CLOCK_BACK_SECONDS / 2


def more_asked_than_it_can_carry(service: Deployment) -> None:
    """The threads wait for the database: who waits for a thread is told to come back."""
    with closing(service.api.client()) as client, ThreadPoolExecutor(CROWD) as crowd:

        def ask(number: int) -> httpx.Response:
            path = f"{service.api.url}/v1/events?limit={number + 1}"
            return httpx.get(path, headers=client.headers, timeout=60)

        service.mariadb.pause()
        asked = [crowd.submit(ask, number) for number in range(CROWD)]
        time.sleep(PAUSED_SECONDS)
        service.mariadb.resume()
        answers = [each.result() for each in asked]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert {answer.json()["type"] for answer in refused} == {"/docs/problems/overloaded"}
    assert all(answer.headers["retry-after"] for answer in refused)


def everything_killed_at_once(service: Deployment) -> None:
    service.mariadb.kill()
    service.redis.kill()
    for worker in service.workers:
        worker.kill()
    both_api_processes_killed(service)
    time.sleep(SUPERVISOR_SECONDS)
    service.redis.restart()
    service.mariadb.restart()
    for worker in service.workers:
        worker.restart()


def _killed(server: MariaDB | Valkey) -> None:
    server.kill()
    time.sleep(SUPERVISOR_SECONDS)
    server.restart()


def _asked_to_stop(process: Process) -> None:
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait() == 0
    process.restart()


def _paused(server: MariaDB | Valkey) -> None:
    server.pause()
    time.sleep(PAUSED_SECONDS)
    server.resume()


STRIKES: list[Callable[[Deployment], None]] = [
    no_fault,
    one_api_process_killed,
    both_api_processes_killed,
    a_worker_killed,
    both_workers_killed,
    redis_killed,
    database_killed,
    redis_paused,
    database_paused,
    clients_cut_off,
    database_connections_cut,
    answers_to_commits_cut,
    a_worker_asked_to_stop,
    the_api_asked_to_stop,
    clock_set_back_and_right_again,
    more_asked_than_it_can_carry,
    everything_killed_at_once,
]

LOGGED_OUT = (clock_set_back_and_right_again,)
"""A token from the future, or from an hour ago, opens nothing: log in again."""


@pytest.mark.parametrize("strike", STRIKES, ids=lambda strike: strike.__name__)
def test_nothing_is_lost_nothing_is_wrong_and_it_heals(
    strike: Callable[[Deployment], None], deployment: Deployment, table: list[Outcome]
) -> None:
    outcome = deployment.suffer(strike.__name__.replace("_", " "), strike)
    table.append(outcome)

    assert outcome.lost == []
    assert outcome.wrong == []
    allowed = UNANSWERED | ({"401 unauthorized"} if strike in LOGGED_OUT else set())
    assert set(outcome.failed) <= allowed
    assert outcome.struck
    if strike is no_fault:
        assert not outcome.failed
