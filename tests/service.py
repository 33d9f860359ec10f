"""The service as it runs in a shop: real processes of `mechanic-shop`, spoken to over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Self

import httpx

from tests import leaks
from tests.personal import PASSWORD
from tests.server_process import Server

ADMIN_EMAIL, ADMIN_PASSWORD = "admin@shop.example", PASSWORD
SECRETS = {
    # Tests ask more often than people do.
    "RATE_LIMIT_ENABLED": "0",
    "JWT_SECRET_KEY": "a key of the processes, for tests only",
    "MASTER_KEY": b64encode(bytes(range(32))).decode(),
}


class Process(Server):
    """`mechanic-shop` with some arguments, in an environment of its own."""

    name = "mechanic-shop"
    arguments: tuple[str, ...] = ()

    def __init__(self, directory: Path, **settings: str) -> None:
        super().__init__(directory)
        directory.mkdir(parents=True, exist_ok=True)
        leaks.kept(self.log)
        self._settings = settings

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "cli", *self.arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command with the same settings, to its end; what it said and complained of."""
        return subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        root = str(Path(__file__).parent.parent)
        return kept | SECRETS | {"PYTHONPATH": root, "PYTHONUNBUFFERED": "1"} | self._settings


class Api(Process):
    """`mechanic-shop serve`: embedded, or distributed with DATABASE_URL and REDIS_URL."""

    arguments = ("serve",)

    @classmethod
    def start(cls, directory: Path, **settings: str) -> Self:
        return cls(directory, **settings)._begin()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _environment(self) -> dict[str, str]:
        return super()._environment() | {"PORT": str(self.port), "DATA_DIR": str(self.directory)}

    def _ping(self) -> None:
        try:
            # Certificates that nobody asks for would take a client most of its time.
            httpx.get(f"{self.url}/livez", timeout=2, verify=False).raise_for_status()
        except httpx.HTTPError as error:
            raise OSError(str(error)) from error

    def children(self) -> list[int]:
        """The processes that answer; Linux knows them."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def client(self, email: str = ADMIN_EMAIL, password: str = ADMIN_PASSWORD) -> httpx.Client:
        """Somebody who is logged in."""
        client = httpx.Client(base_url=self.url, timeout=30, verify=False)
        answer = client.post("/v1/auth/login", json=dict(email=email, password=password))
        client.headers["Authorization"] = (
            f"Bearer {answer.raise_for_status().json()['access_token']}"
        )
        return client


class Worker(Process):
    """`mechanic-shop worker`."""

    arguments = ("worker",)

    @classmethod
    def start(cls, directory: Path, **settings: str) -> Self:
        worker = cls(directory, **settings)
        worker.restart()
        return worker

    def _ping(self) -> None:
        if "following the events" not in self.log.read_text(errors="replace"):
            raise OSError("not started yet")
