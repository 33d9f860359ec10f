"""For auditors: the log's checkpoint, checking the whole log, checking evidence offline."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from cli import console
from infrastructure.transparency.checking import Checked, check
from infrastructure.transparency.verifier import verify_bundle

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
key_option = click.option(
    "--key", "keys", multiple=True, metavar="VKEY", help="A public key to trust, and no other."
)
against_option = click.option(
    "--against", type=FILE, metavar="FILE", help="A checkpoint that you kept."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


@click.group()
def audit() -> None:
    """Proofs that history was not edited; docs/auditing.md explains them."""


@audit.command()
def checkpoint() -> None:
    """Print the signed checkpoint of the log, brought up to date. Keep it elsewhere."""
    with console.runtime() as runtime:
        while runtime.transparency_log.extend():
            continue
        click.echo(runtime.transparency_log.head().note, nl=False)


@audit.command()
def keys() -> None:
    """Print the public keys that checkpoints are signed with."""
    with console.runtime() as runtime:
        runtime.transparency_log.head()
        for key in runtime.transparency_log.signers.published():
            until = f", retired {key.retired_at.isoformat()}" if key.retired_at else ""
            click.echo(f"{key.public_key}  made {key.made_at.isoformat()}{until}")


@audit.command("check")
@against_option
@key_option
@json_option
def check_log(against: Path | None, keys: tuple[str, ...], as_json: bool) -> None:
    """Verify every stored event against the log and its root; exit code 1 if one differs."""
    held = _held(against)
    with console.runtime() as runtime:
        checked = check(runtime.database, keys, held)
    if as_json:
        click.echo(msgspec.json.encode(_told(checked)))
    else:
        for fault in checked.faults:
            click.echo(fault.says)
        if not checked.faults:
            click.echo(_summary(checked, held is not None))
    if checked.faults:
        click.echo(f"{len(checked.faults)} faults", err=True)
        sys.exit(1)


@audit.command()
@click.argument("bundle", type=FILE)
@key_option
@against_option
@json_option
def verify(bundle: Path, keys: tuple[str, ...], against: Path | None, as_json: bool) -> None:
    """Check a bundle of evidence, without database or network; exit code 1 if it fails."""
    held = _held(against)
    verdict = verify_bundle(bundle.read_bytes(), keys, held)
    told = dict(verified=not verdict.faults, faults=verdict.faults, found=verdict.found)
    click.echo(msgspec.json.encode(told) if as_json else str(verdict))
    sys.exit(1 if verdict.faults else 0)


def _held(against: Path | None) -> str | None:
    """What is no text at all is no signed note either, as the verdict says."""
    return None if against is None else against.read_text("utf-8", errors="replace")


def _told(checked: Checked) -> dict[str, object]:
    head = checked.head
    return dict(
        origin=head.origin if head else None,
        size=head.size if head else 0,
        checkpoint=head.note if head else None,
        faults=checked.faults,
    )


def _summary(checked: Checked, held: bool) -> str:
    size = checked.head.size if checked.head else 0
    continued = " and continues the checkpoint held" if held else ""
    return f"the log is whole{continued}: {size} events are as they were logged"
