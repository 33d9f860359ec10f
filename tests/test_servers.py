"""The servers the other tests stand on: they start, survive, end, and come up empty."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pymysql
import pytest
import redis
from sqlalchemy import func, inspect, select, table

from infrastructure.database import Database
from infrastructure.event_store.tables import pending
from infrastructure.migrations import pending_migrations
from tests.process import ROOT, wait_until
from tests.schema import Schema
from tests.servers import MariaDB, Unavailable, Valkey

WITHOUT_SERVER = """
import sys, pytest, tests.servers
tests.servers._which = lambda program: None
sys.exit(pytest.main(sys.argv[1:]))
"""
ORPHAN = """
import sys
from pathlib import Path
from tests.process import Process, children
from tests.servers import MariaDB, Valkey
from tests.service import Api

def serving(where):
    where.mkdir()
    shop = Process("serve", settings=dict(DATA_DIR=str(where), DEMO="0"), cwd=where)
    shop.until(lambda: children(shop.pid))
    return shop

server = {start}(Path(sys.argv[1]))
print(server.pid, *children(server.pid), flush=True)
sys.stdin.read()
"""


def test_what_was_committed_survives_a_kill(own_mariadb: MariaDB) -> None:
    own_mariadb.create_database("shop")
    own_mariadb.execute("CREATE TABLE shop.t (n INT)")
    own_mariadb.execute("INSERT INTO shop.t VALUES (7)")

    own_mariadb.kill()
    with pytest.raises(pymysql.err.OperationalError):
        own_mariadb.execute("SELECT 1")
    assert "Shutdown complete" not in own_mariadb.log.read_text()
    own_mariadb.restart()

    assert own_mariadb.execute("SELECT n FROM shop.t") == ((7,),)


def test_a_durable_server_waits_for_the_disk(own_mariadb: MariaDB, mariadb: MariaDB) -> None:
    variable = "SELECT @@innodb_flush_log_at_trx_commit"

    assert own_mariadb.execute(variable) == ((1,),)
    assert mariadb.execute(variable) == ((2,),)


def test_a_paused_server_is_silent_until_it_is_resumed(own_valkey: Valkey) -> None:
    client = redis.Redis.from_url(own_valkey.url, socket_timeout=0.2)

    own_valkey.pause()
    with pytest.raises(redis.TimeoutError):
        client.ping()
    own_valkey.resume()

    assert client.ping()


def test_a_stopped_server_comes_back_on_its_port(own_valkey: Valkey) -> None:
    url = own_valkey.url

    own_valkey.stop()
    own_valkey.restart()

    assert own_valkey.url == url
    assert own_valkey.client().ping()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
@pytest.mark.parametrize("start", ["MariaDB.start", "Valkey.start", "Api.start", "serving"])
@pytest.mark.usefixtures("mariadb")  # the machine has one
def test_servers_die_with_whoever_started_them(start: str, tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHAN.format(start=start), str(tmp_path / "orphan")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert parent.stdout is not None
    processes = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(processes) == 1 + start.startswith(("Api", "serving"))

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    # The kernel's signal is on its way; who answers for a server looks whether that is there.
    wait_until(lambda: not any(map(_runs, processes)))


def test_emptying_a_schema_brings_its_first_rows_back(mariadb: MariaDB) -> None:
    migrations = []

    def migrate(_: str) -> None:
        migrations.append(1)
        mariadb.execute("CREATE TABLE shop.seeded (n INT PRIMARY KEY, raw VARBINARY(9))")
        mariadb.execute("INSERT INTO shop.seeded VALUES (1, x'00ff')")
        mariadb.execute("CREATE TABLE shop.counted (n INT AUTO_INCREMENT PRIMARY KEY)")

    schema = Schema(mariadb, migrate)
    schema.emptied()
    mariadb.execute("UPDATE shop.seeded SET n = 2")
    mariadb.execute("INSERT INTO shop.counted VALUES ()")
    mariadb.execute("DELETE FROM shop.counted")

    schema.emptied()

    mariadb.execute("INSERT INTO shop.counted VALUES ()")
    assert mariadb.execute("SELECT * FROM shop.seeded") == ((1, b"\x00\xff"),)
    assert mariadb.execute("SELECT * FROM shop.counted") == ((1,),)
    assert len(migrations) == 1

    mariadb.execute("CREATE TABLE shop.shadow (n INT)")
    schema.emptied()

    assert len(migrations) == 2
    mariadb.execute("DROP DATABASE shop")


def test_a_machine_without_a_server_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("tests.servers.MORE_PLACES", ())

    with pytest.raises(Unavailable):
        MariaDB.find()
    assert Path(Valkey.find()).is_file()


@pytest.mark.parametrize(
    ("ci", "status", "said"),
    [("", 0, "!! 1 tests left out !!"), ("true", 1, "Failed: THE MYSQL LEG DID NOT RUN")],
)
def test_tests_that_lack_their_server_are_not_left_out_in_silence(
    ci: str, status: int, said: str
) -> None:
    test = f"{__file__}::{test_a_durable_server_waits_for_the_disk.__name__}"

    answer = subprocess.run(
        [sys.executable, "-c", WITHOUT_SERVER, "-q", "-p", "no:cacheprovider", test],
        env={"PATH": os.environ["PATH"], "CI": ci},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert answer.returncode == status, answer.stdout + answer.stderr
    assert said in answer.stdout


@pytest.mark.parametrize("turn", ["first", "second"])
def test_every_test_finds_a_migrated_and_empty_database(database: Database, turn: str) -> None:
    left = pending.insert().values(recorded_at=datetime.now(UTC), runs=turn.encode())

    with database.transaction() as connection:
        names = inspect(connection).get_table_names()
        counts = {
            name: connection.scalar(select(func.count()).select_from(table(name))) for name in names
        }
        connection.execute(left)

    assert {name for name in counts if counts[name]} == {"alembic_version"}
    assert not pending_migrations(database)


def _runs(pid: int) -> bool:
    """A zombie has ended; nobody has asked for its exit status yet."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"
