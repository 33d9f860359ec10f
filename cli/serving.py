"""Starting the service: the API, a worker, the schema."""

from __future__ import annotations

import secrets
from typing import Any

import click
from gunicorn.app.base import BaseApplication

from api.app import create_app
from cli import console
from cli.accounts import create
from cli.demo import SMALL, seed
from domain.account import Role
from infrastructure.event_store.checks import Unfit, check
from infrastructure.preparing import prepare
from infrastructure.runtime import Runtime, open_runtime
from infrastructure.settings import Settings
from workers import worker as background

ADMIN_EMAIL = "admin@shop.example"
GRACE_SECONDS = 20
KEEPALIVE_SECONDS = 15


class Server(BaseApplication):
    """Gunicorn, told what to do by our settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._runtime: Runtime | None = None
        super().__init__()

    def load_config(self) -> None:
        settings = self._settings
        options: dict[str, Any] = dict(
            bind=f"{settings.host}:{settings.port}",
            workers=1 if settings.embedded else settings.web_concurrency,
            worker_class="gthread",
            threads=settings.web_threads,
            graceful_timeout=GRACE_SECONDS,
            keepalive=KEEPALIVE_SECONDS,
            loglevel=settings.log_level.lower(),
            worker_exit=self._exit,
            # Answers come from this program alone; the version of the server is nobody's business.
            proc_name="mechanic-shop",
        )
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """In each worker process, after the fork."""
        self._runtime = open_runtime(self._settings)
        self._runtime.start()
        return create_app(self._runtime)

    def _exit(self, server: object, worker: object) -> None:
        if self._runtime is not None:
            self._runtime.close()


@click.command()
def serve() -> None:
    """Serve the API; without DATABASE_URL the whole shop in this one process."""
    settings = console.settings()
    if settings.embedded and settings.web_concurrency > 1:
        console.err.print("WEB_CONCURRENCY is ignored: embedded mode is one process")
    with console.runtime(settings) as runtime:
        if settings.embedded:
            _first_start(runtime)
        else:
            _must_be_fit(runtime)
        url = f"http://{settings.host}:{settings.port}"
        console.out.print(f"{settings.shop_name} at {url}  (docs: {url}/docs)", markup=False)
    Server(settings).run()


@click.command()
def worker() -> None:
    """Build the views from the events, in the background."""
    settings = console.settings()
    with console.runtime(settings) as runtime:
        if settings.embedded:
            raise console.fail("embedded mode needs no worker: `mechanic-shop serve` does it all")
        _must_be_fit(runtime)
        console.out.print("worker: following the events")
        background.run(runtime)


@click.command()
def migrate() -> None:
    """Bring the schema and the views up to date. Safe to run at any time, and twice at once."""
    with console.runtime() as runtime:
        prepare(runtime)
        console.out.print("the schema is up to date")


def _must_be_fit(runtime: Runtime) -> None:
    try:
        for warning in check(runtime.database):
            console.err.print(f"WARNING: {warning}", markup=False)
    except Unfit as unfit:
        raise console.fail(str(unfit)) from None


def _first_start(runtime: Runtime) -> None:
    """Make an empty shop usable: schema, an admin, demonstration data."""
    prepare(runtime)
    if runtime.feed.position() > 0:
        return
    settings = runtime.settings
    email = settings.admin_email or ADMIN_EMAIL
    password = settings.admin_password or secrets.token_urlsafe(15)
    admin = create(runtime, email, password, Role.ADMIN)
    console.out.print(f"admin: {email}", markup=False)
    if settings.admin_password is None:
        console.out.print(f"password (shown this once): {password}", markup=False)
    if settings.demo:
        seed(runtime, SMALL, by=admin)
    while runtime.advance():
        continue
