"""A shop of real processes that are struck down and come back, and what runs against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx

from infrastructure.runtime import Runtime, open_runtime
from infrastructure.settings import Settings
from tests.process import KEYS, PATIENCE_SECONDS, ROOT, Process
from tests.server_process import free_port
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, founded

LOGIN = {"ADMIN_EMAIL": ADMIN_EMAIL, "ADMIN_PASSWORD": ADMIN_PASSWORD}
QUIET = {"LOG_LEVEL": "ERROR", "DEMO": "0", **KEYS, **LOGIN}


class Service:
    """`processes` by name: `api`, `worker` if there are servers, and the examples."""

    def __init__(self, directory: Path, settings: Mapping[str, str]) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (directory / "data").mkdir()
        data = {"DATA_DIR": str(directory / "data"), "PORT": str(self.port)}
        self.settings = {**QUIET, **data, **settings}
        self.distributed = "DATABASE_URL" in settings
        self.processes: dict[str, Process] = {}
        self._starts: dict[str, Callable[[], Process]] = {}

    def start(self, name: str, *arguments: str, program: tuple[str, ...] = ("-m", "cli")) -> None:
        cwd = self.directory / name
        cwd.mkdir(parents=True, exist_ok=True)
        self._starts[name] = lambda: Process(
            *arguments, settings=self.settings, cwd=cwd, program=program
        )
        self.processes[name] = self._starts[name]()

    def example(self, name: str, *arguments: str, **environment: str) -> None:
        login = {"SHOP_EMAIL": ADMIN_EMAIL, "SHOP_PASSWORD": ADMIN_PASSWORD}
        self.settings |= login | environment
        self.start(name, self.url, *arguments, program=(str(ROOT / "examples" / f"{name}.py"),))

    def kill(self, name: str) -> None:
        """SIGKILL, and not a moment before: what ended by itself is a failure."""
        self.processes[name].must_live()
        self.processes[name].kill()

    def restart(self, name: str) -> None:
        self.processes[name] = self._starts[name]()

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/livez", timeout=5, verify=False).status_code == 200
        except httpx.TransportError:
            return False

    def client(self) -> httpx.Client:
        """The admin, logged in."""
        client = httpx.Client(base_url=self.url, timeout=PATIENCE_SECONDS, verify=False)
        body = {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        login = client.post("/v1/auth/login", json=body)
        client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        return client

    def open(self) -> Runtime:
        """The shop from inside."""
        return open_runtime(Settings.read(self.settings))

    def feed(self) -> list[tuple[int, str]]:
        """Position and id of every event, as the database has them."""
        runtime = self.open()
        try:
            page = runtime.feed.read(0, 10**9)
            return [
                (e.position, f"{UUID(str(e.originator_id))}.{e.originator_version}") for e in page
            ]
        finally:
            runtime.close()


@contextmanager
def serving(directory: Path, settings: Mapping[str, str]) -> Iterator[Service]:
    """Until the service answers; nothing of it is left afterwards."""
    service = Service(directory, settings)
    try:
        if service.distributed:
            founded(settings["DATABASE_URL"], settings["REDIS_URL"])
            service.start("worker", "worker")
        service.start("api", "serve")
        service.processes["api"].until(service.answers)
        yield service
    finally:
        for process in service.processes.values():
            process.end()
