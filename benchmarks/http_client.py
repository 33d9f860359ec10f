"""Clients in processes of their own: one connection each, one request after the other."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle
from typing import Any, NamedTuple, Protocol

from benchmarks.writers import processes

START_SECONDS_MAX = 60
CHUNK = 256 * 1024
BEHIND, AGAIN_SECONDS = 503, 0.01


Ask = Callable[[], bool | None]
"""Asks once: whether the answer was a good one, or None if there is no more to ask."""


class Script(Protocol):
    """What clients do; it is sent to their processes."""

    def asking(self, client: int, clients: int) -> Ask: ...


class Load(NamedTuple):
    """What clients together got. `elapsed` ends with the last of them, `times` are those of each
    answer; seconds."""

    answers: int
    refused: int
    elapsed: float
    times: list[float]


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


class Requests(NamedTuple):
    """Each client begins at another one of them and goes round; `once`: has its share of them
    and asks each once. `follows`: sends the consistency token of its last answer along, and asks
    again, in the same time, where the views are not that far yet and no more may wait (503)."""

    port: int
    requests: Sequence[bytes]
    once: bool = False
    follows: bool = False

    def asking(self, client: int, clients: int) -> Ask:
        connection, mine = Connection(self.port), self.of(client, clients)

        def ask() -> bool | None:
            if (each := next(mine, None)) is None:
                return None
            if self.follows and (token := connection.header("consistency-token")):
                line, _, rest = each.partition(b"\r\n")
                each = b"%b\r\nConsistency-Token: %b\r\n%b" % (line, token.encode(), rest)
            status, _ = connection.ask(each)
            while self.follows and status == BEHIND:
                time.sleep(AGAIN_SECONDS)
                status, _ = connection.ask(each)
            return status < 300

        return ask

    def of(self, client: int, clients: int) -> Iterator[bytes]:
        """Those of one client, in its order."""
        start = client * len(self.requests) // clients
        if self.once:
            return iter(self.requests[start : (client + 1) * len(self.requests) // clients])
        return cycle([*self.requests[start:], *self.requests[:start]])


class Clients:
    """So many processes, which all start at one moment."""

    def __init__(self, number: int) -> None:
        self.number = number
        barrier = processes.Barrier(number)
        self._pool = ProcessPoolExecutor(
            number, mp_context=processes, initializer=_remember, initargs=(barrier,)
        )

    def drive(self, script: Script, seconds: float) -> Load:
        """So long, or until there is no more to ask."""
        loads = list(self._each(_drive, script, seconds))
        return Load(
            sum(load.answers for load in loads),
            sum(load.refused for load in loads),
            max(load.elapsed for load in loads),
            [each for load in loads for each in load.times],
        )

    def answers(self, requests: Requests) -> list[bytes]:
        """The body of each, asked once."""
        return [body for part in self._each(_gather, requests) for body in part]

    def close(self) -> None:
        self._pool.shutdown()

    def _each(self, work: Callable[..., Any], *given: object) -> list[Any]:
        futures = [self._pool.submit(work, *given, n, self.number) for n in range(self.number)]
        return [future.result() for future in futures]


_together: Any = None


def _remember(barrier: Any) -> None:
    global _together
    _together = barrier


def _drive(script: Script, seconds: float, client: int, clients: int) -> Load:
    ask, answers, refused, times = script.asking(client, clients), 0, 0, list[float]()
    # The first one connects.
    ask()
    _together.wait(START_SECONDS_MAX)
    now = start = time.perf_counter()
    while now < start + seconds and (good := ask()) is not None:
        answers, refused = answers + good, refused + (not good)
        before, now = now, time.perf_counter()
        times.append(now - before)
    return Load(answers, refused, now - start, times)


def _gather(requests: Requests, client: int, clients: int) -> list[bytes]:
    connection = Connection(requests.port)
    found = [connection.ask(each) for each in requests._replace(once=True).of(client, clients)]
    if refused := [body for status, body in found if status >= 300]:
        raise RuntimeError(f"{len(refused)} refused, the first: {refused[0]!r}")
    connection.close()
    return [body for _, body in found]
