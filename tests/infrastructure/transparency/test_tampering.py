"""Whatever is done to history, below the checkpoint that an auditor kept it is noticed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from uuid import UUID

import msgspec
import pytest

from infrastructure.runtime import Runtime
from infrastructure.transparency import evidence as evidence_module
from infrastructure.transparency.checking import check
from infrastructure.transparency.verifier import Key, open_checkpoint, verify_bundle
from tests.infrastructure.transparency.past import Past, catch_up, copied, findings, go_on, happen
from tests.infrastructure.transparency.tamper import (
    COVER_UPS,
    FALSIFICATIONS,
    Forger,
    build_the_log_anew,
    nothing,
)

TAMPERINGS = int(os.environ.get("TAMPERINGS", "100"))


def size_of(note: str, keys: list[str]) -> int:
    return open_checkpoint(note, [Key.parse(key) for key in keys]).size


def bundle_of(runtime: Runtime, ticket: UUID, since: int) -> bytes | None:
    """What an auditor would be given; `None` where nothing can be."""
    try:
        found = runtime.evidence.of_ticket(ticket, since)
    except Exception:
        return None
    return msgspec.json.encode(found[0]) if found else None


def test_an_untouched_log_gives_no_alarm(past: Past, tmp_path: Path) -> None:
    runtime = copied(past.after, tmp_path)

    for held in (None, past.held_before, past.held):
        for keys in ((), past.keys):
            assert findings(runtime, held, keys) == []
    runtime.close()


@pytest.mark.parametrize("seed", range(TAMPERINGS))
def test_what_was_falsified_below_the_checkpoint_is_found(
    past: Past, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_module, "WAIT_SECONDS", 0)
    chance, upto = Random(seed), size_of(past.held, past.keys)
    falsify = FALSIFICATIONS[seed % len(FALSIFICATIONS)]
    cover_up = COVER_UPS[seed // len(FALSIFICATIONS) % len(COVER_UPS)]
    runtime = copied(past.after, tmp_path)
    with runtime.database.transaction() as connection:
        position = falsify(Forger(connection, chance, upto))

    cover_up(runtime)

    for keys in ((), past.keys):
        found = findings(runtime, past.held, keys)
        assert found, (falsify.__name__, cover_up.__name__)
        if cover_up is nothing:
            assert position in {one.position for one in found}, (falsify.__name__, found)
    runtime.close()


@pytest.mark.parametrize("seed", range(max(TAMPERINGS // 5, len(FALSIFICATIONS))))
def test_evidence_of_what_was_falsified_does_not_verify(
    past: Past, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_module, "WAIT_SECONDS", 0)
    chance, upto = Random(seed), size_of(past.held, past.keys)
    runtime = copied(past.after, tmp_path)
    with runtime.database.transaction() as connection:
        row = Forger(connection, chance, upto).victim(topics="ticket.%")
        ticket = UUID(bytes=row.originator_id)
        good = bundle_of(runtime, ticket, upto)
    assert good is not None
    assert verify_bundle(good, past.keys, past.held).faults == []

    with runtime.database.transaction() as connection:
        forger = Forger(connection, chance, upto)
        forger.set(row, **CHANGES[seed % len(CHANGES)](forger, row))
    cover_up = COVER_UPS[seed % len(COVER_UPS)]
    cover_up(runtime)

    forged = bundle_of(runtime, ticket, upto)
    assert forged is None or verify_bundle(forged, past.keys, past.held).faults
    assert findings(runtime, past.held)
    runtime.close()


CHANGES: list[Callable[..., dict[str, object]]] = [
    lambda forger, row: dict(state=row.state.replace(b'"role":"system"', b'"role":"admin"')),
    lambda forger, row: dict(recorded_at="2001-01-01 00:00:00.000000"),
    lambda forger, row: dict(commit_id=forger.byte(row.commit_id)),
]


def test_a_database_that_was_rolled_back_is_found(past: Past, tmp_path: Path) -> None:
    runtime = copied(past.before, tmp_path)

    assert findings(runtime, past.held_before) == []
    assert any("rolled back" in one.says for one in findings(runtime, past.held))
    go_on(runtime, 60)
    catch_up(runtime)

    assert findings(runtime, past.held_before) == []
    assert any("does not continue" in one.says for one in findings(runtime, past.held))
    assert findings(runtime) == []
    runtime.close()


def test_a_log_built_anew_is_consistent_in_itself_and_only_a_kept_checkpoint_tells(
    past: Past, tmp_path: Path
) -> None:
    """Why checkpoints are kept elsewhere."""
    runtime = copied(past.after, tmp_path)
    with runtime.database.transaction() as connection:
        forger = Forger(connection, Random(1), 20)
        row = forger.victim()
        forger.set(row, state=row.state.replace(b'"role":"system"', b'"role":"admin"'))
    build_the_log_anew(runtime)

    assert findings(runtime) == []
    assert any("does not continue" in one.says for one in findings(runtime, past.held))
    runtime.close()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE log_tiles SET hashes = X'00' WHERE level = 0", "lost the hash"),
        ("DELETE FROM log_tiles", "lost the hash"),
        ("UPDATE log_head SET size = size - 1", "not what was signed"),
        ("UPDATE log_head SET origin = 'another'", "not what was signed"),
        ("DELETE FROM log_keys", "none of the keys"),
        ("INSERT INTO log_tiles (level, number, hashes) VALUES (3, 9, X'00')", "accounts for"),
    ],
)
def test_a_log_that_was_damaged_itself_is_found(
    past: Past, tmp_path: Path, statement: str, says: str
) -> None:
    runtime = copied(past.after, tmp_path)
    with runtime.database.transaction() as connection:
        connection.exec_driver_sql(statement)

    assert any(says in one.says for one in findings(runtime))
    runtime.close()


@pytest.mark.parametrize("falsify", FALSIFICATIONS)
def test_every_kind_of_falsification_is_found_on_every_database(
    runtime: Runtime, falsify: Callable[[Forger], int]
) -> None:
    last = happen(runtime)
    held = catch_up(runtime)
    assert check(runtime.database, held=held).faults == []
    with runtime.database.transaction() as connection:
        position = falsify(Forger(connection, Random(3), last))

    found = findings(runtime, held)

    assert position in {one.position for one in found}
    assert all(one.says for one in found)
