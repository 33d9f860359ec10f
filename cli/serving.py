"""Starting the service: the API, a worker, the schema."""

from __future__ import annotations

import os
import secrets
import socket
import sys

import click

from cli import console
from cli.accounts import create
from cli.demo import SMALL, seed
from domain.account import Role
from infrastructure.event_store.checks import check
from infrastructure.grants import grants as wanted
from infrastructure.preparing import prepare
from infrastructure.queue import EXPORTS, VIEWS
from infrastructure.runtime import Runtime
from infrastructure.settings import Settings
from workers import worker as background

ADMIN_EMAIL = "admin@shop.example"


@click.command()
def serve() -> None:
    """Serve the API; without DATABASE_URL the whole shop in this one process."""
    settings = console.settings(sys.stdout)
    if settings.embedded and settings.web_concurrency > 1:
        console.warn(settings, "WEB_CONCURRENCY is ignored: embedded mode is one process")
    address = _free(settings)
    with console.runtime(settings) as runtime:
        if settings.embedded:
            _first_start(runtime)
        _must_be_fit(runtime)
        url = f"http://{address}"
        console.say(settings, f"{settings.shop_name} at {url}  (docs: {url}/docs)")
    # Gunicorn reads this one by itself, on import, and fails over what is not a number.
    os.environ.pop("WEB_CONCURRENCY", None)
    from cli.server import Server

    Server(settings, address).run()


@click.command()
@click.option(
    "--queue",
    type=click.Choice([VIEWS, EXPORTS]),
    default=VIEWS,
    help="What to work on: a process works on one of them, so that neither waits.",
)
def worker(queue: str) -> None:
    """Build the views from the events, or make exports, in the background."""
    settings = console.settings(sys.stdout)
    with console.runtime(settings) as runtime:
        if settings.embedded:
            raise console.fail("embedded mode needs no worker: `mechanic-shop serve` does it all")
        _must_be_fit(runtime)
        doing = "following the events" if queue == VIEWS else "making exports"
        console.say(settings, f"worker: {doing}")
        background.run(runtime, queue)


@click.command()
def migrate() -> None:
    """Bring the schema and the views up to date. Safe to run at any time, and twice at once."""
    with console.runtime() as runtime:
        prepare(runtime)
        click.echo("the schema is up to date")


@click.command()
def grants() -> None:
    """Print what `migrate` grants, for those who would rather do it by hand."""
    settings = console.settings()
    if settings.embedded:
        raise console.fail("embedded mode knows no users of the database")
    if settings.api_database_user is None or settings.worker_database_user is None:
        raise console.fail("API_DATABASE_USER and WORKER_DATABASE_USER must name the users")
    with console.runtime(settings) as runtime, runtime.database.reading() as connection:
        for each in wanted(connection, settings):
            click.echo(each)


def _free(settings: Settings) -> str:
    """Where to listen. Gunicorn would try for seconds, and say in its own words that it cannot."""
    host, port = settings.host.strip("[]"), settings.port
    is_ipv6 = ":" in host
    address = f"[{host}]:{port}" if is_ipv6 else f"{host}:{port}"
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        why = str(error.strerror).partition(" (")[0]
        raise console.fail(f"{address}: {why}; HOST and PORT name another") from None
    return address


def _must_be_fit(runtime: Runtime) -> None:
    """Raises `Unfit`, `WrongMasterKey` and `NoViews`."""
    for warning in check(runtime.database):
        console.warn(runtime.settings, warning)
    runtime.keyring.digest(b"")  # Opens with the right master key only.
    runtime.generations.live()


def _first_start(runtime: Runtime) -> None:
    """Make an empty shop usable: schema, an admin, demonstration data."""
    prepare(runtime)
    if runtime.feed.position() > 0:
        return
    settings = runtime.settings
    email = settings.admin_email or ADMIN_EMAIL
    password = settings.admin_password or secrets.token_urlsafe(15)
    admin = create(runtime, email, password, Role.ADMIN)
    click.echo(f"admin: {email}")
    if settings.admin_password is None:
        click.echo(f"password (shown this once): {password}")
    if settings.demo:
        seed(runtime, SMALL, by=admin)
    while runtime.advance():
        continue
