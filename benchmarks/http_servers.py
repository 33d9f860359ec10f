"""The servers under load: this service, the other one, and a bare route. All on gunicorn, with
the same number of processes and threads."""

from __future__ import annotations

import os
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import jwt

from benchmarks.servers import JWT_KEY, MASTER_KEY
from benchmarks.shop_data import ADMIN_EMAIL, PASSWORD
from tests.server_process import Server
from tests.service import Api, Process, Worker

WORKERS = 2
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class How(NamedTuple):
    """How gunicorn serves. `keepalive` in seconds."""

    worker_class: str = "gthread"
    threads: int = 4
    keepalive: int = 15


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
            *("--bind", f"127.0.0.1:{self.port}", "--workers", str(WORKERS)),
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


def bare(directory: Path, how: How) -> Running:
    return Running(Gunicorn(directory, "benchmarks.bare:create_app()", how)._begin(), "")


def theirs(directory: Path, url: str, redis_url: str, how: How, *, cached: bool) -> Running:
    key = "a key of benchmarks, and of benchmarks only"
    settings = dict(
        SEED_DATABASE_URL=url,
        SEED_REDIS_URL=redis_url,
        SEED_SECRET_KEY=key,
        SEED_CACHE_SECONDS="60" if cached else "0",
    )
    application = "benchmarks.seed_stack.app:create_app()"
    token = jwt.encode({"sub": "1", "role": "admin"}, key, "HS256")
    server = Gunicorn(directory, application, how, **settings)._begin()
    return Running(server, f"Bearer {token}")


@contextmanager
def ours(
    directory: Path, url: str, redis_url: str, how: How, *, limits: bool, works: bool = True
) -> Iterator[Running]:
    """The API and, if it `works`, a worker."""
    settings = dict(
        DATABASE_URL=url,
        REDIS_URL=redis_url,
        JWT_SECRET_KEY=JWT_KEY,
        MASTER_KEY=b64encode(MASTER_KEY).decode(),
        WEB_CONCURRENCY=str(WORKERS),
        WEB_THREADS=str(how.threads),
        RATE_LIMIT_ENABLED="1" if limits else "0",
        LOG_LEVEL="WARNING",
    )
    with ExitStack() as running:
        if works:
            worker = Worker.start(directory / "worker", **settings)
            running.callback(worker.kill)
        api = Api.start(directory / "api", **settings)
        running.callback(api.stop)
        client = api.client(ADMIN_EMAIL, PASSWORD)
        yield Running(api, client.headers["Authorization"])


def cpu_seconds(server: Server) -> float:
    """What the processes that serve have used so far; the one above them does nothing."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    ticks = 0
    for child in children:
        facts = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        ticks += int(facts[11]) + int(facts[12])
    return ticks / TICKS_PER_SECOND
