"""Clients in processes of their own: one connection each, one request after the other."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

from benchmarks.writers import processes

START_SECONDS_MAX = 60
CHUNK = 256 * 1024


class Load(NamedTuple):
    """What clients together got. `seconds` are those of each answer, in the order of arrival."""

    answers: int
    refused: int
    seconds: list[float]


class Connection:
    """HTTP/1.1 as far as a benchmark needs it: every answer has a Content-Length."""

    def __init__(self, port: int) -> None:
        self._port, self._head = port, b""
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        connection = self._connected()
        connection.sendall(request)
        data = connection.recv(CHUNK)
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more(connection)
        head = data[:end].lower()
        self._head = data[:end]
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        parts, missing = [data[end + 4 :]], length - (len(data) - end - 4)
        while missing > 0:
            parts.append(self._more(connection))
            missing -= len(parts[-1])
        if b"connection: close" in head:
            self.close()
        return int(data[9:12]), b"".join(parts)

    def header(self, name: str) -> str:
        """Of the last answer; empty if it had none."""
        lines = [line.partition(":") for line in self._head.decode("latin-1").split("\r\n")]
        return next((value.strip() for key, _, value in lines if key.lower() == name), "")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=30)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    @staticmethod
    def _more(connection: socket.socket) -> bytes:
        if not (more := connection.recv(CHUNK)):
            raise ConnectionError("closed in the middle of an answer")
        return more


def request(
    method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> bytes:
    """A whole request, ready to send."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Clients:
    """So many processes, which all start at one moment."""

    def __init__(self, number: int) -> None:
        self.number = number
        barrier = processes.Barrier(number)
        self._pool = ProcessPoolExecutor(
            number, mp_context=processes, initializer=_remember, initargs=(barrier,)
        )

    def drive(self, port: int, requests: Sequence[bytes], seconds: float) -> Load:
        """Each client begins at another one of the requests and goes round."""
        futures = [
            self._pool.submit(_drive, port, _from(requests, n, self.number), seconds)
            for n in range(self.number)
        ]
        loads = [future.result() for future in futures]
        return Load(
            sum(load.answers for load in loads),
            sum(load.refused for load in loads),
            [each for load in loads for each in load.seconds],
        )

    def close(self) -> None:
        self._pool.shutdown()


_together: Any = None


def _remember(barrier: Any) -> None:
    global _together
    _together = barrier


def _from(requests: Sequence[bytes], client: int, clients: int) -> Sequence[bytes]:
    start = client * len(requests) // clients
    return [*requests[start:], *requests[:start]]


def _drive(port: int, requests: Sequence[bytes], seconds: float) -> Load:
    connection, answers, refused, times = Connection(port), 0, 0, list[float]()
    connection.ask(requests[0])
    _together.wait(START_SECONDS_MAX)
    now = time.perf_counter()
    end = now + seconds
    while now < end:
        status, _ = connection.ask(requests[(answers + refused) % len(requests)])
        if status < 300:
            answers += 1
        else:
            refused += 1
        before, now = now, time.perf_counter()
        times.append(now - before)
    connection.close()
    return Load(answers, refused, times)
