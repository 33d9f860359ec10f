"""A worker dies between its commit and the cache: what is stale is so for a bounded time."""

from __future__ import annotations

import signal
from multiprocessing import get_context

import pytest
from redis import Redis

from infrastructure import redis_cache
from infrastructure.runtime import Runtime, open_runtime
from infrastructure.settings import Settings
from projections.tokens import NOTHING_SEEN, Token
from tests import builders as b
from tests.process import wait_until
from tests.projections.views import record, settle

ID = b.CUSTOMER_ID


@pytest.fixture(params=["mysql"])
def leg(request: pytest.FixtureRequest) -> str:
    """The one with Redis: without it the cache dies with its worker."""
    return str(request.param)


@pytest.fixture
def stale(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """Its views say Two, its cache says One, and no worker is left."""
    # Longer than any test takes.
    monkeypatch.setattr(redis_cache, "MARK_SECONDS", 3600)
    record(runtime.store, {ID: [b.customer_registered(name="One")]})
    settle(runtime)
    record(runtime.store, {ID: [b.customer_changed(name="Two")]})
    _step_and_die(runtime.settings)
    assert runtime.queries.position() == runtime.feed.position()
    return runtime


def test_what_is_stale_lives_as_long_as_the_mark_and_no_reading_makes_that_longer(
    stale: Runtime,
) -> None:
    redis = Redis.from_url(str(stale.settings.redis_url))
    [mark] = redis.scan_iter("*:mark")
    left = [int(str(redis.pttl(mark)))]
    for _ in range(20):
        assert _name(stale) == "One"
        left.append(int(str(redis.pttl(mark))))
    assert left == sorted(left, reverse=True)
    assert 0 < left[0] <= 1000 * redis_cache.MARK_SECONDS

    redis.pexpire(mark, 1)
    wait_until(lambda: not redis.exists(mark))
    redis.close()

    assert _name(stale) == "Two"


@pytest.mark.parametrize("token", [Token(0, {ID: 2}), Token(2), Token(1, {ID: 2})])
def test_a_token_that_knows_better_is_not_shown_it(stale: Runtime, token: Token) -> None:
    assert _name(stale, token) == "Two"


def test_the_next_worker_finds_it_out(stale: Runtime) -> None:
    settle(stale)

    assert _name(stale) == "Two"


def _name(runtime: Runtime, token: Token = NOTHING_SEEN) -> str:
    served = runtime.queries.get("customer", ID, token)
    assert served is not None
    return served.body.partition(b'"name":"')[2].partition(b'"')[0].decode()


def _step_and_die(settings: Settings) -> None:
    process = get_context("spawn").Process(target=_die, args=(settings,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def _die(settings: Settings) -> None:
    """A worker that commits its batch and is gone."""
    worker = open_runtime(settings)

    def killed(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGKILL)

    worker.runner._cache.publish = killed  # type: ignore[method-assign]
    worker.advance()
