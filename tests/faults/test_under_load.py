"""The service is struck in every place while people use it, and heals without hands."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.faults.deployment import Deployment, Outcome, kill
from tests.servers import MariaDB, Valkey

PAUSED_SECONDS = 5.0
SUPERVISOR_SECONDS = 1.0
CUTS = 5
UNANSWERED = {"cut off", "timeout", "503 unavailable", "503 projection-behind", "503 overloaded"}
"""What may happen to a request while something is away; each of them was sent again."""


def no_fault(_: Deployment) -> None:
    time.sleep(SUPERVISOR_SECONDS)


def one_api_process_killed(service: Deployment) -> None:
    kill(service.api_processes()[0])


def both_api_processes_killed(service: Deployment) -> None:
    for pid in service.api_processes():
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
        assert service.database_wire.cut()
        time.sleep(0.2)


def answers_to_commits_cut(service: Deployment) -> None:
    """Every other COMMIT is carried out although its connection breaks."""
    for number in range(2 * CUTS):
        service.database_wire.cut_next_commit(forward=number % 2 == 0)
        time.sleep(0.2)


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
    everything_killed_at_once,
]


@pytest.mark.parametrize("strike", STRIKES, ids=lambda strike: strike.__name__)
def test_nothing_is_lost_nothing_is_wrong_and_it_heals(
    strike: Callable[[Deployment], None], deployment: Deployment, table: list[Outcome]
) -> None:
    outcome = deployment.suffer(strike.__name__.replace("_", " "), strike)
    table.append(outcome)

    assert outcome.lost == []
    assert outcome.wrong == []
    assert set(outcome.failed) <= UNANSWERED
    assert outcome.struck
    if strike is no_fault:
        assert not outcome.failed
