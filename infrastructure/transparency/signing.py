"""The keys that sign checkpoints: made, added, retired, published (C2SP signed-note, Ed25519).

Private keys lie in the database wrapped by the master key. While several are active, each
checkpoint carries a signature of every one, so that whoever trusts the old key can take up
the new one before the old one retires.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import bindparam, insert, select, update

from infrastructure.database import Database
from infrastructure.event_store.keyring import KeyRing
from infrastructure.transparency.tables import log_keys
from infrastructure.transparency.verifier import ED25519, Key, key_id


class LastKey(Exception):
    """The only active key does not retire: nobody could sign."""


class BrokenKeys(Exception):
    """The table of the log's keys holds what no key is."""


class Published(NamedTuple):
    """A public key as auditors get it."""

    public_key: str
    key_id: str
    made_at: datetime
    retired_at: datetime | None


class Signers:
    """Joins the thread's current transaction where there is one."""

    def __init__(self, database: Database, keyring: KeyRing, clock: Callable[[], datetime]) -> None:
        self._database, self._keyring, self._clock = database, keyring, clock
        self._private: dict[bytes, Ed25519PrivateKey] = {}

    def published(self) -> list[Published]:
        """Every key there was, the oldest first. Raises `BrokenKeys`."""
        with self._database.reading() as connection:
            try:
                rows = connection.execute(_all).all()
                return [Published(row.public_key, row.key_id.hex(), *row[2:]) for row in rows]
            except (AttributeError, TypeError, ValueError) as error:
                raise BrokenKeys(f"a key of the log is none any more: {error}") from error

    def active(self) -> list[Key]:
        return [Key.parse(each.public_key) for each in self.published() if not each.retired_at]

    def add(self, origin: str) -> Key:
        """A new key, active from the next checkpoint on."""
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        key = Key(origin, key_id(origin, public), public)
        text = f"{origin}+{key.id.hex()}+{b64encode(ED25519 + public).decode()}"
        with self._database.transaction() as connection:
            self._keyring.keep(_secret_name(key.id), private.private_bytes_raw())
            row = dict(key_id=key.id, public_key=text, made_at=self._clock(), retired_at=None)
            connection.execute(insert(log_keys), row)
        return key

    def retire(self, id: bytes) -> None:
        """Destroy the private key; what it signed stays verifiable.

        Raises `LookupError` where no such key is active, and `LastKey`.
        """
        with self._database.transaction() as connection:
            # The lock keeps two from retiring each the last but one.
            rows = connection.execute(_all.with_for_update()).all()
            active = {row.key_id for row in rows if row.retired_at is None}
            if id not in active:
                raise LookupError(f"no active key {id.hex()}")
            if active == {id}:
                raise LastKey(f"{id.hex()} is the only active key: add another one first")
            connection.execute(_retire, dict(id=id, now=self._clock()))
            self._keyring.drop(_secret_name(id))

    def sign(self, text: str, keys: Sequence[Key]) -> str:
        """The note: the text with a signature of each key. Raises `LookupError` for a key
        that has just retired."""
        lines = []
        for key in keys:
            signature = key.id + self._private_key(key.id).sign(text.encode())
            lines.append(f"\u2014 {key.name} {b64encode(signature).decode()}\n")
        return f"{text}\n{''.join(lines)}"

    def _private_key(self, id: bytes) -> Ed25519PrivateKey:
        if id not in self._private:
            secret = self._keyring.kept(_secret_name(id))
            if secret is None:
                raise LookupError(f"the key {id.hex()} has no private key")
            self._private[id] = Ed25519PrivateKey.from_private_bytes(secret)
        return self._private[id]


def _secret_name(id: bytes) -> str:
    return f"log-key:{id.hex()}"


_all = select(
    log_keys.c.public_key, log_keys.c.key_id, log_keys.c.made_at, log_keys.c.retired_at
).order_by(log_keys.c.made_at, log_keys.c.key_id)
_retire = (
    update(log_keys).where(log_keys.c.key_id == bindparam("id")).values(retired_at=bindparam("now"))
)
