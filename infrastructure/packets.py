"""The driver's connection: quick to open, with a COMMIT that takes the last writes along."""

from __future__ import annotations

import select
import ssl
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy
from pymysql import MySQLError
from pymysql.connections import Connection
from sqlalchemy.exc import DisconnectionError

_UNVERIFIED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_UNVERIFIED.check_hostname = False
_UNVERIFIED.verify_mode = ssl.CERT_NONE


class PackedConnection(Connection):
    """Sends what it was given to keep with COMMIT: a round trip less per transaction, or many.
    It goes in one packet, or in several of up to a megabyte.

    The server stops at the first statement that fails, so nothing is committed without the
    writes before it.
    """

    _kept: Sequence[bytes] = ()

    @property
    def has_ended(self) -> bool:
        """Of one at rest: nothing was asked, so what has come is the server's goodbye."""
        sock: Any = self._sock  # type: ignore[attr-defined]
        if sock is None:
            return True
        waiting = select.poll()
        waiting.register(sock.fileno(), select.POLLIN)
        return bool(waiting.poll(0))

    def forget(self) -> None:
        self._kept = ()

    def keep(self, statement: str, parameters: Any) -> None:
        cursor: Any = self.cursor()
        self._kept = (*self._kept, *cursor.statements(statement, parameters))

    def commit(self) -> None:
        if not self._kept:
            super().commit()
            return
        try:
            cursor: Any = self.cursor()
            for packet in _packets([*self._kept, b"COMMIT"], cursor.max_stmt_length):
                cursor.execute(packet)
                while cursor.nextset():
                    continue
        except BaseException:
            # SQLAlchemy takes a COMMIT that failed for the end of the transaction.
            with suppress(MySQLError):
                self.rollback()
            raise
        self.forget()

    def _create_ssl_ctx(self, sslp: dict[str, Any]) -> ssl.SSLContext:
        """Where the URL names no certificate, the driver encrypts without checking the server's.

        For that it would read every root certificate of the machine at each connect: 30 ms of
        a processor, most of what a connection costs.
        """
        if not sslp:
            return _UNVERIFIED
        context: ssl.SSLContext = super()._create_ssl_ctx(sslp)  # type: ignore[misc]
        return context


def _packets(statements: list[bytes], length_max: int) -> Iterator[bytes]:
    packet = list[bytes]()
    for statement in statements:
        if packet and sum(map(len, packet)) + len(statement) > length_max:
            yield b";\n".join(packet)
            packet = []
        packet.append(statement)
    yield b";\n".join(packet)


def connect(*given: Any) -> PackedConnection:
    """In the place of SQLAlchemy's own ("do_connect")."""
    _, _, arguments, named = given
    return PackedConnection(*arguments, **named)


def renew(resting: PackedConnection, *_: object) -> None:
    """Have the pool connect anew where the server has gone meanwhile ("checkout"): after its
    restart nobody's request has to find that out."""
    if resting.has_ended:
        raise DisconnectionError


def begin(on: sqlalchemy.Connection) -> None:
    """A transaction begins ("begin"), whatever became of the one before it."""
    _driver(on).forget()


def keep(on: sqlalchemy.Connection, statement: str, parameters: Any) -> None:
    """Have it sent with the next COMMIT: for a tuple of parameters, or for each of a list."""
    _driver(on).keep(statement, parameters)


def _driver(on: sqlalchemy.Connection) -> PackedConnection:
    driver = on.connection.dbapi_connection
    assert isinstance(driver, PackedConnection)
    return driver
