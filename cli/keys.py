"""Looking after the keys of personal data."""

from __future__ import annotations

import click

from cli import console
from infrastructure.event_store.keyring import WrongMasterKey


@click.group()
def keys() -> None:
    """The keys of personal data."""


@keys.command()
def rotate() -> None:
    """Wrap every key anew under MASTER_KEY.

    First give every process the new MASTER_KEY, with the old one in MASTER_PREVIOUS_KEYS.
    The old one may go after a run that finds nothing to do.
    """
    with console.runtime() as runtime:
        try:
            wrapped = runtime.keyring.rotate()
        except WrongMasterKey as error:
            raise console.fail(str(error)) from None
        console.out.print(f"{wrapped} keys wrapped anew")
