"""Nudges cost a write nothing, and never more than a moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from rq import Queue

from infrastructure import queue, redis_link
from infrastructure.queue import ADVANCE, VIEWS, Nudge
from infrastructure.redis_link import Link
from tests.process import wait_until
from tests.servers import Valkey


def connect(url: str) -> Redis:
    return Redis.from_url(url, socket_timeout=0.2, socket_connect_timeout=0.2)


def test_a_nudge_is_a_job_that_names_no_event(redis_url: str) -> None:
    redis = connect(redis_url)

    Nudge(Link(redis))()

    (job,) = Queue(VIEWS, connection=redis).jobs
    assert (job.func_name, job.args, job.kwargs) == (ADVANCE, (), {})
    assert job.timeout == queue.NO_TIMEOUT


def test_one_nudge_that_waits_is_enough(redis_url: str) -> None:
    redis = connect(redis_url)
    for nudge in (Nudge(Link(redis)), Nudge(Link(redis))):
        nudge()
        nudge()

    assert Queue(VIEWS, connection=redis).count == 1


def test_a_nudge_follows_one_that_was_taken(redis_url: str) -> None:
    redis, nudge = connect(redis_url), Nudge(Link(connect(redis_url)))
    nudge()
    Queue.dequeue_any([Queue(VIEWS, connection=redis)], None, connection=redis)

    nudge()

    assert Queue(VIEWS, connection=redis).count == 1


@pytest.mark.parametrize("strike", [Valkey.kill, Valkey.pause])
def test_without_redis_a_nudge_is_nothing(
    own_valkey: Valkey, strike: Callable[[Valkey], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    count: Any = vars(Queue)["count"]

    def counted(queue: Queue) -> Any:
        asked.append(queue)
        return count.fget(queue)

    monkeypatch.setattr(Queue, "count", property(counted))
    nudge = Nudge(Link(connect(own_valkey.url)))
    strike(own_valkey)

    nudge()
    nudge()

    assert len(asked) == 1


def test_after_a_while_redis_is_asked_again(
    own_valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_link, "PAUSE_SECONDS", 0.01)
    link = Link(connect(own_valkey.url))
    nudge = Nudge(link)
    own_valkey.kill()
    nudge()
    own_valkey.restart()
    wait_until(lambda: not link.is_down)

    nudge()

    assert Queue(VIEWS, connection=connect(own_valkey.url)).count == 1
