"""One turn of a case: how fast it was, and what it cost whom."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import NamedTuple

from benchmarks.http_cases import Asked
from benchmarks.http_client import Clients, Script
from benchmarks.http_servers import Following, Running
from benchmarks.measure import percentile
from benchmarks.servers import Subject
from benchmarks.usage import children, cpu_seconds

WARMING = 0.25


class Turn(NamedTuple):
    """CPU in microseconds per request: of the processes that serve HTTP, of the worker until
    the views had caught up, and of the database meanwhile."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    worker_us: float
    database_us: float


class Driver(NamedTuple):
    """Who asks, and whose costs are counted."""

    clients: Clients
    subject: Subject
    following: Following
    seconds: float

    def turn(self, running: Running, asked: Asked) -> Turn:
        """Begins and ends with views that show everything."""
        script = asked(running)
        self.following.caught_up()
        pids = children(running.server.pid), [self.following.worker.pid], [self.subject.pid]
        before = [sum(map(cpu_seconds, each)) for each in pids]
        got = self.drive(script)
        serving = sum(map(cpu_seconds, pids[0])) - before[0]
        self.following.caught_up()
        following, storing = (
            sum(map(cpu_seconds, each)) - start
            for each, start in zip(pids[1:], before[1:], strict=True)
        )
        cpu = [1e6 * used / got.answers for used in (serving, following, storing)]
        return Turn(got.per_second, got.p50_ms, got.p99_ms, *cpu)

    def drive(self, script: Script) -> Rate:
        load = self.clients.drive(script, self.seconds)
        if load.refused:
            raise RuntimeError(f"{load.refused} of {load.answers + load.refused} refused")
        ms = [1000 * each for each in load.times]
        rate = load.answers / load.elapsed
        return Rate(load.answers, rate, percentile(ms, 0.5), percentile(ms, 0.99))


class Rate(NamedTuple):
    answers: int
    per_second: float
    p50_ms: float
    p99_ms: float


def in_turns(cases: Mapping[str, tuple[Driver, Running, Asked]], rounds: int) -> dict[str, Turn]:
    """The medians of each, every round begun with another one."""
    found: dict[str, list[Turn]] = {name: [] for name in cases}
    names = list(cases)
    # What a process does once, and what caches hold, is not measured.
    for driver, running, asked in cases.values():
        driver._replace(seconds=driver.seconds * WARMING).turn(running, asked)
    for n in range(rounds):
        for name in names[n % len(names) :] + names[: n % len(names)]:
            driver, running, asked = cases[name]
            found[name].append(driver.turn(running, asked))
    return {
        name: Turn(*(median(values) for values in zip(*turns, strict=True)))
        for name, turns in found.items()
    }
