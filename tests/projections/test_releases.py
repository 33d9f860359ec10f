"""Two releases at work on one database: each writes the views its own folds have built."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import delete

from cli.projections import _lines
from infrastructure.preparing import begin, prepare, rebuild
from infrastructure.runtime import Runtime, open_runtime
from infrastructure.view_status import view_status
from projections import views
from projections.generations import Overtaken
from projections.kernel import OtherFolds
from projections.tables import tables
from tests import builders as b
from tests.projections.views import checkpoint, contents, record, settle, statements

Release = Callable[[int], None]


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Release:
    """Be that many releases ahead."""
    first = views.FOLD_RELEASE
    return lambda ahead: monkeypatch.setattr(views, "FOLD_RELEASE", first + ahead)


@contextmanager
def another_process(runtime: Runtime) -> Iterator[Runtime]:
    opened = open_runtime(runtime.settings)
    yield opened
    opened.close()


def test_an_old_worker_does_not_write_into_the_views_of_a_new_release(
    runtime: Runtime, release: Release, caplog: pytest.LogCaptureFixture
) -> None:
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_registered()]})
    settle(runtime)
    release(1)
    with another_process(runtime) as new:
        prepare(new)
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_changed(name="After")]})
    before = contents(runtime.database, 2)

    release(0)
    settle(runtime)
    settle(runtime)

    assert runtime.generations.live() == 2
    assert contents(runtime.database, 2) == before
    assert checkpoint(runtime.database, 2) == 1
    assert _told(caplog) == [str(OtherFolds(2))]
    release(1)
    settle(runtime)
    assert contents(runtime.database, 2)["customers"][0]["version"] == 2


def test_a_new_worker_does_not_write_into_the_views_of_the_old_release(
    runtime: Runtime, release: Release, caplog: pytest.LogCaptureFixture
) -> None:
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_registered()]})
    settle(runtime)
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_changed(name="After")]})
    before = contents(runtime.database)

    release(1)
    with another_process(runtime) as new:
        settle(new)
        assert contents(runtime.database) == before
        assert _told(caplog) == [str(OtherFolds(1))]

        prepare(new)
        settle(new)
    assert contents(runtime.database, 2)["customers"][0]["version"] == 2
    assert contents(runtime.database) == before


def test_a_worker_that_refuses_still_gives_events_their_positions(
    runtime: Runtime, release: Release
) -> None:
    release(1)
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_registered()]})
    settle(runtime)

    assert runtime.feed.position() == 1
    assert runtime.audit_index.position() == 1
    assert checkpoint(runtime.database) == 0


def test_whose_folds_they_are_is_asked_in_no_statement_of_its_own(runtime: Runtime) -> None:
    asked: list[str] = []
    with statements(runtime.database, asked.append):
        runtime.runner.step(1)

    (lock,) = [statement for statement in asked if statement.startswith("SELECT view_generations")]
    assert {"position", "live", "folds"} <= set(re.findall(r"\w+", lock))


def test_the_status_says_what_to_do(runtime: Runtime, release: Release) -> None:
    assert "mechanic-shop migrate" not in "".join(_lines(view_status(runtime)))

    release(1)

    assert "run `mechanic-shop migrate` of this one if it is newer" in "".join(
        _lines(view_status(runtime))
    )


def test_a_parked_stream_is_not_healed_by_the_folds_of_another_release(
    runtime: Runtime, release: Release
) -> None:
    release(1)
    with pytest.raises(OtherFolds):
        runtime.dead_letters.retry(1, b.CUSTOMER_ID)


def test_a_build_of_another_release_is_not_gone_on_with(runtime: Runtime, release: Release) -> None:
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_registered()]})
    settle(runtime)
    generation = begin(runtime)

    release(1)
    with pytest.raises(OtherFolds):
        rebuild(runtime, generation)

    assert not any(contents(runtime.database, generation).values())


def test_a_build_that_is_discarded_meanwhile_says_so(runtime: Runtime) -> None:
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_registered()]})
    generation = begin(runtime)
    runtime.generations.discard(generation)

    with pytest.raises(Overtaken, match="discarded"):
        rebuild(runtime, generation)


def test_what_is_fresher_than_the_views_is_not_made_of_the_states_of_another_release(
    runtime: Runtime, release: Release
) -> None:
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_registered()]})
    settle(runtime)
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_changed(name="After")]})
    fresh = runtime.queries.at("customer", b.CUSTOMER_ID)
    table = tables(1)["streams"]
    with runtime.database.transaction() as connection:
        connection.execute(table.update().values(state=table.c.state, version=2))
    assert fresh is not None
    assert runtime.queries.at("customer", b.CUSTOMER_ID) != fresh, "its stored state is believed"

    release(1)

    assert runtime.queries.at("customer", b.CUSTOMER_ID) == fresh
    with runtime.database.transaction() as connection:
        connection.execute(delete(table))
    release(0)
    assert runtime.queries.at("customer", b.CUSTOMER_ID) == fresh


def _told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]
