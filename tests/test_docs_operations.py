"""docs/operations.md: every shell command on it is run, and every metric it names exists."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from infrastructure.metrics import Metrics
from tests.process import KEYS, ROOT, environment
from tests.programs import needs
from tests.servers import MariaDB
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Api, Worker

PAGE = ROOT / "docs" / "operations.md"
BLOCK = re.compile(r"^```sh(?: (\w+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
METRIC = re.compile(r"\bshop_[a-z_]+")
RESTORED = "shop_restored"
PROGRAMS = {"mechanic-shop": "-m cli", "mysqldump": f"{ROOT}/tests/mysqldump.py"}
MYSQL = "mysql" if shutil.which("mysql") else "mariadb"
"""As MariaDB calls it where nothing of MySQL is installed."""


def script(page: str, shape: str = "") -> str:
    """All commands for that shape, in the order of the page."""
    return "".join(commands for marked, commands in BLOCK.findall(page) if marked == shape)


def walk(commands: str, cwd: Path, **settings: str) -> str:
    """What they printed, each after itself; a command that fails fails the test."""
    functions = "".join(
        f'{name}() {{ {sys.executable} {runs} "$@"; }}\n'
        for name, runs in PROGRAMS.items()
        if name == "mechanic-shop" or shutil.which(name) is None
    )
    if MYSQL != "mysql":
        functions += f'mysql() {{ {MYSQL} "$@"; }}\n'
    walked = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", f"{functions}set -v\n{commands}"],
        env=environment(KEYS | settings),
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    assert walked.returncode == 0, f"{commands}\n{walked.stdout}{walked.stderr}"
    return walked.stdout


@pytest.fixture
def settings(mariadb: MariaDB, redis_url: str, tmp_path: Path) -> dict[str, str]:
    """Of a shop on servers, prepared and empty."""
    mariadb.execute(f"DROP DATABASE IF EXISTS `{RESTORED}`")
    settings = {"DATABASE_URL": mariadb.create_database("shop"), "REDIS_URL": redis_url}
    walk("mechanic-shop migrate", tmp_path, **settings)
    return settings


@pytest.fixture
def api(settings: dict[str, str], tmp_path: Path) -> Iterator[Api]:
    """Served, with a worker."""
    worker = Worker.start(tmp_path / "worker", **settings)
    api = Api.start(tmp_path / "api", **settings)
    yield api
    api.stop()
    worker.stop()


@needs("curl", "redis-cli", MYSQL)
def test_every_command_of_the_page_does_what_it_says(
    api: Api, settings: dict[str, str], mariadb: MariaDB, tmp_path: Path
) -> None:
    said = walk(
        script(PAGE.read_text()),
        tmp_path,
        URL=api.url,
        ADMIN_EMAIL=ADMIN_EMAIL,
        ADMIN_PASSWORD=ADMIN_PASSWORD,
        DB_HOST="127.0.0.1",
        DB_PORT=str(mariadb.port),
        DB_USER="root",
        RESTORED_URL=mariadb.url(RESTORED),
        **settings,
    )

    assert '"status":"ok"' in said
    assert said.count("the feed is whole: 2 events") == 2
    assert "continues the checkpoint held" in said
    assert said.count("0 keys wrapped anew") >= 1
    counted = [
        mariadb.execute(f"SELECT COUNT(*) FROM {name}.events")  # noqa: S608
        for name in ("shop", RESTORED)
    ]
    assert counted[0] == counted[1] == ((2,),)


def test_an_embedded_shop_is_copied_while_it_is_open(tmp_path: Path) -> None:
    api = Api.start(tmp_path / "var", ADMIN_EMAIL=ADMIN_EMAIL, ADMIN_PASSWORD=ADMIN_PASSWORD)
    walk(script(PAGE.read_text(), "embedded"), tmp_path)
    api.stop()

    (tmp_path / "copy").mkdir()
    (tmp_path / "shop-backup.db").rename(tmp_path / "copy" / "shop.db")
    said = walk(
        "mechanic-shop events check; mechanic-shop projections verify",
        tmp_path,
        DATA_DIR=str(tmp_path / "copy"),
    )

    assert "the feed is whole" in said


def metrics_named(page: str) -> set[str]:
    """Without what Prometheus adds to the name of a histogram."""
    named = (re.sub(r"_(bucket|count|sum)$", "", name) for name in METRIC.findall(page))
    return set(named) - {RESTORED}


def test_every_metric_of_the_page_is_exposed_and_every_exposed_one_is_watched(api: Api) -> None:
    # A server names what has been counted; this process, all that it can count.
    exposed = httpx.get(f"{api.url}/metrics", timeout=30).text + Metrics().exposed().decode()

    have = set(re.findall(r"^# TYPE (shop_\w+)(?<!_created) ", exposed, re.MULTILINE))
    named = metrics_named(PAGE.read_text())
    positions = {"shop_feed_position", "shop_projection_position", "shop_view_generation"}
    counts = {
        "shop_projection_lag_events",
        "shop_sequencer_pending_events",
        "shop_consumer_lag_events",
    }
    assert named - have == set()
    assert have - named - positions - counts == set()


def test_a_command_that_fails_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no-such-command"):
        walk("mechanic-shop no-such-command\ntrue\n", tmp_path)
