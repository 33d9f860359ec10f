"""How a thread of the server stays with a client, and when it does not."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import TConn

from api.pressure import waited_seconds
from cli import patience
from cli.patience import PatientWorker

ASK = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"
BODY = b"served"


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[PatientWorker]:
    """One thread that serves, as gunicorn sets it up; `served`: how long each request waited."""
    monkeypatch.setattr(patience, "LINGER_MILLISECONDS", 90_000)
    cfg, served = Config(), list[float]()
    for name, value in dict(threads=1, keepalive=15, loglevel="critical").items():
        cfg.set(name, value)

    def application(environ: Any, start: Any) -> Iterable[bytes]:
        served.append(waited_seconds.get())
        start("200 OK", [("Content-Length", str(len(BODY)))])
        return [BODY]

    server: Any = SimpleNamespace(
        settings=SimpleNamespace(request_seconds=30), wsgi=lambda: application
    )
    worker: Any = PatientWorker(1, os.getppid(), [], server, 30, cfg, Logger(cfg))
    worker.tpool, worker.served, worker._waiting = worker.get_thread_pool(), served, {}
    worker.load_wsgi()
    yield worker
    worker.tpool.shutdown()


@pytest.fixture
def client(worker: Any) -> Iterator[tuple[socket.socket, TConn]]:
    """What a client holds of a connection, and what the worker does. What one sends at once, the
    other receives at once."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(30)
    conn = TConn(worker.cfg, theirs, ("127.0.0.1", 1), ("127.0.0.1", 2))
    yield ours, conn
    ours.close()
    theirs.close()


def _answered(client: socket.socket) -> bool:
    """With all of the answer in one packet."""
    packet = client.recv(4096)
    return packet.startswith(b"HTTP/1.1 200") and packet.endswith(b"\r\n\r\n" + BODY)


def test_a_thread_answers_a_client_that_goes_on_asking(
    worker: Any, client: tuple[socket.socket, TConn]
) -> None:
    ours, conn = client
    ours.sendall(ASK)
    handled = worker.tpool.submit(worker.handle, conn)
    assert _answered(ours)

    ours.sendall(ASK)

    assert _answered(ours)
    assert not handled.done()
    assert worker.served[1] == 0.0
    ours.close()
    assert not handled.result(30)


def test_a_client_that_is_silent_is_given_back(
    worker: Any, client: tuple[socket.socket, TConn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "LINGER_MILLISECONDS", 1)
    ours, conn = client
    ours.sendall(ASK)

    assert worker.tpool.submit(worker.handle, conn).result(30) is True
    assert len(worker.served) == 1


def test_nobody_waits_for_a_thread_that_waits_for_a_client(
    worker: Any, client: tuple[socket.socket, TConn]
) -> None:
    ours, conn = client
    began, go_on = Event(), Event()

    def handle() -> Any:
        began.set()
        assert go_on.wait(30)
        return worker.handle(conn)

    handled = worker.tpool.submit(handle)
    assert began.wait(30)
    other = worker.tpool.submit(lambda: "served")
    ours.sendall(ASK)
    go_on.set()

    assert handled.result(30) is True
    assert other.result(30) == "served"
