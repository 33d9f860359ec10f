"""Counting in Redis: once for all processes, in one round trip, and without Redis too."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Barrier, Event, Thread
from typing import Any

import pytest
from limits import parse
from redis import Redis
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError

from infrastructure import redis_link
from infrastructure import runtime as runtime_module
from infrastructure.rate_counters import Hit, LocalCounter, RedisCounter
from infrastructure.redis_cache import RedisCache
from infrastructure.redis_link import Link
from tests.api.limits import Strict, beside, left
from tests.api.limits import strict as strict
from tests.process import wait_until
from tests.servers import Valkey
from tests.shop import Shop, done

LIMIT = parse("1000/day")


@pytest.fixture(params=["mysql"])
def leg(request: pytest.FixtureRequest) -> str:
    """The one with Redis."""
    return str(request.param)


@contextmanager
def round_trips() -> Iterator[list[bytes]]:
    """What is sent to Redis, each time it is waited for."""
    sent: list[bytes] = []
    send: Any = vars(AbstractConnection)["send_packed_command"]

    def noting(self: AbstractConnection, command: Any, check_health: bool = True) -> Any:
        sent.append(command if isinstance(command, bytes) else b"".join(command))
        return send(self, command, check_health)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(AbstractConnection, "send_packed_command", noting)
        yield sent


def test_a_cached_body_costs_one_round_trip(strict: Strict) -> None:
    shop = strict()
    path = f"/v1/customers/{shop.customer()}"
    shop.settle()
    assert shop.get(path).status_code == 200

    for asked in (path, "/v1/me"):
        shop.get(asked)
        with round_trips() as sent:
            answer = shop.get(asked)

        assert left(answer)[0] == "reads"
        assert len(sent) == 1


def test_so_does_the_leaderboard(strict: Strict) -> None:
    shop = strict()
    shop.mechanic()
    shop.settle()
    first = shop.get("/v1/mechanics/leaderboard")

    with round_trips() as sent:
        again = shop.get("/v1/mechanics/leaderboard")

    assert again.content == first.content
    assert len(sent) == 1


def test_limits_cost_a_cached_page_nothing_and_a_write_one_round_trip(strict: Strict) -> None:
    """A write also looks whether a nudge is waiting, as it does without."""
    shop, counts = strict(), {}
    for enabled in (False, True):
        with beside(shop, rate_limit_enabled=enabled) as client:
            shop.customer()
            shop.settle()
            client.get("/v1/mechanics")
            # The first nudge opens a connection of its own.
            done(client.post("/v1/customers", json={"name": "A", "email": shop.email()}))
            person = {"name": "A", "email": shop.email()}
            with round_trips() as listing:
                assert client.get("/v1/mechanics").status_code == 200
            with round_trips() as writing:
                done(client.post("/v1/customers", json=person))
            counts[enabled] = len(listing), len(writing)

    assert counts == {False: (1, 1), True: (1, 2)}


def test_a_write_that_is_refused_costs_one(strict: Strict) -> None:
    shop = strict(writes=1)
    shop.post("/v1/customers", json={})

    with round_trips() as sent:
        assert shop.post("/v1/customers", json={}).status_code == 429

    assert len(sent) == 1


def test_processes_share_a_budget(strict: Strict) -> None:
    shop = strict(reads=4)
    with beside(shop) as other:
        answers = [asked.get("/v1/tickets") for asked in (shop, other) * 3]

    assert [left(answer)[1] for answer in answers] == [3, 2, 1, 0, 0, 0]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 2


def test_hits_at_once_are_all_counted(redis_url: str) -> None:
    counters = [_counter(redis_url) for _ in range(8)]
    hit, together, seen = Hit("reads", LIMIT, "somebody"), Barrier(8), list[int]()

    def many(counter: RedisCounter) -> None:
        together.wait()
        seen.extend(counter.count([hit])[0].used for _ in range(50))

    threads = [Thread(target=many, args=(counter,)) for counter in counters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(seen) == list(range(1, 401))


def _counter(url: str) -> RedisCounter:
    link = Link(Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5))
    return RedisCounter(link, RedisCache(link, lambda: "shop"))


@pytest.fixture
def fragile(strict: Strict, own_valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop of three reads a day, with a Redis that the test may strike down."""
    monkeypatch.setattr(runtime_module, "REDIS_TIMEOUT_SECONDS", 0.2)
    return strict(reads=3, settings={"redis_url": own_valkey.url})


