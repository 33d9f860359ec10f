"""The keys of personal data: one per subject, each wrapped by the shop's master key.

Wrapping is AES-256-GCM (NIST SP 800-38D) with a random nonce and the owner's name as
associated data, rather than AES key wrap (RFC 5649), which has no associated data: a wrapped
key moved to another subject's row must fail, not open.

Subject keys are never cached: once a key is destroyed, the person reads `None` at once in
every process.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Collection, Sequence
from contextvars import Context
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import (
    Column,
    String,
    Table,
    and_,
    bindparam,
    delete,
    select,
    update,
)

from infrastructure.database import Database
from infrastructure.event_store.tables import metadata
from projections.sql import TABLE_OPTIONS, Bytes, Id, insert_if_absent

KEY_BYTES = 32
NONCE_BYTES = 12
ROTATION_BATCH = 500
CLAIM_KEY = "claims"
CLAIM_NAMESPACE = UUID("0199a4f2-6c1e-7d35-8b0a-5e2f7c914d60")

subject_keys = Table(
    "subject_keys",
    metadata,
    Column("subject_id", Id, primary_key=True),
    # Both are NULL once the key is destroyed: the row stays, so that no key is made again.
    Column("wrapped", Bytes),
    Column("master_kid", String(16)),
    **TABLE_OPTIONS,
)
store_secrets = Table(
    "store_secrets",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("wrapped", Bytes, nullable=False),
    Column("master_kid", String(16), nullable=False),
    **TABLE_OPTIONS,
)

_add_subject, _add_secret = insert_if_absent(subject_keys), insert_if_absent(store_secrets)
_secret = select(store_secrets).where(store_secrets.c.name == bindparam("secret"))
_drop_secret = delete(store_secrets).where(store_secrets.c.name == bindparam("secret"))
_of_subjects = select(subject_keys).where(
    subject_keys.c.subject_id.in_(bindparam("subjects", expanding=True)),
    subject_keys.c.wrapped.is_not(None),
)
_destroy = (
    update(subject_keys)
    .where(subject_keys.c.subject_id == bindparam("subject"))
    .values(wrapped=None, master_kid=None)
)


class WrongMasterKey(Exception):
    """A stored key cannot be unwrapped: MASTER_KEY lacks its master key, or it was altered."""


class Forgotten(Exception):
    """The key of this subject was destroyed: nothing personal is stored of them again."""

    def __init__(self, subject: UUID) -> None:
        super().__init__(f"the personal data of {subject} was erased; none can be added")
        self.subject = subject


def key_id(master_key: bytes) -> str:
    """How a master key is called beside what it wraps."""
    return sha256(master_key).hexdigest()[:16]


class _Wrapped(NamedTuple):
    wrapped: bytes
    master_kid: str


class KeyRing:
    """Makes, finds and destroys keys; joins the thread's current transaction where it can.

    The first of `master_keys` (32 bytes each) wraps new keys, every one of them unwraps.
    """

    def __init__(
        self,
        database: Database,
        master_keys: Sequence[bytes],
        *,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        if not master_keys or any(len(key) != KEY_BYTES for key in master_keys):
            raise ValueError(f"MASTER_KEY must hold keys of {KEY_BYTES} bytes, at least one")
        self._database = database
        self._masters = {key_id(key): AESGCM(key) for key in master_keys}
        self._first_kid = key_id(master_keys[0])
        self._random = random
        self._claim_key: bytes | None = None

    def create(self, subject: UUID) -> bytes:
        """The subject's key, made in the current transaction if there is none.

        Of two racing creators the later one waits and gets the key of the first. Raises
        `Forgotten` if the key was destroyed.
        """
        key = self._random(KEY_BYTES)
        with self._database.transaction() as connection:
            row = dict(subject_id=subject, **self._wrap(key, subject))
            if connection.execute(_add_subject, row).rowcount:
                return key
            existing = self.key_of(subject)
        if existing is None:
            raise Forgotten(subject)
        return existing

    def key_of(self, subject: UUID) -> bytes | None:
        return self.keys_of([subject]).get(subject)

    def keys_of(self, subjects: Collection[UUID]) -> dict[UUID, bytes]:
        """The keys that exist, in one statement."""
        if not subjects:
            return {}
        with self._database.reading() as connection:
            rows = connection.execute(_of_subjects, dict(subjects=list(subjects))).all()
        return {row.subject_id: self._unwrap(row, row.subject_id) for row in rows}

    def opened(self, subject: UUID, master_kid: str, wrapped: bytes) -> bytes:
        """The key of a row that was read with something else. Raises `WrongMasterKey`."""
        return self._unwrap(_Wrapped(wrapped, master_kid), subject)

    def forget(self, subject: UUID) -> None:
        """Destroy the subject's key for good, also if there was none yet."""
        with self._database.transaction() as connection:
            tombstone = dict(subject_id=subject, wrapped=None, master_kid=None)
            if not connection.execute(_add_subject, tombstone).rowcount:
                connection.execute(_destroy, dict(subject=subject))

    def keep(self, name: str, secret: bytes) -> None:
        """Store a secret of the shop's own, wrapped; does nothing if there is one. Raises
        `WrongMasterKey` where this process could not read those that are there."""
        if name != CLAIM_KEY:
            self._claim_secret()
        with self._database.transaction() as connection:
            connection.execute(_add_secret, dict(name=name, **self._wrap(secret, name)))

    def kept(self, name: str) -> bytes | None:
        """A secret of the shop's own. Raises `WrongMasterKey`."""
        with self._database.reading() as connection:
            row = connection.execute(_secret, dict(secret=name)).one_or_none()
        return self._unwrap(row, name) if row else None

    def drop(self, name: str) -> None:
        """Destroy a secret for good."""
        with self._database.transaction() as connection:
            connection.execute(_drop_secret, dict(secret=name))

    def claim_id(self, kind: str, normalised_value: str) -> UUID:
        """The id under which a unique value is claimed; tells nothing about the value."""
        text = f"{kind}\0{normalised_value}".encode()
        return uuid5(CLAIM_NAMESPACE, self.digest(text).hex())

    def digest(self, data: bytes) -> bytes:
        """32 bytes that tell nothing about the data to whoever lacks the store's key."""
        return hmac.digest(self._claim_secret(), data, "sha256")

    def rotate(self) -> int:
        """Wrap every key anew under the first master key; how many were under another one.

        Run it when every process wraps under the new key; the old one may go after a run
        that gives 0.
        """
        return self._rewrap(subject_keys) + self._rewrap(store_secrets)

    def _claim_secret(self) -> bytes:
        if self._claim_key is None:
            # Read outside the current transaction: a key made inside it is not to be kept,
            # because a rollback would take it away again.
            self._claim_key = Context().run(self.kept, CLAIM_KEY)
        return self._claim_key or self._make_claim_key()

    def _make_claim_key(self) -> bytes:
        with self._database.transaction():
            self.keep(CLAIM_KEY, key := self._random(KEY_BYTES))
            return self.kept(CLAIM_KEY) or key

    def _rewrap(self, table: Table) -> int:
        owner, rewrapped = next(iter(table.primary_key)), 0
        stale = (
            select(owner.label("owner"), table.c.wrapped, table.c.master_kid)
            .where(table.c.wrapped.is_not(None), table.c.master_kid != self._first_kid)
            .order_by(owner)
            .limit(ROTATION_BATCH)
        )
        # A key that was destroyed meanwhile stays destroyed.
        unchanged = and_(owner == bindparam("owner"), table.c.wrapped == bindparam("before"))
        rewrap = update(table).where(unchanged)
        batch = stale
        while True:
            with self._database.transaction() as connection:
                rows = connection.execute(batch).all()
                for row in rows:
                    wrapped = self._wrap(self._unwrap(row, row.owner), row.owner)
                    values = dict(owner=row.owner, before=row.wrapped)
                    rewrapped += connection.execute(rewrap.values(wrapped), values).rowcount
            if len(rows) < ROTATION_BATCH:
                return rewrapped
            batch = stale.where(owner > rows[-1].owner)

    def _wrap(self, key: bytes, owner: UUID | str) -> dict[str, Any]:
        nonce = self._random(NONCE_BYTES)
        sealed = self._masters[self._first_kid].encrypt(nonce, key, _name(owner))
        return dict(wrapped=nonce + sealed, master_kid=self._first_kid)

    def _unwrap(self, row: Any, owner: UUID | str) -> bytes:
        master = self._masters.get(row.master_kid)
        if master is None:
            raise WrongMasterKey(
                f"the key of {owner} is wrapped under master key {row.master_kid}, "
                f"and MASTER_KEY holds only {', '.join(self._masters)}"
            )
        nonce, sealed = row.wrapped[:NONCE_BYTES], row.wrapped[NONCE_BYTES:]
        try:
            return master.decrypt(nonce, sealed, _name(owner))
        except InvalidTag:
            raise WrongMasterKey(
                f"the stored key of {owner} was altered or is another's: master key "
                f"{row.master_kid} of MASTER_KEY does not unwrap it"
            ) from None


def _name(owner: UUID | str) -> bytes:
    """What a wrapped key is bound to."""
    return b"subject:" + owner.bytes if isinstance(owner, UUID) else b"secret:" + owner.encode()
