"""Approved bytes: what each release stores for one example of every event.

Keys and nonces are fixed here, and only here, so that the bytes can be compared. A line is
`{"topic": ..., "state": ...}`; the state is, to the byte, what the column holds.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from uuid import UUID

import msgspec

from domain.events import AnyEvent
from infrastructure.database import Database
from infrastructure.event_store.keyring import KeyRing
from infrastructure.event_store.mapper import EventMapper
from tests.approved.examples import examples

DIRECTORY = Path(__file__).parent / "events"


class Line(msgspec.Struct, frozen=True):
    topic: str
    state: msgspec.Raw


class Envelope(msgspec.Struct, frozen=True):
    """What the bytes of every release say about whose they are."""

    originator_id: UUID
    originator_version: int


def approved_file() -> Path:
    """Of the current release."""
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    version = tomllib.loads(pyproject.read_text())["project"]["version"]
    return DIRECTORY / f"{version}.ndjson"


def fixed_bytes(size: int) -> bytes:
    return bytes(range(size))


def fixed_keyring(database: Database) -> KeyRing:
    """Every subject has the same key."""
    return KeyRing(database, [fixed_bytes(32)], random=fixed_bytes)


def todays_lines(database: Database) -> list[Line]:
    mapper = EventMapper(fixed_keyring(database), random=fixed_bytes)
    stored = mapper.to_stored_events(examples(AnyEvent))
    return [Line(each.topic, msgspec.Raw(each.state)) for each in stored]


def read_lines(file: Path) -> list[Line]:
    return msgspec.json.Decoder(Line).decode_lines(file.read_bytes())


def write_lines(file: Path, lines: list[Line]) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(msgspec.json.Encoder().encode_lines(lines))
