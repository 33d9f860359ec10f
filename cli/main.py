"""The `mechanic-shop` command: what it can do, on one page."""

from __future__ import annotations

import click

from cli import accounts, audit, demo, events, keys, projections, serving


@click.group()
@click.version_option(package_name="mechanic-shop")
def main() -> None:
    """The backend of an auto repair shop.

    Settings come from the environment or a .env file; .env.example explains each.
    """


main.add_command(serving.serve)
main.add_command(serving.worker)
main.add_command(serving.migrate)
main.add_command(serving.grants)
main.add_command(accounts.accounts)
main.add_command(audit.audit)
main.add_command(demo.demo)
main.add_command(events.events)
main.add_command(keys.keys)
main.add_command(projections.projections)
