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
    MetaData,
    String,
    Table,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from infrastructure.database import Database
from infrastructure.ids import uuid7
from projections.sql import TABLE_OPTIONS, Id, Instant

REFRESH_LIFETIME = timedelta(days=30)

metadata = MetaData()

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

    def verify(self, account_id: UUID | None, password: str) -> bool:
        """Takes as long for an account that does not exist as for one that does."""
        stored = None
        if account_id is not None:
            query = select(credentials.c.password_hash)
            with self._database.reading() as connection:
                stored = connection.scalar(query.where(credentials.c.account_id == account_id))
        try:
            return self._hasher.verify(stored or self._nobodys, password) and stored is not None
        except (Argon2Error, InvalidHashError):
            return False

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash(secrets.token_hex())

    def issue(self, account_id: UUID, family: UUID | None = None) -> str:
        """A new refresh token, in the family of the one it replaces."""
        token, now = urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode(), self._clock()
        row = dict(
            token_hash=_digest(token),
            family=family or uuid7(),
            account_id=account_id,
            issued_at=now,
            expires_at=now + REFRESH_LIFETIME,
            used_at=None,
        )
        with self._database.transaction() as connection:
            connection.execute(insert(refresh_tokens), row)
        return token

    def rotate(self, token: str) -> tuple[UUID, str]:
        """The account and a token that takes this one's place.

        Raises `InvalidToken`; one that was used before takes its family down with it.
        """
        with self._database.transaction() as connection:
            now = self._clock()
            unused = and_(
                refresh_tokens.c.token_hash == bindparam("hash"),
                refresh_tokens.c.used_at.is_(None),
                refresh_tokens.c.expires_at > now,
            )
            # The UPDATE decides: of two that present the same token, one finds it unused.
            spent = connection.execute(
                update(refresh_tokens).where(unused).values(used_at=now), dict(hash=_digest(token))
            )
            row = connection.execute(_token, dict(hash=_digest(token))).one_or_none()
            if spent.rowcount == 1 and row is not None:
                return row.account_id, self.issue(row.account_id, row.family)
            if row is not None:
                connection.execute(
                    delete(refresh_tokens).where(refresh_tokens.c.family == row.family)
                )
        raise InvalidToken

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


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
