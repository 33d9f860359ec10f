"""Three users of one database: whoever takes over a process can do no more than that process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pymysql
import pytest
from sqlalchemy import Connection, make_url

from infrastructure import grants
from infrastructure.preparing import begin, prepare, rebuild
from infrastructure.runtime import Runtime, open_runtime
from infrastructure.setting_values import Account
from infrastructure.settings import Settings
from tests.conftest import TEST_MYSQLD
from tests.process import distributed, run
from tests.servers import MariaDB
from tests.shop import PASSWORD, SECRETS, Shop, done

DENIED = (1142, 1143)
"""A command that is denied to this user: on a table, on a column."""
API, WORKER = Account("grants_api"), Account("grants_worker", "127.0.0.%")
PASSWORDS = {API: "api password", WORKER: "worker password"}


class Three(NamedTuple):
    owner: Runtime
    api: Runtime
    worker: Runtime


@pytest.fixture(params=["mariadb", "mysql9"] if TEST_MYSQLD else ["mariadb"])
def server(request: pytest.FixtureRequest) -> MariaDB:
    found: MariaDB = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def three(server: MariaDB, redis_url: str) -> Iterator[Three]:
    """The runtimes of the one who migrates, of an API and of a worker; migrated."""
    owners = server.create_database("three_users")
    for account in PASSWORDS:
        server.execute(f"DROP USER IF EXISTS {account}")
        server.execute(f"CREATE USER {account} IDENTIFIED BY '{PASSWORDS[account]}'")

    def runtime(url: Any) -> Runtime:
        return open_runtime(
            Settings(
                database_url=url,
                redis_url=redis_url,
                rate_limit_enabled=False,
                api_database_user=API,
                worker_database_user=WORKER,
                **SECRETS,
            )
        )

    def as_(account: Account) -> Runtime:
        url = make_url(owners).set(username=account.name, password=PASSWORDS[account])
        return runtime(url.render_as_string(hide_password=False))

    three = Three(runtime(owners), as_(API), as_(WORKER))
    prepare(three.owner)
    yield three
    for each in three:
        each.close()


@pytest.fixture
def shop(three: Three) -> Shop:
    """Asked through the API's user; the views are moved by the worker's."""
    worker = three.worker
    return Shop(replace(three.api, advance=worker.advance, sequencer=worker.sequencer))


def refused(runtime: Runtime, sql: str) -> int:
    """The number of the error that this user gets for it; 0 if it was carried out."""
    url = runtime.database.url
    connection = pymysql.connect(
        host="127.0.0.1",
        port=url.port or 0,
        user=url.username,
        password=url.password or "",
        database=url.database,
        autocommit=True,
    )
    with closing(connection), connection.cursor() as cursor:
        try:
            cursor.execute(sql)
        except pymysql.MySQLError as error:
            return int(error.args[0])
    return 0


HISTORY = ("events", "feed", "audit_index", "access_records", "log_head", "log_keys", "log_tiles")
FIRST_COLUMN = {
    "events": "topic",
    "feed": "position",
    "audit_index": "topic",
    "access_records": "role",
    "log_head": "size",
    "log_keys": "public_key",
    "log_tiles": "number",
}


def changes(table: str) -> list[str]:
    column = FIRST_COLUMN[table]
    return [
        f"UPDATE {table} SET {column} = {column}",  # noqa: S608
        f"DELETE FROM {table}",  # noqa: S608
        f"REPLACE INTO {table} SELECT * FROM {table}",  # noqa: S608
        f"TRUNCATE TABLE {table}",
        f"DROP TABLE {table}",
        f"ALTER TABLE {table} ADD COLUMN more INT",
        f"CREATE TRIGGER t BEFORE INSERT ON {table} FOR EACH ROW SET @a = 1",
    ]


def test_the_api_cannot_change_or_take_away_what_happened(three: Three) -> None:
    for table in HISTORY:
        for sql in changes(table):
            assert refused(three.api, sql) in DENIED, sql


def test_the_api_cannot_pretend_that_something_happened_elsewhere_than_in_events(
    three: Three,
) -> None:
    for table in ("feed", "audit_index", "log_head", "log_keys", "log_tiles"):
        sql = f"INSERT INTO {table} SELECT * FROM {table}"  # noqa: S608
        assert refused(three.api, sql) in DENIED, sql


def test_the_api_neither_makes_views_nor_destroys_keys(three: Three) -> None:
    for sql in (
        "DELETE FROM pending",
        "DELETE FROM subject_keys",
        "UPDATE store_secrets SET name = name",
        "DELETE FROM store_secrets",
        "DELETE FROM credentials",
        "UPDATE tickets_1 SET version = 0",
        "INSERT INTO customers_1 SELECT * FROM customers_1",
        "UPDATE view_generations SET live = live",
        "CREATE TABLE more (id INT)",
        "DROP TABLE tickets_1",
        "GRANT SELECT ON events TO grants_worker@'127.0.0.%'",
    ):
        assert refused(three.api, sql) in DENIED, sql


def test_a_worker_neither_makes_history_nor_reads_credentials(three: Three) -> None:
    for sql in (
        "INSERT INTO events SELECT * FROM events",
        "UPDATE events SET topic = topic",
        "DELETE FROM events",
        "DROP TABLE events",
        "UPDATE feed SET position = position",
        "DELETE FROM feed",
        "INSERT INTO pending SELECT * FROM pending",
        "UPDATE audit_index SET topic = topic",
        "DELETE FROM audit_index",
        "INSERT INTO access_records SELECT * FROM access_records",
        "UPDATE access_records SET role = role",
        "DELETE FROM log_head",
        "UPDATE log_keys SET public_key = public_key",
        "DELETE FROM log_keys",
        "UPDATE subject_keys SET wrapped = NULL",
        "DELETE FROM subject_keys",
        "UPDATE store_secrets SET name = name",
        "SELECT * FROM credentials",
        "UPDATE credentials SET password_hash = ''",
        "SELECT token_hash FROM refresh_tokens",
        "SELECT * FROM idempotency_keys",
        "SELECT * FROM snapshots",
        "SELECT * FROM consumers",
        "INSERT INTO view_generations SELECT * FROM view_generations",
        "CREATE TABLE more (id INT)",
    ):
        assert refused(three.worker, sql) in DENIED, sql


def test_whoever_migrates_may_do_all_of_that(three: Three) -> None:
    for table in HISTORY:
        assert refused(three.owner, f"DELETE FROM {table}") == 0  # noqa: S608


def test_every_table_that_migrations_and_views_make_is_somebodys(three: Three) -> None:
    with three.owner.database.reading() as connection:
        tables = {each.table for each in grants.grants(connection, three.owner.settings)}
        rows = connection.exec_driver_sql("SHOW TABLES").scalars()
        assert tables == set(rows)
    assert set(grants.RIGHTS) <= tables


def test_the_shop_works_with_three_users(three: Three, shop: Shop) -> None:
    customer = shop.customer()
    ticket = shop.ticket(customer)
    item = shop.item(on_hand=150)
    for _ in range(3):
        done(shop.put(f"/v1/tickets/{ticket}/mechanics/{shop.mechanic()}"))
    issued = {"inventory_id": item, "quantity": 1}
    for _ in range(2):
        done(shop.post(f"/v1/tickets/{ticket}/parts", json=issued, key="the same request"))
    # Often enough for snapshots, of which the next one takes the place of the first.
    for _ in range(210):
        done(shop.post(f"/v1/inventory/{item}/receipts", json={"quantity": 1}))
    shop.settle()
    assert done(shop.get(f"/v1/tickets/{ticket}"))["id"] == ticket
    assert done(shop.get("/v1/customers"))["items"]
    assert done(shop.get("/v1/mechanics/leaderboard"))["items"]
    assert done(shop.get(f"/v1/tickets/{ticket}/history"))["items"]
    assert done(shop.get("/v1/audit/search"))["items"]

    email = shop.email()
    created = {"email": email, "password": PASSWORD, "role": "auditor"}
    done(shop.post("/v1/accounts", json=created))
    session = done(shop.post("/v1/auth/login", json={"email": email, "password": PASSWORD}))
    renewed = {"refresh_token": session["refresh_token"]}
    again = done(shop.post("/v1/auth/refresh", json=renewed))
    renewed = {"refresh_token": again["refresh_token"]}
    assert shop.post("/v1/auth/logout", json=renewed).status_code == 204

    consumer = "/v1/consumers/accounting"
    done(shop.put(consumer, json={}))
    page = shop.get(f"{consumer}/events")
    assert page.status_code == 200, page.text
    assert shop.delete(consumer).status_code in (200, 204)
    while three.worker.transparency_log.extend():
        continue
    three.worker.chores.sweep()
    assert done(shop.get(f"/v1/tickets/{ticket}/evidence"))
    assert done(shop.get("/v1/audit/accesses"))["items"]


def test_erasing_a_person_needs_no_more_than_the_api_may(shop: Shop) -> None:
    customer = shop.customer(name="Somebody To Erase")

    erased = shop.post(f"/v1/customers/{customer}/erase")

    assert erased.status_code == 200, erased.text
    shop.settle()
    assert "Somebody To Erase" not in shop.get(f"/v1/customers/{customer}").text


def test_views_built_anew_are_served_followed_and_dropped_by_the_users_they_were_granted_to(
    three: Three, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = shop.ticket()
    shop.settle()

    rebuild(three.owner, begin(three.owner))
    for each in three:
        monkeypatch.setattr(each.generations, "_known", None)
    assert three.worker.generations.live() == three.api.generations.live() == 2
    later = shop.ticket()
    shop.settle()

    listed = {each["id"] for each in done(shop.get("/v1/tickets"))["items"]}
    assert listed == {ticket, later}
    for _ in range(2):
        three.worker.chores.sweep()
    with three.owner.database.reading() as connection:
        assert not [name for name in _tables(connection) if name.endswith("_1")]


def test_granting_twice_is_granting_once(three: Three) -> None:
    with three.owner.database.reading() as connection:
        shown = connection.exec_driver_sql("SHOW GRANTS FOR %s@%s", tuple(API)).all()

        prepare(three.owner)

        assert connection.exec_driver_sql("SHOW GRANTS FOR %s@%s", tuple(API)).all() == shown
    assert len(shown) > len(grants.RIGHTS)


def _tables(connection: Connection) -> list[str]:
    return list(connection.exec_driver_sql("SHOW TABLES").scalars())


def test_what_is_printed_is_what_was_granted(three: Three, server: MariaDB, tmp_path: Path) -> None:
    with three.owner.database.reading() as connection:
        shown = connection.exec_driver_sql("SHOW GRANTS FOR %s@%s", tuple(API)).all()
    url = server.url("three_users")
    given = {"API_DATABASE_USER": API.name, "WORKER_DATABASE_USER": "@".join(WORKER)}

    printed = run(
        "grants", settings=distributed(url, "redis://127.0.0.1:1/0") | given, cwd=tmp_path
    )

    assert printed.returncode == 0, printed.stderr
    server.execute(f"DROP USER {API}")
    server.execute(f"CREATE USER {API} IDENTIFIED BY '{PASSWORDS[API]}'")
    for line in printed.stdout.splitlines():
        server.execute(line.replace(" ON ", " ON three_users."))
    with three.owner.database.reading() as connection:
        again = connection.exec_driver_sql("SHOW GRANTS FOR %s@%s", tuple(API)).all()
    # The first line holds the password, salted anew.
    assert set(again[1:]) == set(shown[1:])
    assert len(again) > len(grants.RIGHTS)


def test_only_who_names_both_users_is_told_their_grants(
    three: Three, server: MariaDB, tmp_path: Path
) -> None:
    given = distributed(server.url("three_users"), "redis://127.0.0.1:1/0")

    unnamed = run("grants", settings=given, cwd=tmp_path)
    wrong = run("grants", settings=given | {"API_DATABASE_USER": "a'b"}, cwd=tmp_path)

    assert (unnamed.returncode, wrong.returncode) == (1, 2)
    assert "must name the users" in unnamed.stderr
    assert "API_DATABASE_USER: expected a name" in wrong.stderr
