"""The servers under load: this service, the other one, and a bare route. All on gunicorn, with
the same number of processes and threads."""

from __future__ import annotations

import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import NamedTuple

import httpx
import jwt

from benchmarks.seed_stack.data import fill
from benchmarks.servers import JWT_KEY, MASTER_KEY, Subject, runtime_on
from benchmarks.shop_data import ADMIN_EMAIL, PASSWORD, Ids, fill_ours
from infrastructure.runtime import Runtime
from tests.server_process import Server
from tests.service import Api, Process, Worker

WORKERS = 2
PLENTY = "100000000/minute"


class How(NamedTuple):
    """How gunicorn serves. `keepalive` in seconds."""

    worker_class: str = "gthread"
    threads: int = 4
    keepalive: int = 15
    processes: int = WORKERS


class Gunicorn(Process):
    """Another application on gunicorn."""

    name = "gunicorn"

    def __init__(self, directory: Path, application: str, how: How, **settings: str) -> None:
        super().__init__(directory, **settings)
        self._application, self._how = application, how

    def _command(self) -> list[str]:
        how = self._how
        return [
            *(sys.executable, "-m", "gunicorn", self._application),
            *("--bind", f"127.0.0.1:{self.port}", "--workers", str(how.processes)),
            *("--worker-class", how.worker_class, "--threads", str(how.threads)),
            *("--keep-alive", str(how.keepalive), "--log-level", "warning"),
            "--no-control-socket",
        ]

    def _ping(self) -> None:
        try:
            httpx.get(f"http://127.0.0.1:{self.port}/", timeout=5)
        except httpx.HTTPError as error:
            raise OSError(str(error)) from error


class Running(NamedTuple):
    server: Server
    authorization: str

    @property
    def port(self) -> int:
        return self.server.port


class Following(NamedTuple):
    """A worker, and a look at how far it is."""

    worker: Worker
    runtime: Runtime

    def caught_up(self) -> None:
        """Returns once the views show all that is committed."""
        queries, feed = self.runtime.queries, self.runtime.feed
        while feed.waiting_since() or queries.position() < feed.position():
            time.sleep(0.02)


@dataclass(frozen=True)
class World:
    """Both shops in one database server, filled alike, and whatever serves them."""

    directory: Path
    subject: Subject
    redis_url: str
    our_url: str
    their_url: str
    ids: Ids
    numbers: Iterator[int]

    @classmethod
    def made(cls, directory: Path, subject: Subject, redis_url: str) -> World:
        our_url, their_url = subject.prepared("ours"), subject.empty("theirs")
        subject.durable(False)
        fill(their_url)
        ids = fill_ours(our_url)
        subject.durable(True)
        return cls(directory, subject, redis_url, our_url, their_url, ids, count())

    def place(self) -> Path:
        return self.directory / f"server-{next(self.numbers)}"

    @contextmanager
    def bare(self, how: How) -> Iterator[Running]:
        server = Gunicorn(self.place(), "benchmarks.bare:create_app()", how)._begin()
        yield Running(server, "")
        server.stop()

    @contextmanager
    def theirs(self, how: How, *, cached: bool) -> Iterator[Running]:
        settings = dict(
            SEED_DATABASE_URL=self.their_url,
            SEED_REDIS_URL=self.redis_url,
            SEED_SECRET_KEY=JWT_KEY,
            SEED_CACHE_SECONDS="60" if cached else "0",
        )
        application = "benchmarks.seed_stack.app:create_app()"
        server = Gunicorn(self.place(), application, how, **settings)._begin()
        token = jwt.encode({"sub": "1", "role": "admin"}, JWT_KEY, "HS256")
        yield Running(server, f"Bearer {token}")
        server.stop()

    @contextmanager
    def ours(self, how: How, *, limits: bool) -> Iterator[Running]:
        """As `mechanic-shop serve` runs it."""
        api = Api.start(self.place(), **self._settings(how, limits=limits))
        yield Running(api, self._log_in(api.url))
        api.stop()

    @contextmanager
    def application(self, how: How) -> Iterator[Running]:
        """Ours, served in that way; without limits."""
        settings = self._settings(how, limits=False)
        server = Gunicorn(self.place(), "benchmarks.served:create_app()", how, **settings)._begin()
        yield Running(server, self._log_in(f"http://127.0.0.1:{server.port}"))
        server.stop()

    @contextmanager
    def worker(self) -> Iterator[Following]:
        """One that has caught up; it says on INFO that it has begun."""
        settings = self._settings(How(), limits=False) | {"LOG_LEVEL": "INFO"}
        worker = Worker.start(self.place(), **settings)
        with closing(runtime_on(self.our_url)) as runtime:
            following = Following(worker, runtime)
            following.caught_up()
            yield following
        worker.kill()

    def _settings(self, how: How, *, limits: bool) -> dict[str, str]:
        return dict(
            DATABASE_URL=self.our_url,
            REDIS_URL=self.redis_url,
            JWT_SECRET_KEY=JWT_KEY,
            MASTER_KEY=b64encode(MASTER_KEY).decode(),
            WEB_CONCURRENCY=str(how.processes),
            WEB_THREADS=str(how.threads),
            RATE_LIMIT_ENABLED="1" if limits else "0",
            RATE_LIMIT_READS=PLENTY,
            RATE_LIMIT_WRITES=PLENTY,
            LOG_LEVEL="WARNING",
        )

    @staticmethod
    def _log_in(url: str) -> str:
        body = {"email": ADMIN_EMAIL, "password": PASSWORD}
        answer = httpx.post(f"{url}/v1/auth/login", json=body, timeout=30)
        return f"Bearer {answer.raise_for_status().json()['access_token']}"
