"""Nothing strikes, for a long time: no process grows, the views keep up, nothing fails.

`make soak`; SOAK_MINUTES says for how long.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import median

import httpx

from tests.faults.deployment import CEILING_SECONDS, Deployment
from tests.faults.judging import judge, log_of
from tests.faults.shoppers import Shopper

MINUTES = float(os.environ.get("SOAK_MINUTES", "10"))
SHIFT_SECONDS = 60.0
"""How long the same people stay: then others come, with tickets of their own."""
ROUND_SECONDS = 0.25
SAMPLES = 60
GROWTH_MAX_MIB = 6.0
"""From the second quarter to the last: what is kept of the first requests is there by then."""
LAG_MAX_SECONDS = 10.0


def test_no_process_grows_the_views_keep_up_and_nothing_fails(deployment: Deployment) -> None:
    pids = processes(deployment)
    memory: dict[str, list[float]] = {name: [] for name in pids}
    lags, people = list[float](), list[Shopper]()
    end = time.monotonic() + MINUTES * 60
    while time.monotonic() < end:
        shift = deployment.shoppers(pause_seconds=ROUND_SECONDS)
        people += shift
        for person in shift:
            person.start()
        until = min(end, time.monotonic() + SHIFT_SECONDS)
        while time.monotonic() < until:
            time.sleep(max(0.5, MINUTES * 60 / SAMPLES))
            lags.append(lag_seconds(deployment))
            for name, pid in pids.items():
                memory[name].append(resident_mib(pid))
        for person in shift:
            person.stopping.set()
        for person in shift:
            person.join(CEILING_SECONDS)
    verdict = judge(
        [each for person in people for each in person.writes], log_of(deployment.runtime)
    )
    wrong = verdict.wrong + [each for person in people for each in person.wrong]
    wrong += deployment.check()
    failed = sum((person.failed for person in people), Counter[str]())
    requests = sum(person.requests for person in people)
    said = f"{requests} requests in {MINUTES:g} minutes, {failed.total()} failed"
    sys.stdout.write(f"{table(memory)}{said}, lag at most {max(lags):.1f} s\n")

    assert (failed.total(), verdict.lost, wrong) == (0, [], [])
    assert max(lags) < LAG_MAX_SECONDS
    ours = [name for name in memory if name not in ("mariadb", "redis")]
    assert {
        name: growth(memory[name]) for name in ours if growth(memory[name]) > GROWTH_MAX_MIB
    } == {}
    assert processes(deployment) == pids, "one was started anew"


def processes(deployment: Deployment) -> dict[str, int]:
    found = {f"api {n}": pid for n, pid in enumerate(deployment.api.children(), 1)}
    found |= {f"worker {n}": worker.pid for n, worker in enumerate(deployment.workers, 1)}
    return (
        {"api": deployment.api.pid}
        | found
        | {
            "mariadb": deployment.mariadb.pid,
            "redis": deployment.redis.pid,
        }
    )


def resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def lag_seconds(deployment: Deployment) -> float:
    answer = httpx.get(f"{deployment.api.url}/readyz", timeout=30).raise_for_status()
    return float(answer.json()["views"]["lag_seconds"])


def growth(samples: list[float]) -> float:
    quarter = max(1, len(samples) // 4)
    return median(samples[-quarter:]) - median(samples[quarter : 2 * quarter])


def table(memory: dict[str, list[float]]) -> str:
    lines = [f"\n{'process':<12} {'first MiB':>9} {'last MiB':>9} {'grown MiB':>9}"]
    for name, samples in memory.items():
        grown = growth(samples)
        lines.append(f"{name:<12} {samples[0]:>9.1f} {samples[-1]:>9.1f} {grown:>9.1f}")
    return "\n".join(lines) + "\n"
