"""Looking after the keys: of personal data, and of the log."""

from __future__ import annotations

import click

from cli import console
from infrastructure.transparency.signing import LastKey


@click.group()
def keys() -> None:
    """The keys of personal data, and those that sign the log."""


@keys.command()
def rotate() -> None:
    """Wrap every key anew under MASTER_KEY.

    First give every process the new MASTER_KEY, with the old one in MASTER_PREVIOUS_KEYS.
    The old one may go after a run that finds nothing to do.
    """
    with console.runtime() as runtime:
        click.echo(f"{runtime.keyring.rotate()} keys wrapped anew")


@keys.command("add-signer")
def add_signer() -> None:
    """Make another key that signs the log's checkpoints, beside those there are.

    Auditors who trust the old key find the new one's signature beside it. Retire the old key
    once they have all taken up the new one.
    """
    with console.runtime() as runtime:
        log = runtime.transparency_log
        key = log.signers.add(log.head().origin)
        while log.extend():
            continue
        click.echo(f"{key.id.hex()} signs from now on")


@keys.command("retire-signer")
@click.argument("key_id")
def retire_signer(key_id: str) -> None:
    """Destroy a key that signs the log; what it signed stays verifiable.

    KEY_ID stands between the two + of the key that `audit keys` prints.
    """
    try:
        id = bytes.fromhex(key_id)
    except ValueError:
        raise console.fail(f"a key id is hexadecimal; {key_id!r} is none") from None
    with console.runtime() as runtime:
        try:
            runtime.transparency_log.signers.retire(id)
            runtime.transparency_log.extend()
        except (LookupError, LastKey) as error:
            raise console.fail(str(error)) from None
        click.echo(f"{key_id} signs no more")
