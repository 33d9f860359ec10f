"""Nudges: what the job does when RQ runs it, without the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event
from typing import Any

import pytest
from redis import Redis
from rq import Queue

from commands.customers import RegisterCustomer
from commands.kernel import Context
from infrastructure.queue import VIEWS
from infrastructure.runtime import Runtime
from tests import builders as b
from tests.projections.views import record
from workers import jobs
from workers.jobs import Here
from workers.worker import NudgedWorker


@pytest.fixture
def redis(runtime: Runtime) -> Iterator[Redis]:
    assert runtime.settings.redis_url is not None
    with Redis.from_url(runtime.settings.redis_url) as redis:
        yield redis


@pytest.fixture(autouse=True)
def _nothing_lent() -> Iterator[None]:
    yield
    jobs._here = None


def work(redis: Redis, runtime: Runtime, stopping: Event | None = None) -> None:
    """Do what is on the queue, as the worker does."""
    stopping = stopping or Event()
    jobs.use(Here(runtime.advance, runtime.nudge, stopping.is_set))
    NudgedWorker(redis, VIEWS, stopping).work(burst=True, max_jobs=9, logging_level="WARNING")


def advancing(runtime: Runtime, how: Any) -> Runtime:
    """The runtime, with another idea of moving the views."""
    return replace(runtime, advance=how)


def test_a_command_nudges_and_the_nudge_moves_the_views(runtime: Runtime, redis: Redis) -> None:
    command = runtime.build(RegisterCustomer, {"name": "A Customer", "email": "a@shop.example"})
    runtime.execute(command, Context(actor=None, role="system", correlation_id="test"))
    assert runtime.queries.position() == 0

    work(redis, runtime)

    assert runtime.queries.position() == runtime.feed.position() == 2


def test_a_job_with_more_to_do_comes_again(runtime: Runtime, redis: Redis) -> None:
    answers = [True, True, False]
    several = advancing(runtime, lambda **_: answers.pop(0))
    runtime.nudge()

    work(redis, several)

    assert answers == []
    assert Queue(VIEWS, connection=redis).count == 0


def test_a_job_that_is_asked_to_stop_leaves_the_rest_to_another(
    runtime: Runtime, redis: Redis
) -> None:
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_registered()]})
    stopping = Event()
    stopping.set()
    begun = []

    def advance(**given: Callable[[], bool]) -> bool:
        begun.append(given)
        return runtime.advance(stopping=given["stopping"])

    runtime.nudge()

    work(redis, advancing(runtime, advance), stopping)

    queue = Queue(VIEWS, connection=redis)
    assert (len(begun), queue.count) == (1, 1)
    assert runtime.queries.position() == 0
    work(redis, runtime)
    assert queue.count == 0
    assert runtime.queries.position() == 1


@pytest.mark.parametrize("fails", [True, False])
def test_a_job_leaves_nothing_in_redis_for_long(
    runtime: Runtime, redis: Redis, fails: bool
) -> None:
    def advance(**_: object) -> bool:
        if fails:
            raise ZeroDivisionError
        return False

    doing = advancing(runtime, advance)
    runtime.nudge()
    (job,) = Queue(VIEWS, connection=redis).jobs

    work(redis, doing)

    left = int(str(redis.ttl(job.key)))
    assert 0 < left <= 3600 if fails else left == -2


def test_a_job_outside_the_worker_says_so() -> None:
    with pytest.raises(RuntimeError, match="mechanic-shop worker"):
        jobs.advance()


def test_busy_is_told_only_while_the_job_talks_to_the_database(runtime: Runtime) -> None:
    seen = []

    def advance(*, stopping: Callable[[], bool]) -> bool:
        seen.append(here.busy)
        return False

    doing = advancing(runtime, advance)
    here = Here(doing.advance, doing.nudge, lambda: False)
    jobs.use(here)
    jobs.advance()

    assert seen == [True]
    assert not here.busy
