"""The log keeps up with the feed: never a fork, never a hole, whoever dies on the way."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import event, text

from infrastructure.runtime import Runtime, open_runtime
from infrastructure.transparency import log as log_module
from infrastructure.transparency import reading
from infrastructure.transparency.checking import check
from infrastructure.transparency.log import BrokenLog, TransparencyLog
from infrastructure.transparency.merkle import Edge
from infrastructure.transparency.signing import LastKey
from infrastructure.transparency.verifier import Key, leaf, leaf_hash, open_checkpoint
from tests.infrastructure.transparency.past import catch_up, go_on, happen, said


def another(runtime: Runtime) -> Runtime:
    """Another process on the same database, as far as the log can tell."""
    return open_runtime(runtime.settings)


def keys_of(runtime: Runtime) -> list[Key]:
    return [Key.parse(key.public_key) for key in runtime.transparency_log.signers.published()]


def test_the_log_is_the_tree_over_the_feed_and_its_checkpoint_is_signed(runtime: Runtime) -> None:
    last = happen(runtime)

    note = catch_up(runtime)

    signed, head = open_checkpoint(note, keys_of(runtime)), runtime.transparency_log.head()
    edge = Edge()
    for stored in runtime.transparency_log.entries(0, last):
        list(edge.append(leaf_hash(leaf(stored))))
    assert (signed.origin, signed.size, signed.root) == (head.origin, last, edge.root())
    assert said(runtime, note) == []


def test_the_database_makes_the_same_hashes_of_leaves_as_the_verifier(runtime: Runtime) -> None:
    last = happen(runtime)
    odd = (("1969-12-31 23:59:59.999999", "\u00e4\U0001f527"), ("9999-12-31 23:59:59.000001", "x"))
    with runtime.database.transaction() as connection:
        for position, (moment, topic) in enumerate(odd, start=1):
            of = "(SELECT originator_id FROM feed WHERE position = :position)"
            change = f"UPDATE events SET recorded_at = :moment, topic = :topic WHERE originator_id = {of}"  # noqa: S608, E501
            connection.execute(text(change), dict(position=position, moment=moment, topic=topic))

    with runtime.database.reading() as connection:
        made = reading.leaf_hashes(connection, 0, last)
        rest = reading.leaf_hashes(connection, last - 5, last)

    known = [leaf(event) for event in runtime.transparency_log.entries(0, last)]
    assert made == [leaf_hash(data) for data in known]
    assert rest == made[-5:]
    assert len({data[29:37] for data in known}) > 2


def test_batches_of_any_size_give_the_same_log(runtime: Runtime) -> None:
    last = happen(runtime)
    log, sizes = runtime.transparency_log, [1, 2, 3, 7, 20, 1000]

    taken = [log.extend(size) for size in sizes]

    assert sum(taken) == last == log.head().size
    assert taken[:5] == sizes[:5]
    assert log.extend() == 0
    assert said(runtime) == []


def test_an_empty_shop_has_a_checkpoint_of_nothing(runtime: Runtime) -> None:
    note = runtime.transparency_log.head().note

    assert open_checkpoint(note, keys_of(runtime)).size == 0
    assert runtime.transparency_log.extend() == 0
    happen(runtime)
    catch_up(runtime)
    assert said(runtime, note) == []


def test_of_two_who_begin_the_log_at_once_one_does(runtime: Runtime) -> None:
    others = [another(runtime) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        heads = set(pool.map(lambda other: other.transparency_log.head(), others))
    for other in others:
        other.close()

    assert len(heads) == 1
    assert len(keys_of(runtime)) == 1


def test_of_two_who_extend_it_by_the_same_events_one_does(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    last, both = happen(runtime), Barrier(2)
    runtime.transparency_log.head()
    advance = TransparencyLog._advance

    def meeting(self: TransparencyLog, *given: Any) -> int:
        with suppress(Exception):
            both.wait(10)
        return advance(self, *given)

    monkeypatch.setattr(TransparencyLog, "_advance", meeting)
    other = another(runtime)
    with ThreadPoolExecutor(2) as pool:
        taken = list(pool.map(lambda one: one.transparency_log.extend(), (runtime, other)))
    other.close()

    assert sorted(taken) == [0, last]
    assert said(runtime) == []


def test_many_at_once_while_events_come_make_one_log(runtime: Runtime) -> None:
    others, done = [another(runtime) for _ in range(3)], list[bool]()

    def work(one: Runtime) -> int:
        taken = 0
        while not done or one.transparency_log.extend(5):
            one.sequencer.step()
            taken += one.transparency_log.extend(5)
        return taken

    with ThreadPoolExecutor(3) as pool:
        working = [pool.submit(work, one) for one in others]
        try:
            happen(runtime)
        finally:
            done.append(True)
        for each in working:
            each.result()
    for one in others:
        one.close()

    while runtime.sequencer.step():
        continue
    catch_up(runtime)
    assert runtime.transparency_log.head().size == runtime.feed.position() > 60
    assert said(runtime) == []


def test_a_check_raises_no_false_alarm_while_the_shop_is_busy(runtime: Runtime) -> None:
    happen(runtime)
    held, checked, done = catch_up(runtime), 0, list[bool]()
    other = another(runtime)

    def follow() -> None:
        while not done:
            other.sequencer.step()
            other.transparency_log.extend(4)

    def write() -> None:
        try:
            go_on(runtime, 60)
        finally:
            done.append(True)

    with ThreadPoolExecutor(2) as pool:
        working = [pool.submit(follow), pool.submit(write)]
        try:
            while not done or checked < 3:
                found = check(other.database, held=held)
                assert found.faults == []
                assert found.head is not None
                held, checked = found.head.note, checked + 1
        finally:
            done.append(True)
        for each in working:
            each.result()
    other.close()
    catch_up(runtime)
    assert said(runtime, held) == []


KILLED_AT = 40
"""More than there are moments in one extension."""


def test_whoever_dies_at_any_moment_leaves_a_log_that_goes_on(runtime: Runtime) -> None:
    last = happen(runtime)
    log, held, survived = runtime.transparency_log, runtime.transparency_log.head().note, False
    for moment in range(1, KILLED_AT):
        before = log.head().size
        runtime.database.close()

        survived = not dies_at(moment, runtime)

        assert log.head().size in (before, before + 3)
        assert said(runtime, held) == []
        held = log.head().note
        if survived:
            break
    assert moment > 8, "there are that many moments at least"
    assert survived
    assert open_checkpoint(catch_up(runtime), keys_of(runtime)).size == last
    assert said(runtime, held) == []


def dies_at(moment: int, runtime: Runtime) -> bool:
    """Whether a process that extends the log by three was killed before its statement or commit
    of that number."""
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    passed = 0

    def die_in_time(*_: object, **__: object) -> None:
        nonlocal passed
        passed += 1
        if passed == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        mine = another(runtime)
        for engine in (mine.database._reads, mine.database._writes):
            event.listen(engine, "before_cursor_execute", die_in_time)
            event.listen(engine, "after_cursor_execute", die_in_time)
            event.listen(engine, "commit", die_in_time)
        mine.transparency_log.extend(3)
    finally:
        os._exit(0)


def test_what_was_wrapped_under_an_old_master_key_still_signs(runtime: Runtime) -> None:
    happen(runtime)
    held = catch_up(runtime)
    settings = runtime.settings
    turned = open_runtime(
        type(settings)(
            data_dir=settings.data_dir,
            database_url=settings.database_url,
            redis_url=settings.redis_url,
            jwt_secret_key=settings.jwt_secret_key,
            master_key=b"n" * 32,
            master_previous_keys=settings.master_keys,
        )
    )

    turned.keyring.rotate()
    go_on(turned)

    assert open_checkpoint(catch_up(turned), keys_of(turned)).size > 0
    assert said(turned, held) == []
    turned.close()


def test_a_new_key_signs_beside_the_old_one_until_that_retires(runtime: Runtime) -> None:
    happen(runtime)
    log, held = runtime.transparency_log, catch_up(runtime)
    (old,) = keys_of(runtime)

    new = log.signers.add(log.head().origin)
    both = catch_up(runtime)
    log.signers.retire(old.id)
    alone = catch_up(runtime)
    go_on(runtime)
    later = catch_up(runtime)

    for note, signers in ((held, [old]), (both, [old, new]), (alone, [new]), (later, [new])):
        for key in signers:
            assert open_checkpoint(note, [key])
        assert log_module.signed_by(note) == {key.id for key in signers}
    assert [key.retired_at is None for key in log.signers.published()] == [False, True]
    assert said(runtime, held) == said(runtime, both) == said(runtime, later) == []


def test_the_last_key_does_not_retire_and_a_retired_one_is_destroyed(runtime: Runtime) -> None:
    log = runtime.transparency_log
    catch_up(runtime)
    (old,) = keys_of(runtime)
    with pytest.raises(LastKey, match="only active key"):
        log.signers.retire(old.id)

    log.signers.add(log.head().origin)
    log.signers.retire(old.id)

    with pytest.raises(LookupError, match="no active key"):
        log.signers.retire(old.id)
    other = another(runtime)
    with pytest.raises(LookupError, match="no private key"):
        other.transparency_log.signers.sign("text\n", [old])
    other.close()


DAMAGE: dict[str, tuple[str, str]] = {
    "a hole in the feed": ("DELETE FROM feed WHERE position = 12", "no event at 12"),
    "an event that is gone": (
        "DELETE FROM events WHERE originator_id IN (SELECT originator_id FROM feed "
        "WHERE position = 12) AND originator_version IN (SELECT originator_version FROM feed "
        "WHERE position = 12)",
        "no event at 12",
    ),
    "a feed that was cut off": ("DELETE FROM feed WHERE position > 8", "the feed ends at 8"),
    "a tile that is gone": ("DELETE FROM log_tiles", "is missing"),
    "another root": ("UPDATE log_head SET root = note", "do not give its root"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_nothing_is_signed_on_top_of_damage(runtime: Runtime, damage: str) -> None:
    happen(runtime)
    runtime.transparency_log.extend(10)
    before = runtime.transparency_log.head()
    statement, says = DAMAGE[damage]
    with runtime.database.transaction() as connection:
        connection.execute(text(statement.replace("= note", f"= X'{'78' * 32}'")))

    with pytest.raises(BrokenLog, match=says):
        runtime.transparency_log.extend()

    assert runtime.transparency_log.head()[3] == before.note


def test_a_log_that_lost_its_head_is_not_begun_anew(runtime: Runtime) -> None:
    happen(runtime)
    runtime.transparency_log.extend(10)
    with runtime.database.transaction() as connection:
        connection.execute(text("DELETE FROM log_head"))

    with pytest.raises(BrokenLog, match="lost its head"):
        runtime.transparency_log.extend()


def test_extending_costs_few_statements_however_many_events_there_are(runtime: Runtime) -> None:
    happen(runtime)
    log, few, many = runtime.transparency_log, list[str](), list[str]()
    log.extend(1)

    counted(runtime, few, lambda: log.extend(2))
    counted(runtime, many, lambda: log.extend(40))

    assert len(few) == len(many) <= 12


def counted(runtime: Runtime, into: list[str], work: Callable[[], object]) -> None:
    def note(_: object, __: object, statement: str, *___: object) -> None:
        into.append(statement)

    engines = (runtime.database._reads, runtime.database._writes)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    work()
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)
