"""Numbers stay right, and can be had, where a server is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from infrastructure.database import Database
from infrastructure.metric_readings import readings
from infrastructure.metrics import Metrics
from infrastructure.runtime import Runtime, open_runtime
from infrastructure.transparency.tables import log_head, log_keys
from tests.infrastructure.event_store.legs import on_sqlite
from tests.servers import MariaDB, Valkey


def in_use(metrics: Metrics) -> set[float]:
    """In each pool."""
    [connections] = metrics._connections.collect()
    return {sample.value for sample in connections.samples}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def fragile(own_mariadb: MariaDB, metrics: Metrics) -> Iterator[Database]:
    """On a server that the test may kill."""
    with closing(Database(own_mariadb.create_database("shop"), use=metrics)) as database:
        yield database


def test_a_connection_that_could_not_be_made_is_not_in_use(
    own_mariadb: MariaDB, metrics: Metrics, fragile: Database
) -> None:
    with fragile.reading():
        assert in_use(metrics) == {1, 0}
    own_mariadb.kill()

    # One that was made before, and one that is to be made.
    for _ in range(2):
        with pytest.raises(OperationalError), fragile.reading():
            pass

    assert in_use(metrics) == {0}


def test_a_connection_that_broke_in_use_is_not_in_use_any_more(
    own_mariadb: MariaDB, metrics: Metrics, fragile: Database
) -> None:
    with fragile.reading() as connection:
        own_mariadb.kill()
        with pytest.raises(OperationalError):
            connection.execute(select(1))

    assert in_use(metrics) == {0}


@on_sqlite
def test_a_redis_that_is_away_is_told_and_hides_no_other_number(
    runtime: Runtime, own_valkey: Valkey
) -> None:
    own_valkey.kill()
    with closing(open_runtime(replace(runtime.settings, redis_url=own_valkey.url))) as alone:
        found = {metric.name: metric for metric in readings(alone)}

    up = {sample.labels["server"]: sample.value for sample in found["shop_up"].samples}
    assert up == {"database": 1, "redis": 0}
    assert "shop_feed_position" in found


def test_who_asks_for_numbers_begins_no_log(runtime: Runtime) -> None:
    found = {metric.name for metric in readings(runtime)}

    with runtime.database.reading() as connection:
        assert connection.execute(select(log_head)).all() == []
        assert connection.execute(select(log_keys)).all() == []
    assert "shop_follower_lag_events" in found
