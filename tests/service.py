"""The service as it runs in a shop: real processes of `mechanic-shop`, spoken to over HTTP."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Self

import httpx

from commands.accounts import RegisterAccount
from commands.kernel import Context
from domain.account import Role
from infrastructure.preparing import prepare
from infrastructure.runtime import open_runtime
from infrastructure.settings import Settings
from tests import leaks
from tests.personal import PASSWORD
from tests.process import KEYS, children, distributed, environment, run
from tests.server_process import Server

ADMIN_EMAIL, ADMIN_PASSWORD = "admin@shop.example", PASSWORD


def founded(database_url: str, redis_url: str) -> dict[str, str]:
    """The settings of a shop on servers, after its owner has prepared it and made an admin."""
    settings = distributed(database_url, redis_url)
    runtime = open_runtime(Settings.read(settings))
    prepare(runtime)
    admin = dict(email=ADMIN_EMAIL, password=ADMIN_PASSWORD, role=Role.ADMIN)
    context = Context(actor=None, role="system", correlation_id="tests")
    runtime.execute(runtime.build(RegisterAccount, admin), context)
    runtime.close()
    return settings


class Process(Server):
    """A server of `mechanic-shop`: it answers when it was started, and can be struck down and
    brought back. What ends or says what is tested is a `tests.process.Process`."""

    name = "mechanic-shop"
    arguments: tuple[str, ...] = ()

    def __init__(self, directory: Path, **settings: str) -> None:
        super().__init__(directory)
        directory.mkdir(parents=True, exist_ok=True)
        leaks.kept(self.log)
        self._settings = KEYS | settings

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "cli", *self.arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command with the same settings, to its end."""
        return run(*arguments, settings=self._environment(), cwd=self.directory)

    def _environment(self) -> dict[str, str]:
        return environment(self._settings)


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
        """The processes that answer."""
        return children(self.pid)

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
