"""The service on servers: made ready once, served by processes, honest about what is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from infrastructure.preparing import prepare
from infrastructure.runtime import open_runtime
from infrastructure.settings import Settings
from tests.cli.test_embedded import answers
from tests.personal import CHOSEN_PASSWORD
from tests.process import PATIENCE_SECONDS, Process, distributed, run
from tests.server_process import free_port
from tests.servers import MariaDB, Valkey
from tests.shop import prepare_url


def test_two_that_migrate_at_once_both_succeed_and_once_more_changes_nothing(
    mariadb: MariaDB, redis_url: str, tmp_path: Path
) -> None:
    settings = distributed(mariadb.create_database("twice"), redis_url)

    def migrate(_: int) -> str:
        done = run("migrate", settings=settings, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def tables() -> object:
        return mariadb.execute(
            "SELECT table_name, create_time FROM information_schema.tables "
            "WHERE table_schema = 'twice' ORDER BY 1"
        )

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(migrate, range(2))) == {"the schema is up to date\n"}
    made = tables()
    migrate(3)

    assert tables() == made
    assert mariadb.execute("SELECT COUNT(*) FROM twice.view_generations") == ((1,),)


def test_views_made_at_once_by_several_are_made_once(mariadb: MariaDB, redis_url: str) -> None:
    url = mariadb.create_database("views_at_once")
    prepare_url(url)
    runtimes = [open_runtime(Settings.read(distributed(url, redis_url))) for _ in range(4)]
    mariadb.execute("DROP TABLE views_at_once.view_generations")
    for (name,) in mariadb.execute(
        "SELECT table_name FROM information_schema.tables "
        "WHERE table_schema = 'views_at_once' AND table_name LIKE '%\\_1'"
    ):
        mariadb.execute(f"DROP TABLE views_at_once.`{name}`")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(prepare, runtimes))
    assert mariadb.execute("SELECT generation FROM views_at_once.view_generations") == ((1,),)
    for runtime in runtimes:
        runtime.close()


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_an_unprepared_database_is_not_served(
    mariadb: MariaDB, redis_url: str, tmp_path: Path, command: str
) -> None:
    settings = distributed(mariadb.create_database("unprepared"), redis_url)

    refused = run(command, settings=settings, cwd=tmp_path)

    assert refused.returncode == 1
    assert [line for line in refused.stderr.splitlines() if "WARNING" not in line] == [
        "Error: the database schema is not up to date: run `mechanic-shop migrate`"
    ]


@contextmanager
def serving(settings: dict[str, str], cwd: Path) -> Iterator[tuple[Process, httpx.Client]]:
    port = free_port()
    given = {**settings, "PORT": str(port)}
    with (
        Process("serve", settings=given, cwd=cwd) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS) as http,
    ):
        process.until(lambda: answers(http))
        yield process, http


def test_readiness_tells_what_is_away_and_serves_without_redis(
    own_mariadb: MariaDB, own_valkey: Valkey, tmp_path: Path
) -> None:
    url = own_mariadb.create_database("shop")
    prepare_url(url)
    with serving(distributed(url, own_valkey.url), tmp_path) as (process, http):

        def ready() -> tuple[int, dict[str, str]]:
            answer = http.get("/readyz")
            return answer.status_code, answer.json()["checks"]

        assert ready() == (200, {"database": "ok", "views": "ok", "redis": "ok"})

        own_valkey.kill()
        assert ready() == (200, {"database": "ok", "views": "ok", "redis": "away"})
        login = {"email": "nobody@shop.example", "password": CHOSEN_PASSWORD}
        assert http.post("/v1/auth/login", json=login).status_code == 401

        own_mariadb.pause()
        status, checks = ready()
        assert (status, checks["redis"]) == (503, "away")
        assert checks["database"] != "ok"
        assert http.get("/livez").status_code == 200

        own_mariadb.resume()
        own_valkey.restart()
        process.until(lambda: ready() == (200, {"database": "ok", "views": "ok", "redis": "ok"}))
        assert process.terminate() == 0


def test_what_starts_warns_of_commits_that_do_not_wait_for_the_disk(
    own_mariadb: MariaDB, own_valkey: Valkey, tmp_path: Path
) -> None:
    url = own_mariadb.create_database("shop")
    prepare_url(url)
    own_mariadb.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2")

    for command in ("serve", "worker"):
        with Process(command, settings=distributed(url, own_valkey.url), cwd=tmp_path) as process:
            process.until_said("ARE LOST when the database machine fails")


def test_several_processes_serve_one_shop(
    prepared: Callable[[], str], redis_url: str, tmp_path: Path
) -> None:
    settings = distributed(prepared(), redis_url) | {"WEB_CONCURRENCY": "2"}
    login = {"ADMIN_EMAIL": "boss@shop.example", "ADMIN_PASSWORD": CHOSEN_PASSWORD}
    made = run("accounts", "create-admin", settings=settings | login, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    with serving(settings, tmp_path) as (process, http):
        given = {"email": login["ADMIN_EMAIL"], "password": login["ADMIN_PASSWORD"]}
        session = http.post("/v1/auth/login", json=given).json()
        admin = {"Authorization": f"Bearer {session['access_token']}"}
        for _ in range(6):
            assert http.get("/v1/me", headers=admin).status_code == 200
        assert "WEB_CONCURRENCY is ignored" not in process.complained()
        assert process.terminate() == 0
