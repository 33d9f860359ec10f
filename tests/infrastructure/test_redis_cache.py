"""Redis away, hanging, emptied: reads stay right, and the cache comes back by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError

from infrastructure import redis_cache, redis_link
from infrastructure import runtime as runtime_module
from infrastructure.redis_cache import RedisCache
from infrastructure.runtime import Runtime, open_runtime
from infrastructure.settings import Settings
from projections.cache import Cache
from projections.tokens import NOTHING_SEEN, Token
from tests import builders as b
from tests.process import wait_until
from tests.projections.caches import entry
from tests.projections.caches import redis_cache as connected
from tests.projections.views import record, settle
from tests.servers import Valkey
from tests.shop import SECRETS, prepare_url

ID = b.CUSTOMER_ID


@pytest.fixture
def fragile(
    runtime: Runtime, own_valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Runtime]:
    """The same shop, with a Redis that the test may strike down."""
    monkeypatch.setattr(runtime_module, "REDIS_TIMEOUT_SECONDS", 0.2)
    fragile = open_runtime(replace(runtime.settings, redis_url=own_valkey.url))
    yield fragile
    fragile.close()


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is asked again soon after an error, so that tests need not wait."""
    monkeypatch.setattr(redis_link, "PAUSE_SECONDS", 0.01)


def named(runtime: Runtime, name: str) -> None:
    events = [b.customer_changed(name=name)] if runtime.store.events(ID) else []
    record(runtime.store, {ID: events or [b.customer_registered(name=name)]})
    settle(runtime)


def back(runtime: Runtime) -> None:
    """Redis is known to be there again."""
    link = runtime.link
    assert link is not None
    wait_until(lambda: not link.is_down)


def name(runtime: Runtime) -> str:
    served = runtime.queries.get("customer", ID, NOTHING_SEEN)
    assert served is not None
    return served.body.partition(b'"name":"')[2].partition(b'"')[0].decode()


def test_reads_come_from_redis(fragile: Runtime, own_valkey: Valkey) -> None:
    named(fragile, "One")
    with fragile.database.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM customers_1")

    assert name(fragile) == "One"


@pytest.mark.parametrize("strike", [Valkey.kill, Valkey.pause])
def test_without_redis_reads_are_right(
    fragile: Runtime, own_valkey: Valkey, strike: Callable[[Valkey], None]
) -> None:
    named(fragile, "One")
    assert name(fragile) == "One"

    strike(own_valkey)
    assert name(fragile) == "One"
    named(fragile, "Two")

    assert name(fragile) == "Two"


@pytest.fixture
def missed(fragile: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis keeps everything, and a batch is committed that it never hears of."""

    def lost(**_: object) -> None:
        raise ConnectionError("lost on the way")

    named(fragile, "One")
    assert name(fragile) == "One"
    with monkeypatch.context() as patched:
        patched.setattr(fragile.runner._cache, "_publish", lost)
        named(fragile, "Two")
    back(fragile)


@pytest.mark.usefixtures("missed")
def test_what_was_missed_is_found_out_when_nothing_else_happens(fragile: Runtime) -> None:
    assert name(fragile) == "One"

    settle(fragile)

    assert name(fragile) == "Two"


@pytest.mark.usefixtures("missed")
@pytest.mark.parametrize("token", [Token(0, {ID: 2}), Token(2)])
def test_a_token_sees_through_what_was_missed(fragile: Runtime, token: Token) -> None:
    served = fragile.queries.get("customer", ID, token)
    assert served is not None
    assert served.version == 2


def test_a_restarted_redis_is_used_again(fragile: Runtime, own_valkey: Valkey) -> None:
    named(fragile, "One")
    own_valkey.kill()
    named(fragile, "Two")
    own_valkey.restart()
    back(fragile)

    settle(fragile)
    settle(fragile)
    assert name(fragile) == "Two"
    assert name(fragile) == "Two"

    with own_valkey.client() as client:
        assert list(client.scan_iter(f"*:1:customer:{ID.hex}"))


def test_an_emptied_redis_is_filled_again(fragile: Runtime, own_valkey: Valkey) -> None:
    named(fragile, "One")
    with own_valkey.client() as client:
        client.flushall()
        settle(fragile)
        assert name(fragile) == "One"

        assert list(client.scan_iter(f"*:1:customer:{ID.hex}"))


def test_a_mark_that_nobody_renews_expires(redis_url: str) -> None:
    cache = connected(redis_url)
    cache.publish(1, {"a": entry(3)}, before=0, after=3, kinds=set())
    for position in (3, 5):
        cache._link.redis.expire(cache._mark_key(1), 1)
        cache.publish(1, {}, before=3, after=position, kinds=set())

        left = int(str(cache._link.redis.ttl(cache._mark_key(1))))
        assert 1 < left <= redis_cache.MARK_SECONDS
    left = int(str(cache._link.redis.ttl(cache._key(1, "a"))))
    assert 0 < left <= redis_cache.LIFETIME_SECONDS


def test_after_an_error_redis_is_left_alone_for_a_while(
    own_valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_link, "PAUSE_SECONDS", 60.0)
    cache: Cache = connected(own_valkey.url)
    cache.publish(1, {"a": entry(3)}, before=0, after=3, kinds=set())
    own_valkey.pause()
    assert cache.look(1, "a") == (None, None)
    own_valkey.resume()

    assert cache.look(1, "a") == (None, None)
    cache.fill(1, "b", entry(3), ())
    cache.publish(1, {"c": entry(4)}, before=3, after=4, kinds=set())

    again: Cache = connected(own_valkey.url)
    assert again.look(1, "a")[0] == entry(3)
    assert again.look(1, "b")[0] is None
    assert again.look(1, "c")[0] is None


def test_what_another_release_left_is_no_entry(redis_url: str) -> None:
    cache: RedisCache = connected(redis_url)
    cache.publish(1, {}, before=0, after=3, kinds=set())
    cache._link.redis.set(cache._key(1, "a"), b"9 no entry of this release")

    assert cache.look(1, "a")[0] is None


def test_a_mark_of_another_release_is_none(redis_url: str) -> None:
    cache: RedisCache = connected(redis_url)
    cache.fill(1, "a", entry(3), ())
    cache._link.redis.set(cache._mark_key(1), b'{"position": 9}')

    assert cache.look(1, "a") == (entry(3), None)


def test_two_shops_with_one_redis_show_nothing_of_each_other(
    tmp_path: Path, own_valkey: Valkey
) -> None:
    shops = []
    for place in ("here", "there"):
        database_url = f"sqlite:///{tmp_path / place}.db"
        prepare_url(database_url)
        settings = Settings(database_url=database_url, redis_url=own_valkey.url, **SECRETS)
        shops.append(open_runtime(settings))
    here, there = shops

    named(here, "Here")
    named(there, "There")

    assert [name(here), name(there)] == ["Here", "There"]
    for shop in shops:
        shop.close()
