"""Keys: made once, wrapped, destroyed for good, moved to another master key."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from infrastructure.database import Database
from infrastructure.event_store import keyring as module
from infrastructure.event_store.keyring import (
    Forgotten,
    KeyRing,
    WrongMasterKey,
    key_id,
    store_secrets,
    subject_keys,
)
from tests.infrastructure.event_store.records import counted_statements

OLD, NEW = b"o" * 32, b"n" * 32
SUBJECT, OTHER = uuid4(), uuid4()


@pytest.fixture
def keyring(database: Database) -> KeyRing:
    return KeyRing(database, [OLD])


@contextmanager
def rolled_back(database: Database) -> Iterator[None]:
    """A transaction of which nothing remains."""
    with suppress(Abandoned), database.transaction():
        yield
        raise Abandoned


class Abandoned(Exception):
    """Ends a transaction with a rollback."""


def rows(database: Database) -> list[Any]:
    with database.reading() as connection:
        subjects = connection.execute(select(subject_keys)).all()
        return [*subjects, *connection.execute(select(store_secrets)).all()]


def in_two_threads(do: Callable[[], Any]) -> list[Any]:
    """What both got, having started together."""
    start, got = threading.Barrier(2), list[Any]()

    def run() -> None:
        start.wait()
        got.append(do())

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 2
    return got


def test_a_key_is_made_once_and_found_by_every_process(
    keyring: KeyRing, database: Database
) -> None:
    key = keyring.create(SUBJECT)

    assert len(key) == 32
    assert keyring.create(SUBJECT) == keyring.key_of(SUBJECT) == key
    assert KeyRing(database, [OLD]).key_of(SUBJECT) == key
    assert keyring.key_of(OTHER) is None
    assert keyring.create(OTHER) != key


def test_keys_are_stored_wrapped_only(keyring: KeyRing, database: Database) -> None:
    key = keyring.create(SUBJECT)
    keyring.claim_id("vin", "A")

    stored = b"".join(row.wrapped for row in rows(database))
    assert key not in stored
    assert [row.master_kid for row in rows(database)] == [key_id(OLD)] * 2


def test_racing_creators_get_one_key(keyring: KeyRing) -> None:
    for subject in [uuid4() for _ in range(20)]:
        first, second = in_two_threads(partial(keyring.create, subject))

        assert first == second == keyring.key_of(subject)


@pytest.mark.parametrize("commits", [True, False])
def test_a_later_creator_waits_for_the_first(
    keyring: KeyRing, database: Database, commits: bool
) -> None:
    later = list[bytes]()
    thread = threading.Thread(target=lambda: later.append(keyring.create(SUBJECT)))

    with database.transaction() if commits else rolled_back(database):
        first = keyring.create(SUBJECT)
        thread.start()
        thread.join(0.2)
        assert not later
    thread.join()

    assert later == [keyring.key_of(SUBJECT)]
    assert (later == [first]) is commits


def test_keys_of_a_batch_take_one_statement(keyring: KeyRing) -> None:
    subjects = [uuid4() for _ in range(50)]
    keys = {subject: keyring.create(subject) for subject in subjects}
    keyring.forget(subjects[0])

    with counted_statements() as statements:
        found = keyring.keys_of([*subjects, OTHER])
        assert keyring.keys_of([]) == {}

    assert found == {subject: keys[subject] for subject in subjects[1:]}
    assert len(statements) == 1


def test_a_destroyed_key_is_gone_at_once_and_never_made_again(
    keyring: KeyRing, database: Database
) -> None:
    elsewhere = KeyRing(database, [OLD])
    keyring.create(SUBJECT)
    assert elsewhere.key_of(SUBJECT) is not None

    keyring.forget(SUBJECT)
    keyring.forget(SUBJECT)

    assert elsewhere.key_of(SUBJECT) is None
    with pytest.raises(Forgotten, match=str(SUBJECT)):
        elsewhere.create(SUBJECT)
    assert [(row.wrapped, row.master_kid) for row in rows(database)] == [(None, None)]


def test_forgetting_somebody_without_a_key_bars_one(keyring: KeyRing) -> None:
    keyring.forget(SUBJECT)

    with pytest.raises(Forgotten):
        keyring.create(SUBJECT)


def test_forgetting_is_undone_with_its_transaction(keyring: KeyRing, database: Database) -> None:
    key = keyring.create(SUBJECT)

    with rolled_back(database):
        keyring.forget(SUBJECT)

    assert keyring.key_of(SUBJECT) == key


def test_claim_ids_tell_kinds_and_values_apart(keyring: KeyRing, database: Database) -> None:
    ids = {keyring.claim_id(kind, value) for kind in ("a", "ab") for value in ("bc", "c", "")}

    assert len(ids) == 6
    assert KeyRing(database, [OLD]).claim_id("a", "bc") in ids
    assert all(isinstance(id, UUID) and id.version == 5 for id in ids)


def test_claim_ids_depend_on_a_secret_of_the_store(keyring: KeyRing, database: Database) -> None:
    here = keyring.claim_id("vin", "A")
    with database.transaction() as connection:
        connection.execute(store_secrets.delete())

    assert KeyRing(database, [OLD]).claim_id("vin", "A") != here


def test_racing_processes_make_one_claim_key(database: Database) -> None:
    first, second = in_two_threads(lambda: KeyRing(database, [OLD]).claim_id("vin", "A"))

    assert first == second


def test_a_claim_key_that_was_rolled_back_is_not_kept(keyring: KeyRing, database: Database) -> None:
    with rolled_back(database):
        assert keyring.claim_id("vin", "A") == keyring.claim_id("vin", "A")

    assert KeyRing(database, [OLD]).claim_id("vin", "A") == keyring.claim_id("vin", "A")


def test_the_claim_key_is_read_once(keyring: KeyRing, database: Database) -> None:
    keyring.claim_id("vin", "A")
    before = keyring.claim_id("vin", "A")
    with database.transaction() as connection:
        connection.execute(store_secrets.delete())

    assert keyring.claim_id("vin", "A") == before


def test_after_rotation_the_old_master_key_may_go(
    keyring: KeyRing, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROTATION_BATCH", 2)
    subjects = [uuid4() for _ in range(5)]
    keys = {subject: keyring.create(subject) for subject in subjects}
    claim = keyring.claim_id("vin", "A")
    keyring.forget(OTHER)
    both = KeyRing(database, [NEW, OLD])
    assert both.keys_of(subjects) == keys
    keys[SUBJECT] = both.create(SUBJECT)

    assert both.rotate() == 6
    assert both.rotate() == 0

    alone = KeyRing(database, [NEW])
    assert alone.keys_of([*subjects, SUBJECT, OTHER]) == keys
    assert alone.claim_id("vin", "A") == claim
    with pytest.raises(Forgotten):
        alone.create(OTHER)


def test_a_missing_master_key_is_named(keyring: KeyRing, database: Database) -> None:
    keyring.create(SUBJECT)
    keyring.claim_id("vin", "A")
    stranger = KeyRing(database, [NEW])

    for use in (
        lambda: stranger.key_of(SUBJECT),
        lambda: stranger.create(SUBJECT),
        lambda: stranger.claim_id("vin", "A"),
        lambda: stranger.keep("a secret", b"of a stranger"),
        stranger.rotate,
    ):
        with pytest.raises(WrongMasterKey, match=f"{key_id(OLD)}.*MASTER_KEY"):
            use()


def test_a_key_moved_to_another_subject_does_not_open(keyring: KeyRing, database: Database) -> None:
    keyring.create(SUBJECT)
    keyring.create(OTHER)
    with database.transaction() as connection:
        moved = connection.scalar(
            select(subject_keys.c.wrapped).where(subject_keys.c.subject_id == SUBJECT)
        )
        connection.execute(
            update(subject_keys).where(subject_keys.c.subject_id == OTHER).values(wrapped=moved)
        )

    with pytest.raises(WrongMasterKey, match=f"{OTHER} was altered"):
        keyring.key_of(OTHER)


@pytest.mark.parametrize("keys", [[], [b"short"], [OLD, b"short"]])
def test_master_keys_have_32_bytes(database: Database, keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="MASTER_KEY"):
        KeyRing(database, keys)
