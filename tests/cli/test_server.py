"""The server around the application: how it queues, logs and counts."""

from __future__ import annotations

import json
import time
from pathlib import Path
from threading import Event
from typing import Any

import httpx

from api.pressure import waited_seconds
from cli.patience import Threads
from tests.process import wait_until
from tests.servers import MariaDB
from tests.service import Api
from tests.shop import prepare_url

PROCESSES = 3
ACCESS = ("access", "/livez")
LIVES = '{method="GET",route="/livez",status="200"} '


def test_a_request_knows_how_long_it_waited_for_its_thread() -> None:
    free, began = Event(), time.monotonic()
    with Threads(1) as threads:
        threads.submit(free.wait)
        queued = threads.submit(waited_seconds.get)
        submitted = time.monotonic()
        while time.monotonic() < submitted + 0.02:
            time.sleep(0.001)
        freed = time.monotonic()
        free.set()
        waited = queued.result()
        at_once = threads.submit(waited_seconds.get).result()

    assert freed - submitted <= waited <= time.monotonic() - began
    assert at_once < waited


def test_all_processes_of_a_server_answer_with_the_same_numbers_and_log_json(
    mariadb: MariaDB, redis_url: str, tmp_path: Path
) -> None:
    url = mariadb.create_database("numbers")
    prepare_url(url)
    api = Api.start(tmp_path, DATABASE_URL=url, REDIS_URL=redis_url, WEB_CONCURRENCY=str(PROCESSES))

    def accesses() -> list[dict[str, Any]]:
        whole = api.log.read_text().rpartition("\n")[0]
        lines = [json.loads(line) for line in whole.splitlines()]
        return [each for each in lines if (each["logger"], each.get("route")) == ACCESS]

    def every_process_answered() -> bool:
        httpx.get(f"{api.url}/livez")  # A connection each, so that all processes get some.
        return len({line["pid"] for line in accesses()}) == PROCESSES

    try:
        wait_until(every_process_answered)
        texts = [httpx.get(f"{api.url}/metrics").text for _ in range(5)]
    finally:
        api.stop()

    counted = {
        float(line.rsplit(" ", 1)[1])
        for text in texts
        for line in text.splitlines()
        if line.startswith(f"shop_http_request_duration_seconds_count{LIVES}")
    }
    assert counted == {float(len(accesses()))}
    assert all(line["status"] == 200 for line in accesses())
