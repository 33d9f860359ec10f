"""How a process moves the views by itself, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import OperationalError

from infrastructure.advancing import Advance, BackgroundAdvance
from infrastructure.preparing import prepare
from infrastructure.runtime import Runtime, open_runtime
from infrastructure.settings import Settings
from tests import builders as b
from tests.process import wait_until
from tests.projections.views import record
from tests.schema import Schema
from tests.servers import Valkey
from tests.shop import SECRETS


def happen(runtime: Runtime, times: int = 1, first: int = 1) -> None:
    for n in range(first, first + times):
        record(runtime.store, {UUID(int=n): [b.item_added()]})


def test_it_goes_on_until_nothing_is_left(runtime: Runtime) -> None:
    happen(runtime, 3)

    assert runtime.advance() is False
    assert runtime.queries.position() == 3
    assert runtime.advance() is False


def test_when_time_is_up_there_may_be_more(runtime: Runtime) -> None:
    happen(runtime)

    assert runtime.advance(seconds=-1) is True
    assert runtime.queries.position() == 1


def test_asked_to_stop_it_begins_no_other_batch(runtime: Runtime) -> None:
    happen(runtime)

    assert runtime.advance(stopping=lambda: True) is True
    assert runtime.queries.position() == 0


def test_threads_move_the_views_when_woken(runtime: Runtime) -> None:
    background = BackgroundAdvance(runtime.advance, tick_seconds=3600)
    background.start()
    for n in (1, 2):
        happen(runtime, first=n)
        background.wake()
        wait_until(lambda n=n: runtime.queries.position() == n)  # type: ignore[misc]
    background.stop()

    happen(runtime, first=3)
    background.wake()
    assert runtime.queries.position() == 2


def test_threads_look_by_themselves_when_nobody_wakes_them(runtime: Runtime) -> None:
    background = BackgroundAdvance(runtime.advance, tick_seconds=0.01)
    background.start()
    happen(runtime)

    wait_until(lambda: runtime.queries.position() == 1)
    background.stop()


class Doing(Advance):
    """Advances, with something else done first."""

    def __init__(self, runtime: Runtime, **instead: Callable[[], None]) -> None:
        self._runtime, self._first = runtime, instead

    def sequence(self) -> int:
        self._first.get("sequence", _nothing)()
        return self._runtime.advance.sequence()

    def fold(self) -> int:
        self._first.get("fold", _nothing)()
        return self._runtime.advance.fold()


def _nothing() -> None:
    pass


@pytest.mark.parametrize("what", ["sequence", "fold"])
def test_threads_outlive_a_database_that_was_away(runtime: Runtime, what: str) -> None:
    calls = count(1)

    def away() -> None:
        if next(calls) < 3:
            raise OperationalError("SELECT", {}, Exception("away"))

    background = BackgroundAdvance(Doing(runtime, **{what: away}), tick_seconds=0.01)
    happen(runtime)
    background.start()

    wait_until(lambda: runtime.queries.position() == 1)
    background.stop()


def test_events_get_positions_while_a_batch_of_the_views_takes_its_time(runtime: Runtime) -> None:
    folding, enough = Event(), Event()

    def slow() -> None:
        folding.set()
        assert enough.wait(30)

    background = BackgroundAdvance(Doing(runtime, fold=slow), tick_seconds=0.01)
    background.start()
    assert folding.wait(30)
    happen(runtime)
    wait_until(lambda: runtime.feed.position() == 1)

    assert runtime.queries.position() == 0
    enough.set()
    wait_until(lambda: runtime.queries.position() == 1)
    background.stop()


def test_whoever_attends_stays_until_nothing_more_comes(runtime: Runtime) -> None:
    background = BackgroundAdvance(runtime.advance, tick_seconds=3600)
    background.start()
    happen(runtime, 3)

    assert background.attend(seconds=30) is False
    assert runtime.feed.position() == 3
    background.stop()


def test_whoever_attends_leaves_when_time_is_up_or_asked_to(runtime: Runtime) -> None:
    busy, enough = Event(), Event()

    def slow() -> None:
        busy.set()
        assert enough.wait(30)

    background = BackgroundAdvance(Doing(runtime, sequence=slow), tick_seconds=3600)
    background.start()

    assert background.attend(seconds=0.01) is True
    assert busy.wait(30)
    assert background.attend(seconds=30, stopping=lambda: True) is True
    enough.set()
    background.stop()


def test_threads_that_never_began_can_be_stopped(runtime: Runtime) -> None:
    BackgroundAdvance(runtime.advance).stop()


def test_embedded_a_command_moves_the_views_of_its_own_process(
    prepared_sqlite: Path, tmp_path: Path
) -> None:
    (tmp_path / "shop.db").write_bytes(prepared_sqlite.read_bytes())
    settings = open_settings(tmp_path)
    runtime = open_runtime(settings)
    runtime.start()
    happen(runtime)
    runtime.nudge()

    wait_until(lambda: runtime.queries.position() == 1)
    runtime.close()
    assert {path.name for path in tmp_path.iterdir()} == {"shop.db"}


@pytest.mark.parametrize("given", [SECRETS, {}], ids=["keys given", "keys made"])
def test_an_embedded_shop_makes_its_directory(given: dict[str, Any], tmp_path: Path) -> None:
    data_dir = tmp_path / "not" / "yet"

    runtime = open_runtime(Settings(data_dir=data_dir, **given))
    prepare(runtime)
    runtime.close()

    assert (data_dir / "shop.db").exists()


def open_settings(directory: Path) -> Settings:
    return Settings(data_dir=directory, **SECRETS)


def test_distributed_nothing_runs_but_the_worker(
    prepared_mysql: Schema, own_valkey: Valkey, tmp_path: Path
) -> None:
    urls = dict[str, Any](database_url=prepared_mysql.emptied(), redis_url=own_valkey.url)
    runtime = open_runtime(replace(open_settings(tmp_path), **urls))
    runtime.start()

    assert runtime.background is None
    happen(runtime)
    runtime.nudge()
    assert runtime.queries.position() == 0
    runtime.close()


def test_nothing_is_reached_before_the_first_use(tmp_path: Path) -> None:
    nowhere = dict[str, Any](
        database_url="mysql+pymysql://root@127.0.0.1:1/shop", redis_url="redis://127.0.0.1:1/0"
    )

    runtime = open_runtime(replace(open_settings(tmp_path), **nowhere))

    with pytest.raises(OperationalError):
        runtime.feed.position()
    runtime.close()
