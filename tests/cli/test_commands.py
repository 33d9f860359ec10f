"""What commands say, and their exit codes: 0 done, 1 cannot be, 2 wrong settings."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete

from cli import demo
from domain.account import Role
from infrastructure.event_store.tables import feed
from infrastructure.runtime import Runtime
from tests import builders as b
from tests.cli.conftest import Ask
from tests.personal import CHOSEN_PASSWORD
from tests.process import KEYS, distributed, run
from tests.projections.views import contents, record
from tests.servers import MariaDB

LOGIN = ["--email", "boss@shop.example", "--password", CHOSEN_PASSWORD]


@pytest.mark.parametrize("command", [["serve"], ["worker"], ["migrate"], ["events", "check"]])
def test_wrong_settings_are_named_line_by_line(ask: Ask, command: list[str]) -> None:
    answer = ask(*command, settings={"PORT": "no number", "REDIS_URL": "redis://127.0.0.1"})

    assert answer.exit_code == 2
    assert [line.partition(":")[0] for line in answer.stderr.splitlines()] == [
        "PORT",
        "DATABASE_URL",
    ]
    assert answer.stdout == ""


def test_a_taken_port_is_said_before_anything_is_made(ask: Ask, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = {"PORT": str(taken.getsockname()[1]), "DATA_DIR": str(tmp_path / "data")}
        answer = ask("serve", settings=place)

    assert answer.exit_code == 1
    assert "Address already in use; HOST and PORT name another" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_an_admin_is_registered_and_logs_in(create_admin: Ask, runtime: Runtime) -> None:
    answer = create_admin(*LOGIN)

    assert answer.exit_code == 0, answer.stderr
    assert "boss@shop.example" in answer.stdout
    assert LOGIN[3] not in answer.output
    session = runtime.sessions.log_in("boss@shop.example", LOGIN[3])
    assert session is not None
    assert runtime.sessions.who(session.access_token).role is Role.ADMIN


def test_what_was_typed_is_said_as_it_was_typed(create_admin: Ask) -> None:
    email = "a:smile:[bold]@shop.example"

    answer = create_admin("--email", email, "--password", CHOSEN_PASSWORD)

    assert answer.stdout == f"admin {email} registered\n"


def test_an_admin_comes_from_the_environment(ask: Ask, embedded: dict[str, str]) -> None:
    login = {"ADMIN_EMAIL": "boss@shop.example", "ADMIN_PASSWORD": LOGIN[3]}

    answer = ask("accounts", "create-admin", settings=embedded | login)

    assert answer.exit_code == 0, answer.stderr


def test_an_admin_comes_from_the_file_of_settings(
    create_admin: Ask, tmp_path: Path, runtime: Runtime
) -> None:
    (tmp_path / ".env").write_text(f"ADMIN_EMAIL=boss@shop.example\nADMIN_PASSWORD={LOGIN[3]}\n")

    answer = create_admin()

    assert answer.stdout == "admin boss@shop.example registered\n"
    assert runtime.sessions.log_in("boss@shop.example", LOGIN[3])


def test_an_admin_is_asked_for(create_admin: Ask) -> None:
    answer = create_admin(typed=f"boss@shop.example\n{LOGIN[3]}\n")

    assert answer.exit_code == 0, answer.stderr
    assert LOGIN[3] not in answer.output


@pytest.mark.parametrize(
    ("login", "word"),
    [
        (["--email", "no address", "--password", LOGIN[3]], "email"),
        (["--email", "boss@shop.example", "--password", "short"], "password"),
    ],
)
def test_an_admin_that_cannot_be_is_a_sentence(
    create_admin: Ask, login: list[str], word: str
) -> None:
    answer = create_admin(*login)

    assert answer.exit_code == 1
    assert word in one_line(answer.stderr)


def test_an_email_is_registered_once(create_admin: Ask) -> None:
    create_admin(*LOGIN)

    answer = create_admin(*LOGIN)

    assert answer.exit_code == 1
    assert one_line(answer.stderr) == "Error: this email is taken"


def test_a_whole_feed_passes_the_check(
    ask: Ask, embedded: dict[str, str], runtime: Runtime
) -> None:
    record(runtime.store, {b.ITEM_ID: [b.item_added(), b.received()]})

    answer = ask("events", "check", settings=embedded)

    assert (answer.exit_code, answer.stdout) == (0, "the feed is whole: 2 events\n")


def test_a_hole_in_the_feed_fails_the_check(
    ask: Ask, embedded: dict[str, str], runtime: Runtime
) -> None:
    record(runtime.store, {b.ITEM_ID: [b.item_added(), b.received()]})
    with runtime.database.transaction() as connection:
        connection.execute(delete(feed).where(feed.c.position == 1))

    answer = ask("events", "check", settings=embedded)

    assert answer.exit_code == 1
    assert "positions are missing before 2" in answer.stdout
    assert "faults" in answer.stderr


def test_demonstration_data_is_for_an_empty_shop(
    ask: Ask, embedded: dict[str, str], runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "FULL", demo.SMALL)

    first, second = (ask("demo", settings=embedded) for _ in range(2))

    assert first.exit_code == 0, first.stderr
    assert first.stdout == "10 tickets of 6 customers\n"
    assert second.exit_code == 1
    assert "empty shop" in one_line(second.stderr)
    shown = contents(runtime.database)
    assert (len(shown["tickets"]), len(shown["customers"])) == (10, 6)


def test_progress_reaches_its_end(runtime: Runtime) -> None:
    ticks: list[int] = []
    demo.seed(runtime, demo.SMALL, by=None, told=lambda: ticks.append(1))

    assert len(ticks) == demo.SMALL.total


def test_embedded_mode_needs_no_worker(ask: Ask, embedded: dict[str, str]) -> None:
    answer = ask("worker", settings=embedded)

    assert answer.exit_code == 1
    assert "serve" in one_line(answer.stderr)


COMMANDS = [
    ["serve"],
    ["worker"],
    ["events", "check"],
    ["projections", "status"],
    ["projections", "rebuild"],
    ["projections", "verify"],
    ["projections", "dead-letters"],
    ["projections", "retry"],
    ["accounts", "create-admin", *LOGIN],
    ["demo"],
    ["keys", "rotate"],
    ["keys", "add-signer"],
    ["audit", "checkpoint"],
    ["audit", "check"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_unprepared_database_is_one_line(
    ask: Ask, mariadb: MariaDB, redis_url: str, command: list[str]
) -> None:
    settings = distributed(mariadb.create_database("unprepared"), redis_url)

    answer = ask(*command, settings=settings)

    assert answer.exit_code == 1
    assert one_line(answer.stderr).startswith("Error: ")
    assert "mechanic-shop migrate" in answer.stderr


@pytest.mark.parametrize("command", [["audit", "check"], ["projections", "status"]], ids=" ".join)
def test_an_unprepared_file_is_one_line(ask: Ask, command: list[str], tmp_path: Path) -> None:
    answer = ask(*command, settings={"DATA_DIR": str(tmp_path / "empty")})

    assert answer.exit_code == 1
    assert "mechanic-shop migrate" in one_line(answer.stderr)


def test_a_directory_that_cannot_be_made_is_one_line(ask: Ask) -> None:
    answer = ask("projections", "status", settings={"DATA_DIR": "/proc/none/such"})

    assert answer.exit_code == 2
    assert one_line(answer.stderr).startswith("DATA_DIR: ")


@pytest.mark.parametrize("command", [*COMMANDS, ["migrate"]], ids=" ".join)
def test_a_database_that_is_away_is_one_line(ask: Ask, command: list[str]) -> None:
    nowhere = "mysql+pymysql://shop:hidden@127.0.0.1:1/shop"

    answer = ask(*command, settings=distributed(nowhere, "redis://127.0.0.1:1/0"))

    assert answer.exit_code == 1
    assert one_line(answer.stderr).startswith("Error: ")
    assert "hidden" not in answer.output


@pytest.mark.parametrize("command", [["serve"], ["worker"]])
def test_another_shops_master_key_is_found_before_it_does_harm(
    ask: Ask, command: list[str], prepared: Callable[[], str], redis_url: str, tmp_path: Path
) -> None:
    settings = distributed(prepared(), redis_url)
    assert ask("accounts", "create-admin", *LOGIN, settings=settings).exit_code == 0
    other = "dz3XG83uQ2d04fFTBl1PhZCUHP/1eNeXm41nkn8s1KU="
    assert other != KEYS["MASTER_KEY"]

    answer = run(*command, settings=settings | {"MASTER_KEY": other}, cwd=tmp_path)

    assert answer.returncode == 1
    assert "MASTER_KEY" in one_line(answer.stderr)


def one_line(text: str) -> str:
    """Warnings of the server aside, one sentence and no stack."""
    lines = [line for line in text.splitlines() if not line.startswith("WARNING")]
    assert len(lines) == 1, text
    return lines[0]
