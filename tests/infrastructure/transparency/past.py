"""A shop with a past, its log, and what an auditor would say about them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from cli.demo import Size, seed
from commands.customers import RegisterCustomer
from commands.kernel import Context
from infrastructure.runtime import Runtime, open_runtime
from infrastructure.settings import Settings
from infrastructure.transparency.checking import Finding, check
from tests.shop import SECRETS

TINY = Size(customers=3, vehicles=3, mechanics=2, parts=3, tickets=4)


def happen(runtime: Runtime, size: Size = TINY) -> int:
    """Play a year, and sequence it; the last position."""
    seed(runtime, size, by=None)
    while runtime.sequencer.step():
        continue
    return runtime.feed.position()


def go_on(runtime: Runtime, customers: int = 20) -> int:
    """More people come, after a past; the last position."""
    context = Context(actor=None, role="system", correlation_id="tests")
    for _ in range(customers):
        given = dict(name="Another", email=f"{uuid4().hex}@mail.example")
        runtime.execute(runtime.build(RegisterCustomer, given), context)
    while runtime.sequencer.step():
        continue
    return runtime.feed.position()


def catch_up(runtime: Runtime) -> str:
    """The checkpoint once everything is in the log."""
    while runtime.transparency_log.extend():
        continue
    return runtime.transparency_log.head().note


def findings(runtime: Runtime, held: str | None = None, keys: Sequence[str] = ()) -> list[Finding]:
    return check(runtime.database, keys, held).faults


def said(runtime: Runtime, held: str | None = None, keys: Sequence[str] = ()) -> list[str]:
    return [finding.says for finding in findings(runtime, held, keys)]


class Past(NamedTuple):
    """A shop's database at two moments, and what an auditor kept at each."""

    before: Path
    after: Path
    held_before: str
    held: str
    keys: list[str]


def opened(directory: Path) -> Runtime:
    return open_runtime(Settings(data_dir=directory, **SECRETS))


def copied(file: Path, directory: Path) -> Runtime:
    shutil.copy(file, directory / "shop.db")
    for left in ("shop.db-wal", "shop.db-shm"):
        (directory / left).unlink(missing_ok=True)
    return opened(directory)
