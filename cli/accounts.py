"""Accounts from the command line: the first admin has nobody to register it."""

from __future__ import annotations

from uuid import UUID

import click
import msgspec

from api.validation import from_json
from cli import console
from commands.accounts import RegisterAccount
from commands.fields import Email, Password
from commands.kernel import Context
from domain.account import Role
from infrastructure.ids import uuid7
from infrastructure.runtime import Runtime


class Login(msgspec.Struct):
    email: Email
    password: Password


@click.group()
def accounts() -> None:
    """Accounts."""


@accounts.command("create-admin")
@click.option("--email", help="ADMIN_EMAIL, if not given; asked for if there is none.")
@click.option("--password", help="ADMIN_PASSWORD, if not given; asked for if there is none.")
def create_admin(email: str | None, password: str | None) -> None:
    """Register an admin."""
    settings = console.settings()
    email = email or settings.admin_email or click.prompt("Email")
    password = password or settings.admin_password or click.prompt("Password", hide_input=True)
    with console.runtime(settings) as runtime:
        create(runtime, email, password, Role.ADMIN)
        click.echo(f"admin {email} registered")


def create(runtime: Runtime, email: str, password: str, role: Role) -> UUID:
    """Register an account as the system itself. Raises `InvalidFields` or `Refused`."""
    from_json(msgspec.json.encode(dict(email=email, password=password)), Login)
    given = dict(email=email, password=password, role=role)
    context = Context(actor=None, role="system", correlation_id=f"cli-{uuid7()}")
    return runtime.execute(runtime.build(RegisterAccount, given), context).id
