"""The command line as users have it: processes of their own, away from the developer's settings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests import leaks
from tests.server_process import dies_with_the_tests, free_port

ROOT = Path(__file__).parent.parent
PATIENCE_SECONDS = 60
"""Far more than anything here takes; who waits this long waits for nothing."""
KEYS = {
    "JWT_SECRET_KEY": "k3J9dkL2mQpZx8vB7nR4tY6wE1sA5uG0hC3fD2jV",
    "MASTER_KEY": "cz3XG83uQ2d04fFTBl1PhZCUHP/1eNeXm41nkn8s1KU=",
}


def distributed(database_url: str, redis_url: str) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **KEYS}


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the developer's but the path; and tests ask more often than people do."""
    ours = {"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "RATE_LIMIT_ENABLED": "0"}
    return {"PATH": os.environ["PATH"], "PORT": str(free_port()), **ours, **settings}


def run(
    *arguments: str, settings: Mapping[str, str], cwd: Path, typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """One command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        input=typed,
        env=environment(settings),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


class Process:
    """A command that goes on until it is ended, together with all it started: by the test, and
    by the kernel where that was killed itself."""

    def __init__(
        self,
        *arguments: str,
        settings: Mapping[str, str],
        cwd: Path,
        program: Sequence[str] = ("-m", "cli"),
    ) -> None:
        self.out, self.err = leaks.kept(cwd / "process.out"), leaks.kept(cwd / "process.err")
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, *program, *arguments],
                env=environment(settings),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=dies_with_the_tests(),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Kill it unless it has ended already."""
        if self._process.poll() is None:
            self.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    def said(self) -> str:
        return self.out.read_text()

    def complained(self) -> str:
        return self.err.read_text()

    def until(self, happened: Callable[[], object]) -> None:
        """Wait for something that this process brings about."""
        wait_until(happened, or_fail=self.must_live)

    def until_said(self, text: str) -> None:
        self.until(lambda: text in self.said())

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE_SECONDS)

    def wait(self) -> int:
        return self._process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def must_live(self) -> None:
        assert self._process.poll() is None, f"it ended:\n{self.said()}\n{self.complained()}"


def children(pid: int) -> list[int]:
    """The processes that it has started; Linux knows them."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until(
    happened: Callable[[], object],
    otherwise: str = "it never happened",
    *,
    or_fail: Callable[[], None] = lambda: None,
    seconds: float = PATIENCE_SECONDS,
) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        or_fail()
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)
