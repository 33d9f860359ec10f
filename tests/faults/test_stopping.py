"""Asked to stop, the service finishes what it has begun and begins nothing more."""

from __future__ import annotations

import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx

from tests.faults.deployment import until
from tests.servers import MariaDB, Valkey
from tests.service import Api, founded

ASKED = 6
WAITING = """\
SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table%'"""


def test_requests_under_way_are_answered_before_the_api_ends(
    own_mariadb: MariaDB, own_valkey: Valkey, tmp_path: Path
) -> None:
    settings = founded(own_mariadb.create_database("stopping"), own_valkey.url)
    api = Api.start(tmp_path / "api", **settings, WEB_CONCURRENCY="2")
    with closing(api.client()) as client, ThreadPoolExecutor(ASKED) as threads:

        def register(number: int) -> httpx.Response:
            # A connection each, as from as many machines.
            body = {"name": "A Customer", "email": f"{number}@mail.example"}
            return httpx.post(
                f"{api.url}/v1/customers", json=body, headers=client.headers, timeout=60
            )

        with closing(own_mariadb.connect()) as one:
            one.cursor().execute("LOCK TABLES stopping.events WRITE")
            answers = [threads.submit(register, number) for number in range(ASKED)]
            until(lambda: own_mariadb.execute(WAITING) == ((ASKED,),), "they are not under way")
            os.kill(api.pid, signal.SIGTERM)
            until(lambda: not _listens(api.port), "it takes new connections")

        statuses = [answer.result().status_code for answer in answers]
        assert api.wait() == 0

    assert statuses == [201] * ASKED
    assert own_mariadb.execute(
        "SELECT COUNT(*) FROM stopping.events WHERE topic = 'customer.registered'"
    ) == ((ASKED,),)


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
