"""The mirror holds the feed, whatever is struck down in between."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Event, Thread
from uuid import uuid4

import httpx

from tests.examples.service import Service
from tests.process import wait_until

KILLS = int(os.environ.get("TORTURE_KILLS", 10))
WRITERS = 3


def mirrored(service: Service) -> list[tuple[int, str]]:
    file = service.directory / "mirror.db"
    if not file.exists():
        return []
    with closing(sqlite3.connect(file)) as db:
        try:
            return db.execute("SELECT position, id FROM events ORDER BY rowid").fetchall()
        except sqlite3.OperationalError:
            return []


def until_caught_up(service: Service) -> None:
    feed = service.feed()
    mirror = service.processes["mirror"]
    mirror.until(lambda: len(mirrored(service)) >= len(feed))


def until_more_than(service: Service, events: int) -> None:
    service.processes["mirror"].until(lambda: len(mirrored(service)) > events)


class Writer(Thread):
    """Receives stock until told to stop; what got no answer is sent again under its key."""

    def __init__(self, service: Service, stopping: Event) -> None:
        super().__init__()
        self._stopping = stopping
        self.acknowledged = 0
        # Logged in before anything is struck down.
        self._http = service.client()

    def run(self) -> None:
        with closing(self._http) as http:
            item = self._sent(http, "/v1/inventory", self._part())
            while item and not self._stopping.is_set():
                if self._sent(http, f"/v1/inventory/{item}/receipts", {"quantity": 1}):
                    self.acknowledged += 1
                time.sleep(0.01)

    @staticmethod
    def _part() -> dict[str, object]:
        return {"part_number": uuid4().hex, "name": "A part", "unit_price_cents": 100}

    def _sent(self, http: httpx.Client, path: str, body: dict[str, object]) -> str:
        headers = {"Idempotency-Key": uuid4().hex}
        while not self._stopping.is_set():
            try:
                answer = http.post(path, json=body, headers=headers, timeout=10)
                if answer.status_code < 500:
                    assert answer.status_code in (200, 201), answer.text
                    return str(answer.json()["id"])
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        return ""


@contextmanager
def writing(service: Service) -> Iterator[list[Writer]]:
    stopping = Event()
    writers = [Writer(service, stopping) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        stopping.set()
        for writer in writers:
            writer.join()


def test_the_mirror_holds_the_feed_and_says_how_far_it_is(service: Service) -> None:
    with closing(service.client()) as http:
        part = {"part_number": "P-1", "name": "A part", "unit_price_cents": 100}
        item = http.post("/v1/inventory", json=part).json()["id"]
        service.example("mirror", str(service.directory / "mirror.db"))
        for _ in range(5):
            http.post(f"/v1/inventory/{item}/receipts", json={"quantity": 1})

        wait_until(lambda: len(mirrored(service)) == 9)

        assert mirrored(service) == service.feed()
        shown: dict[str, int] = {}

        def committed() -> bool:
            # It commits what it has when it asks for more.
            shown.update(http.get("/v1/consumers/mirror").json())
            http.post(f"/v1/inventory/{item}/receipts", json={"quantity": 1})
            return shown["position"] >= 9

        wait_until(committed)


def test_a_mirror_is_complete_whatever_is_killed_when(service: Service) -> None:
    victims = ["mirror", "api", *(["worker"] if service.distributed else [])]
    chance = random.Random(KILLS)
    service.example("mirror", str(service.directory / "mirror.db"))
    with writing(service) as writers:
        for turn in range(KILLS):
            victim = victims[turn] if turn < len(victims) else chance.choice(victims)
            before = len(mirrored(service))
            time.sleep(chance.uniform(0, 0.5))
            service.kill(victim)
            time.sleep(chance.uniform(0, 0.2))
            service.restart(victim)
            # Something gets through between two strikes, or they would prove nothing.
            until_more_than(service, before)
    wait_until(lambda: service.answers())

    runtime = service.open()
    while runtime.sequencer.step():
        continue
    runtime.close()
    until_caught_up(service)

    feed = service.feed()
    assert mirrored(service) == feed
    assert [position for position, _ in feed] == list(range(1, len(feed) + 1))
    made = sum(writer.acknowledged for writer in writers)
    assert len(feed) >= made > KILLS
