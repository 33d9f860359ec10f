"""A server process on a free port of 127.0.0.1 that dies with whoever started it.

Start it from the main thread: on Linux the kernel kills it together with the thread that
started it, so that not even SIGKILL of the tests leaves a server behind. Elsewhere it ends at
interpreter exit.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import ClassVar, Self

import pymysql
import redis

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30
PORT_ATTEMPTS_MAX = 5
PORTS = range(20_000, 32_000)
"""Below what Linux and macOS give to outgoing connections: a port stays free for a restart."""

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Server:
    """One process that listens on one port, and can be struck down and brought back."""

    name: ClassVar[str]

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _environment(self) -> dict[str, str] | None:
        """`None`: that of the tests."""
        return None

    def _ping(self) -> None:
        """Raise unless the server answers."""
        raise NotImplementedError

    def _begin(self) -> Self:
        """Listen on a free port; another one if somebody was faster."""
        for attempt in range(PORT_ATTEMPTS_MAX):
            self.port = free_port()
            try:
                self.restart()
            except RuntimeError:
                if attempt == PORT_ATTEMPTS_MAX - 1:
                    raise
            else:
                break
        return self

    def restart(self) -> None:
        """Start again after `kill` or `stop`: same port, same data."""
        with self.log.open("ab") as log:
            self._process = process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                preexec_fn=dies_with_the_tests(),
            )
        atexit.register(self.kill)
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                self._ping()
            except (OSError, pymysql.err.MySQLError, redis.RedisError) as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise RuntimeError(f"{self.name}: {error}\n{self._last_words()}") from error
                time.sleep(0.01)
            else:
                # Another server may have answered on this port while ours was giving up.
                if process.poll() is None:
                    return

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL: what a power cut or the out-of-memory killer does to the process."""
        atexit.unregister(self.kill)
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Ask it to end in good order."""
        if self._process is None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS_MAX)
        finally:
            self.kill()

    def wait(self) -> int:
        """Until it ends by itself; its exit code."""
        assert self._process is not None, "the server is not running"
        return self._process.wait(STOP_SECONDS_MAX)

    def pause(self) -> None:
        """Connections stay open and nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def destroy(self) -> None:
        """Kill it and forget its data."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])


def free_port() -> int:
    """Where nobody listens now, away from where clients' own ports come from."""
    while True:
        port = random.choice(PORTS)
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def dies_with_the_tests() -> Callable[[], None] | None:
    """What a child does before it becomes the program (`preexec_fn`)."""
    if _libc is None:
        return None
    libc, parent = _libc, os.getpid()

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return tie