def _asked(shop: Shop, times: int) -> list[int]:
    return [shop.get("/v1/tickets").status_code for _ in range(times)]


@pytest.mark.parametrize("strike", [Valkey.kill, Valkey.pause])
def test_without_redis_each_process_counts_for_itself(
    fragile: Shop,
    own_valkey: Valkey,
    strike: Callable[[Valkey], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_link, "PAUSE_SECONDS", 3600.0)
    assert _asked(fragile, 2) == [200, 200]

    strike(own_valkey)
    with round_trips() as sent:
        answers = _asked(fragile, 5)

    assert answers == [200, 200, 200, 429, 429]
    assert len(sent) <= 1


@pytest.mark.parametrize("strike", [Valkey.kill, Valkey.pause])
def test_a_redis_that_is_back_counts_for_all_again(
    fragile: Shop,
    own_valkey: Valkey,
    strike: Callable[[Valkey], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_link, "PAUSE_SECONDS", 0.01)
    link = fragile.runtime.link
    assert link is not None
    strike(own_valkey)
    assert _asked(fragile, 1) == [200]

    own_valkey.resume() if strike is Valkey.pause else own_valkey.restart()
    wait_until(lambda: not link.is_down)

    _asked(fragile, 3)
    with beside(fragile) as other:
        assert other.get("/v1/tickets").status_code == 429


def test_writes_go_on_without_redis_and_wait_for_it_once(
    fragile: Shop, own_valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the gate finds away, the nudge leaves alone."""
    monkeypatch.setattr(redis_link, "PAUSE_SECONDS", 3600.0)
    fragile.customer()
    own_valkey.pause()

    with round_trips() as sent:
        fragile.customer()
        fragile.customer()

    assert len(sent) == 1


def test_a_redis_whose_name_is_unknown_is_as_good_as_none(
    strict: Strict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_link, "PAUSE_SECONDS", 3600.0)
    shop = strict(reads=2, settings={"redis_url": "redis://no-such-host.invalid:6379/0"})

    assert _asked(shop, 3) == [200, 200, 429]


def _fails() -> None:
    raise ConnectionError("away")


def test_no_request_finds_out_whether_redis_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_link, "PAUSE_SECONDS", 0.01)
    redis, asking, go_on = Redis(), Event(), Event()
    pings = iter((ConnectionError("still away"), None))

    def ping() -> None:
        asking.set()
        assert go_on.wait(30)
        if (error := next(pings)) is not None:
            raise error

    monkeypatch.setattr(redis, "ping", ping)
    link = Link(redis)
    link.attempt(_fails)

    assert asking.wait(30)
    assert link.attempt(lambda: "asked too") is None
    go_on.set()

    wait_until(lambda: not link.is_down)
    assert link.attempt(lambda: "asked") == "asked"
    assert next(pings, "both were needed") == "both were needed"


def test_a_count_says_when_its_window_ends(redis_url: str) -> None:
    """And both ways of counting say the same."""
    hits = [Hit("reads", LIMIT, "one"), Hit("reads-of-address", parse("7/hour"), "two")]

    for counter in (_counter(redis_url), LocalCounter()):
        counter.count(hits[:1])
        counts = counter.count(hits)

        assert [(count.hit, count.used, count.left) for count in counts] == [
            (hits[0], 2, 998),
            (hits[1], 1, 6),
        ]
        assert 86_000 < counts[0].seconds <= 86_400
        assert 3000 < counts[1].seconds <= 3600
        assert counter.knows(hits[1])
        assert not counter.knows(Hit("reads", LIMIT, "nobody"))


def test_a_clock_that_is_set_back_makes_no_window_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    counter, hit = LocalCounter(), Hit("reads", parse("10/minute"), "somebody")
    for _ in range(10):
        counter.count([hit])
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() - 3600)

    (count,) = counter.count([hit])

    assert (count.used, count.seconds <= 60) == (1, True)


def test_counting_goes_on_when_redis_forgets_the_script(redis_url: str) -> None:
    hit, counter = Hit("reads", LIMIT, "somebody else"), _counter(redis_url)
    counter.count([hit])

    Redis.from_url(redis_url).script_flush()

    assert [_counter(redis_url).count([hit])[0].used, counter.count([hit])[0].used] == [2, 3]
