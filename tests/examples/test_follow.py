"""Streams from a real server: nothing is missed, and a slow reader is nobody else's trouble."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import httpx
import pytest

from benchmarks.replay import fill
from infrastructure.ids import uuid7
from tests.examples.service import Service, serving
from tests.examples.test_mirror import writing
from tests.process import wait_until

CLIENTS = 50
LAST = "the-last-part"
PLENTY = 12_000
"""Events, far more than the sockets between server and client hold."""


def followed(service: Service) -> list[tuple[int, str]]:
    lines = [line.split() for line in service.processes["follow"].said().splitlines()]
    return [(int(position), id) for position, _, _, id in lines]


def until_more_than(service: Service, events: int) -> None:
    service.processes["follow"].until(lambda: len(followed(service)) > events)


def sequence(service: Service) -> None:
    runtime = service.open()
    while runtime.sequencer.step():
        continue
    runtime.close()


def test_the_follower_goes_on_after_every_interruption(service: Service) -> None:
    service.example("follow", AFTER="beginning")
    with writing(service):
        for _ in range(3):
            before = len(followed(service))
            until_more_than(service, before)
            service.kill("api")
            service.restart("api")
    sequence(service)
    feed = service.feed()

    service.processes["follow"].until(lambda: len(followed(service)) >= len(feed))

    assert followed(service) == feed


class Reader(Thread):
    """Reads a stream until it has seen the event that says LAST."""

    def __init__(self, service: Service, authorization: str) -> None:
        super().__init__(daemon=True)
        self._url = f"{service.url}/v1/events?aggregate=inventory"
        self._headers = {"Authorization": authorization, "Accept": "text/event-stream"}
        self.seen = list[int]()

    def run(self) -> None:
        with httpx.stream(
            "GET", self._url, headers=self._headers, timeout=60, verify=False
        ) as answer:
            assert answer.status_code == 200, answer.read()
            for line in answer.iter_lines():
                if line.startswith("data: {"):
                    self.seen.append(int(json.loads(line[6:])["sequence"]))
                    if LAST in line:
                        return


def add_item(http: httpx.Client, part_number: str) -> None:
    part = {"part_number": part_number, "name": "A part", "unit_price_cents": 1}
    http.post("/v1/inventory", json=part).raise_for_status()


@pytest.fixture
def roomy(shape: dict[str, str], tmp_path: Path) -> Iterator[Service]:
    with serving(tmp_path, {"WEB_THREADS": "120", **shape}) as service:
        yield service


def test_fifty_follow_while_others_write(roomy: Service) -> None:
    with closing(roomy.client()) as http:
        readers = [Reader(roomy, http.headers["Authorization"]) for _ in range(CLIENTS)]
        for reader in readers:
            reader.start()
        with writing(roomy) as writers:
            wait_until(lambda: sum(writer.acknowledged for writer in writers) > 60)
        add_item(http, LAST)
        sequence(roomy)
        query = {"aggregate": "inventory", "limit": "1000"}
        whole = http.get("/v1/events", params=query).json()
        for reader in readers:
            reader.join(60)

    expected = [int(event["sequence"]) for event in whole]
    assert all(reader.seen == expected for reader in readers)


class Slow:
    """A client with a small buffer, which reads when it is told to."""

    def __init__(self, service: Service, authorization: str) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(60)
        self._socket.connect(("127.0.0.1", urlsplit(service.url).port))
        head = ["GET /v1/events?after=latest HTTP/1.1", "Host: shop", "Accept: text/event-stream"]
        head += [f"Authorization: {authorization}", "Connection: close"]
        self._socket.sendall("\r\n".join([*head, "", ""]).encode())
        self.read = b""

    def until(self, text: bytes) -> bytes:
        while text not in self.read[-100_000:]:
            received = self._socket.recv(65_536)
            assert received, "the connection was closed"
            self.read += received
        return self.read


def test_a_slow_reader_is_let_go_with_a_reason_and_harms_nobody(tmp_path: Path) -> None:
    with serving(tmp_path, {"WEB_THREADS": "12"}) as service, closing(service.client()) as http:
        authorization = http.headers["Authorization"]
        slow = Slow(service, authorization)
        slow.until(b"retry: ")
        quick = [Reader(service, authorization) for _ in range(3)]
        for reader in quick:
            reader.start()
        add_item(http, "P")
        slow.until(b"inventory.item-added")

        runtime = service.open()
        fill(runtime, uuid7(), PLENTY)
        runtime.close()
        add_item(http, LAST)
        for reader in quick:
            reader.join(60)
            assert not reader.is_alive()
            assert len(reader.seen) > PLENTY

        end = slow.until(b"event: end").partition(b"event: end")[2] or slow.until(b"too-slow")
        assert b"too-slow" in end
        assert slow.read.count(b"\ndata: {") < PLENTY
