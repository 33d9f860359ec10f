"""Asking Redis over connections that are used as they were left."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from redis import Redis
from redis.connection import AbstractConnection
from redis.exceptions import ResponseError, TimeoutError

from infrastructure.redis_link import Link
from tests.servers import Valkey


@pytest.fixture
def link(own_valkey: Valkey) -> Iterator[Link]:
    link = Link(Redis.from_url(own_valkey.url, socket_timeout=0.5, socket_connect_timeout=5))
    yield link
    link.redis.close()


def test_a_connection_is_used_again(link: Link) -> None:
    assert link.ask("CLIENT", "ID") == link.ask("CLIENT", "ID")


def test_an_error_is_an_answer_too(link: Link) -> None:
    id = link.ask("CLIENT", "ID")

    with pytest.raises(ResponseError):
        link.ask("NONSENSE")

    assert link.ask("CLIENT", "ID") == id


def test_a_connection_that_broke_while_nobody_used_it_is_made_anew(
    link: Link, own_valkey: Valkey
) -> None:
    link.ask("SET", "key", 1)
    own_valkey.kill()
    own_valkey.restart()

    assert link.ask("ECHO", "here") == b"here"


def test_nobody_gets_the_answer_that_somebody_did_not_wait_for(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(BaseException):
        pass

    def stopped(_: AbstractConnection) -> None:
        raise Stopped

    link.ask("PING")
    with monkeypatch.context() as patched:
        patched.setattr(AbstractConnection, "read_response", stopped)
        with pytest.raises(Stopped):
            link.ask("ECHO", "not waited for")

    assert link.ask("ECHO", "mine") == b"mine"


def test_nor_one_that_came_too_late(link: Link, own_valkey: Valkey) -> None:
    link.ask("PING")
    own_valkey.pause()
    with pytest.raises(TimeoutError):
        link.ask("ECHO", "late")
    own_valkey.resume()

    assert link.ask("ECHO", "mine") == b"mine"


def test_a_process_that_was_forked_has_connections_of_its_own(link: Link) -> None:
    before = link.ask("CLIENT", "ID")
    read, write = os.pipe()

    if (child := os.fork()) == 0:
        try:
            os.write(write, b"%d" % link.ask("CLIENT", "ID"))
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    assert int(os.read(read, 20)) != before
    assert link.ask("CLIENT", "ID") == before
    os.close(read)
    os.close(write)
