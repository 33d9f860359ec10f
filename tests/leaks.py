"""No password, token or personal datum is in any log of the whole test run.

Every process of the tests logs into files of one directory, and so does every process they
start. At the end the process that began the run looks through all of them; a line that says too
much fails the run and is shown.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests import personal

OURS = {"access", "api", "cli", "commands", "domain", "infrastructure", "mechanic-shop"}
OURS |= {"projections", "workers"}
"""The first part of the names of our loggers. Of others only warnings are logged."""
DIRECTORY = "TEST_LOGS"

_literal = "|".join(re.escape(text) for text in (*personal.NAMES, personal.ADDRESS))
_passwords = "|".join(map(re.escape, personal.PASSWORDS))
SECRET = {
    "an e-mail": re.compile(r"[\w.+-]+(@|%40)[\w-]+(\.[\w-]+)*\.[a-z]{2,}\b", re.IGNORECASE),
    "a name or address": re.compile(rf"\b({_literal})\b"),
    "a phone number": re.compile(r"(?<![\w-])555[ -]\d{4}\b"),
    "a VIN": re.compile(r"\b2T1BR32E\d{9}\b"),
    "a password": re.compile(rf"{_passwords}|\bpassword\b.{{0,3}}[:=]|shown this once"),
    "a password's hash": re.compile(r"\$argon2"),
    "an access token": re.compile(r"\beyJ[\w-]{8,}|\bBearer [\w.-]+"),
    "a refresh token": re.compile(
        r"(?<![\w/.-])(?=[\w-]*[A-Z])(?=[\w-]*[a-z])(?=[\w-]*\d)[\w-]{43}(?![\w/.-])"
    ),
    "who logs in to a server": re.compile(r"://[^\s/@]+@"),
    "a key": re.compile(r"\b(jwt_secret_key|master_key)\b.{0,3}[:=]\s*['\"b]", re.IGNORECASE),
}
FIRST_START = re.compile(r"admin: \S+@\S+|password \(shown this once\): \S+")
"""What an embedded shop says once, to whoever starts it. See docs/cli.md."""


def leaks(directory: Path) -> list[str]:
    """Each line that says too much, after where it is and what it says."""
    return [
        f"{file.name}:{number}: {what}: {line}"
        for file in sorted(directory.iterdir())
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), start=1)
        if not FIRST_START.fullmatch(line)
        for what, pattern in SECRET.items()
        if pattern.search(line)
    ]


def kept(log: Path) -> Path:
    """A path for the log of a process. What is written there is looked through when the run ends,
    also when the path is gone by then."""
    log.unlink(missing_ok=True)
    if directory := os.environ.get(DIRECTORY, _directory):
        file = Path(directory, f"{log.stem}-{uuid4()}.log")
        file.touch()
        log.symlink_to(file)
    return log


class Whole(logging.Formatter):
    """The message, the trace, and everything else a line of JSON would carry."""

    STANDARD = set(vars(logging.makeLogRecord({})))

    def format(self, record: logging.LogRecord) -> str:
        more = {name: str(value) for name, value in vars(record).items()}
        extra = {name: value for name, value in more.items() if name not in self.STANDARD}
        return f"{record.levelname} {record.name}: {super().format(record)} {extra or ''}"


def _worth_keeping(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] in OURS or record.levelno >= logging.WARNING


_directory = ""
"""Tests may change the environment; this stays."""


def pytest_configure(config: pytest.Config) -> None:
    global _directory
    if not hasattr(config, "workerinput"):
        os.environ[DIRECTORY] = tempfile.mkdtemp(prefix="test-logs-")
    _directory = os.environ[DIRECTORY]
    handler = logging.FileHandler(
        Path(_directory, f"pytest-{os.getpid()}.log"), encoding="utf-8", errors="backslashreplace"
    )
    handler.setFormatter(Whole())
    handler.addFilter(_worth_keeping)
    logging.getLogger().addHandler(handler)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """After everybody else: the other test processes have ended, the summary is written."""
    yield
    if hasattr(session.config, "workerinput"):
        return
    found = leaks(Path(_directory))
    if not found:
        shutil.rmtree(_directory)
        return
    session.exitstatus = pytest.ExitCode.TESTS_FAILED
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    assert isinstance(terminal, pytest.TerminalReporter)
    terminal.write_sep("!", f"{len(found)} lines of the logs say too much", red=True, bold=True)
    terminal.write_line(f"The logs are in {_directory}", red=True)
    for line in found:
        terminal.write_line(line[:1000], red=True)
