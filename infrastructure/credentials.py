"""Passwords and refresh tokens: secrets kept beside the log, never in it."""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import (
    BINARY,
    Column,
    Connection,
    Select,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from infrastructure.database import Database
from infrastructure.event_store.tables import metadata
from infrastructure.ids import uuid7
from projections.sql import TABLE_OPTIONS, Id, Instant

REFRESH_LIFETIME = timedelta(days=30)
NOBODY = UUID(int=0)

credentials = Table(
    "credentials",
    metadata,
    Column("account_id", Id, primary_key=True),
    Column("password_hash", String(255), nullable=False),
    Column("changed_at", Instant, nullable=False),
    **TABLE_OPTIONS,
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_hash", BINARY(32), primary_key=True),
    Column("family", Id, nullable=False, index=True),
    Column("account_id", Id, nullable=False, index=True),
    Column("issued_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    **TABLE_OPTIONS,
)


class InvalidToken(Exception):
    """A refresh token that is unknown, used, expired or revoked."""


class Credentials:
    """Passwords as argon2id hashes; refresh tokens as SHA-256 digests, each good for one use.

    A refresh token used twice was stolen once: its whole family is revoked.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database, self._clock = database, clock
        self._hasher = PasswordHasher()

    def hashed(self, password: str) -> str:
        return self._hasher.hash(password)

    def set_password(self, account_id: UUID, password_hash: str) -> None:
        """In the current transaction if there is one. Ends the account's sessions."""
        row = dict(password_hash=password_hash, changed_at=self._clock())
        of = credentials.c.account_id == account_id
        with self._database.transaction() as connection:
            # Looked at first: an UPDATE that changes nothing counts no rows on MySQL.
            if connection.scalar(select(credentials.c.account_id).where(of).with_for_update()):
                connection.execute(update(credentials).where(of).values(row))
            else:
                connection.execute(insert(credentials), dict(row, account_id=account_id))
            connection.execute(
                delete(refresh_tokens).where(refresh_tokens.c.account_id == account_id)
            )

    def verified(self, account_id: UUID | None, password: str) -> str | None:
        """The hash that the password fits, to `issue` a token by; `None` if it does not.

        Takes as long for an account that does not exist as for one that does.
        """
        with self._database.reading() as connection:
            stored = connection.scalar(_hash_of(account_id or NOBODY))
        try:
            self._hasher.verify(stored or self._nobodys, password)
        except (Argon2Error, InvalidHashError):
            return None
        return stored

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash(secrets.token_hex())

    def issue(self, account_id: UUID, verified_hash: str) -> str:
        """A refresh token for who has shown the password.

        Raises `InvalidToken` if the password has been changed since.
        """
        with self._database.transaction() as connection:
            if connection.scalar(_hash_of(account_id).with_for_update()) != verified_hash:
                raise InvalidToken
            return self._insert(connection, account_id, uuid7())

    def owner(self, token: str) -> UUID | None:
        """Whose token it is, good or used; `None` if it is unknown."""
        with self._database.reading() as connection:
            row = connection.execute(_token, dict(hash=_digest(token))).one_or_none()
        return None if row is None else row.account_id

    def rotate(self, token: str) -> str:
        """A token that takes this one's place.

        Raises `InvalidToken`; one that was used before takes its family down with it.
        """
        with self._database.transaction() as connection:
            row = connection.execute(_token, dict(hash=_digest(token))).one_or_none()
            if row is not None:
                # Whoever changes the password holds this row: either our successor is there
                # to be deleted, or we find our token gone.
                connection.execute(_hash_of(row.account_id).with_for_update())
                # The UPDATE decides: of two that present the same token, one finds it unused.
                now = self._clock()
                spent = connection.execute(_spend, dict(hash=_digest(token), now=now))
                if spent.rowcount == 1:
                    return self._insert(connection, row.account_id, row.family)
                connection.execute(
                    delete(refresh_tokens).where(refresh_tokens.c.family == row.family)
                )
        raise InvalidToken

    def _insert(self, connection: Connection, account_id: UUID, family: UUID) -> str:
        token, now = urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode(), self._clock()
        row = dict(
            token_hash=_digest(token),
            family=family,
            account_id=account_id,
            issued_at=now,
            expires_at=now + REFRESH_LIFETIME,
            used_at=None,
        )
        connection.execute(insert(refresh_tokens), row)
        return token

    def revoke(self, token: str) -> None:
        """Log out: end the family of this token. An unknown token is ignored."""
        with self._database.transaction() as connection:
            row = connection.execute(_token, dict(hash=_digest(token))).one_or_none()
            if row is not None:
                connection.execute(
                    delete(refresh_tokens).where(refresh_tokens.c.family == row.family)
                )

    def sweep(self) -> int:
        """Delete what has expired; return how many."""
        with self._database.transaction() as connection:
            expired = refresh_tokens.c.expires_at <= self._clock()
            return connection.execute(delete(refresh_tokens).where(expired)).rowcount


_token = select(refresh_tokens.c.account_id, refresh_tokens.c.family).where(
    refresh_tokens.c.token_hash == bindparam("hash")
)
_spend = (
    update(refresh_tokens)
    .where(
        refresh_tokens.c.token_hash == bindparam("hash"),
        refresh_tokens.c.used_at.is_(None),
        refresh_tokens.c.expires_at > bindparam("now"),
    )
    .values(used_at=bindparam("now"))
)


def _hash_of(account_id: UUID) -> Select[str]:
    return select(credentials.c.password_hash).where(credentials.c.account_id == account_id)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
