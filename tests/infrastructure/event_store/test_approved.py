"""The bytes of every release so far are read; those of this release are written."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import msgspec
import pytest

from domain.events import AnyEvent
from domain.kernel import Event
from infrastructure.database import Database
from infrastructure.event_store.mapper import EventMapper
from infrastructure.event_store.recorder import StoredRecord
from infrastructure.event_store.sealing import personal_fields
from tests.approved.examples import FIRST_INSTANT, examples
from tests.approved.stored_events import (
    DIRECTORY,
    Envelope,
    Line,
    approved_file,
    fixed_keyring,
    read_lines,
    todays_lines,
)

RELEASES = sorted(DIRECTORY.glob("*.ndjson"))
APPROVE = "look at the difference `python -m tests.approve` makes"


@pytest.fixture(params=["sqlite"])
def leg(request: pytest.FixtureRequest) -> str:
    """Bytes do not depend on the database."""
    return str(request.param)


def whose(line: Line) -> Envelope:
    return msgspec.json.decode(line.state, type=Envelope)


def rows(lines: list[Line]) -> list[StoredRecord]:
    return [
        StoredRecord(
            **msgspec.structs.asdict(whose(line)),
            topic=line.topic,
            state=bytes(line.state),
            recorded_at=FIRST_INSTANT,
        )
        for line in lines
    ]


@pytest.mark.parametrize("release", RELEASES, ids=lambda file: file.stem)
def test_the_bytes_of_every_release_are_read(release: Path, database: Database) -> None:
    keyring, lines = fixed_keyring(database), read_lines(release)
    for line in lines:
        keyring.create(whose(line).originator_id)

    history = EventMapper(keyring).to_domain_events(rows(lines))

    events: list[Event] = [recorded.event for recorded in history]
    assert events
    for event in events:
        assert all(getattr(event, name) for name in personal_fields(type(event)))


def test_this_release_reads_back_the_examples(database: Database) -> None:
    stored = rows(todays_lines(database))

    assert EventMapper(fixed_keyring(database)).to_domain_events(stored) == examples(AnyEvent)


def test_this_release_stores_the_approved_bytes(database: Database) -> None:
    approved = {line.topic: bytes(line.state) for line in read_lines(approved_file())}

    today = {line.topic: bytes(line.state) for line in todays_lines(database)}

    assert today == approved, APPROVE


def test_every_tag_has_an_approved_example() -> None:
    kinds: tuple[type[Event], ...] = get_args(AnyEvent)

    tags = {kind.__struct_config__.tag for kind in kinds}

    assert tags == {line.topic for line in read_lines(approved_file())}, APPROVE
