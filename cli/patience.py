"""How long the HTTP server waits for a client, and a client for the server."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import get_ident
from typing import Any, ParamSpec, TypeVar

import msgspec
from falcon.util import code_to_http_status
from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.wsgi import Response
from gunicorn.workers.gthread import ThreadWorker

from api.pressure import waited_seconds
from api.problems import KINDS, MEDIA_PROBLEM, OF_STATUS, made

P = ParamSpec("P")
T = TypeVar("T")


LINGER_MILLISECONDS = 2
"""How long a thread that has nothing else to do waits for the next request of the client that it
has just answered. Handing the connection back costs as much as reading and answering a request."""


def refuse(sock: socket.socket, status_int: int, reason: str, mesg: str) -> None:
    """Answer what is no proper request of HTTP: with a problem, like everything else."""
    slug = OF_STATUS.get(status_int, "unreadable")
    problem = made(slug, mesg or KINDS[slug].meaning)
    body = msgspec.json.encode(problem)
    head = (
        f"HTTP/1.1 {code_to_http_status(problem.status)}\r\nConnection: close\r\n"
        f"Content-Type: {MEDIA_PROBLEM}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    util.write_nonblock(sock, head.encode() + body)


class Threads(ThreadPoolExecutor):
    """Tells each request how long it waited for its thread."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        queued = time.monotonic()

        def run() -> T:
            waited_seconds.set(time.monotonic() - queued)
            return function(*args, **kwargs)

        return super().submit(run)

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits for a thread."""
        return not self._work_queue.empty()


class Packet(list[bytes]):
    """Keeps what is for a socket."""

    sendall = list.append


class Answer(Response):
    """Sends the headers together with the first piece of the body: a packet less, and one time
    less that the thread gives the interpreter away and that the client wakes up."""

    def write(self, arg: bytes) -> None:
        if self.headers_sent:
            return super().write(arg)
        sock, packet = self.sock, Packet()
        self.sock = packet  # type: ignore[assignment]
        super().write(arg)
        self.sock = sock
        sock.sendall(b"".join(packet))


class PatientWorker(ThreadWorker):
    """Gthread, which waits for ever where a client sends a part of its request and goes silent,
    or sends one byte at a time, or takes no more of its answer: a few of those hold all threads.

    From when a thread takes it a request has REQUEST_SECONDS to arrive, be answered and be taken;
    then its connection is closed under the thread. A stream has time limits of its own.
    """

    def get_thread_pool(self) -> Threads:
        return Threads(self.cfg.threads)

    def init_process(self) -> None:
        util.write_error = refuse  # Gunicorn's own is HTML, and there is no other way to say so.
        self._waiting: dict[int, tuple[float, Any]] = {}
        super().init_process()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        wsgi.Response = Answer  # type: ignore[misc]
        application = self.wsgi

        def timely(environ: Any, start_response: Any) -> Iterable[bytes]:
            body = application(environ, start_response)
            if not isinstance(body, list):  # a stream
                self._waiting.pop(get_ident(), None)
            return body

        self.wsgi = timely

    def handle(self, conn: Any) -> Any:
        kept = self._handle_one(conn)
        while kept is True and self._next_is_there(conn):
            waited_seconds.set(0.0)
            kept = self._handle_one(conn)
        return kept

    def _handle_one(self, conn: Any) -> Any:
        """Its next request. Whether the connection is kept."""
        self._waiting[get_ident()] = time.monotonic() + self._seconds(), conn
        try:
            return super().handle(conn)
        finally:
            self._waiting.pop(get_ident(), None)

    def _seconds(self) -> float:
        server: Any = self.app
        return float(server.settings.request_seconds)

    def _next_is_there(self, conn: Any) -> bool:
        threads: Threads = self.tpool  # type: ignore[assignment]
        if threads.is_wanted or conn.parser.unreader.buf.getvalue():
            return False
        arriving = select.poll()
        arriving.register(conn.sock, select.POLLIN)
        return bool(arriving.poll(LINGER_MILLISECONDS))

    def set_accept_enabled(self, enabled: bool | None) -> None:
        """Who stops listens no more: a connection that was taken and left alone until the last
        request under way is answered would then be reset, and could have gone elsewhere."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()

    def murder_pending(self) -> None:
        """Once a second, from the main loop."""
        super().murder_pending()
        now = time.monotonic()
        for until, conn in list(self._waiting.values()):
            if until < now:
                with suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RDWR)
