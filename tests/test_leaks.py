"""The whole run watches its logs (tests/leaks.py); here it is caught watching."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import personal
from tests.leaks import leaks

ROOT = Path(__file__).parent.parent
CONFTEST = """
from tests.leaks import pytest_configure, pytest_sessionfinish
"""
RUN = """
import logging
from pathlib import Path

from tests.process import Process
from tests.service import Worker

log = logging.getLogger("api.gate")


def test_in_process(): {in_process}


def test_in_a_worker(tmp_path: Path):
    Worker.start(tmp_path, SAYS={in_worker!r}).destroy()


def test_in_a_command(tmp_path: Path):
    with Process(settings=dict(SAYS={in_command!r}), cwd=Path.cwd()) as process:
        process.wait()
"""
PROGRAM = """
import os, sys, time
print(os.environ["SAYS"])
print("following the events", flush=True)
time.sleep(600 if sys.argv[1:] == ["worker"] else 0)
"""
QUIET = {"in_process": "log.info('all is well')", "in_worker": "ready", "in_command": "ready"}
LOUD = {
    "in_process": "log.info('tries %s', 'a@shop.example', extra={'who': 'b@shop.example'})",
    "in_worker": "logged in: c@shop.example",
    "in_command": "logged in: d@shop.example",
}


def _run(directory: Path, says: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """Three tests that pass, and what they or their processes say meanwhile."""
    (directory / "conftest.py").write_text(CONFTEST)
    (directory / "test_planted.py").write_text(RUN.format(**says))
    (directory / "cli").mkdir()
    # Found before ours, since it lies where the commands are run.
    (directory / "cli" / "__init__.py").touch()
    (directory / "cli" / "__main__.py").write_text(PROGRAM)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_run_that_says_nothing_passes(tmp_path: Path) -> None:
    run = _run(tmp_path, QUIET, "-n", "2")

    assert run.returncode == 0, run.stdout + run.stderr
    assert "3 passed" in run.stdout


@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_leaks_fail_the_run_and_are_shown(tmp_path: Path, options: tuple[str, ...]) -> None:
    run = _run(tmp_path, LOUD, *options)

    assert run.returncode == 1, run.stdout + run.stderr
    assert "3 passed" in run.stdout
    assert "3 lines of the logs say too much" in run.stdout
    for letter in "abcd":
        assert f"{letter}@shop.example" in run.stdout


TOO_MUCH = [
    "no login for a.person@shop.example",
    "GET /v1/customers?email=a.person%40shop.example",
    f"registered {personal.CUSTOMER_NAME}",
    f"lives at {personal.ADDRESS}",
    f"called {personal.PHONE}",
    "no vehicle 2T1BR32E000000017",
    f"tried {personal.WRONG_PASSWORD!r}",
    '{"password": "x"}',
    "password (shown this once): x, said again",
    "$argon2id$v=19$m=8,t=1,p=1$c29tZXRoaW5n$c29tZXRoaW5n",
    "Authorization: Bearer x.y.z",
    "eyJhbGciOiJIUzI1NiJ9.e30.x",
    "session Zq3kP0aX9cVb7nM2sL5dF8gH1jK4wE6rT_yU-iO0pA3",
    "connecting to mysql+pymysql://shop:hidden@127.0.0.1/shop",
    "connecting to mysql+pymysql://shop@127.0.0.1/shop",
    "Settings(jwt_secret_key='hidden')",
]
HARMLESS = [
    "admin: admin@shop.example",
    "password (shown this once): Zq3kP0aX9cVb7nM2sL5dF8gH1jK4wE6rT_yU-iO0pA3",
    "connecting to redis://127.0.0.1:6379/0",
    "0192f3a4-5550-7100-8555-010000000000 took 555.0100 ms",
    "the account has a new password or role; log in again",
]


def test_what_says_too_much_is_told_from_what_does_not(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("\n".join([*TOO_MUCH, *HARMLESS]))

    found = {line.split(":", 2)[1] for line in leaks(tmp_path)}

    assert found == {str(number) for number in range(1, len(TOO_MUCH) + 1)}
