"""Idempotency keys: claimed first in a transaction, so that a duplicate waits and replays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from commands.store import Key, KeyReused
from infrastructure.database import Database
from infrastructure.event_store.faults import is_duplicate
from infrastructure.event_store.tables import idempotency_keys

KEY_LIFETIME = timedelta(hours=24)
SWEEP_BATCH = 500

_keys = idempotency_keys.c
_insert = insert(idempotency_keys)
_select = select(idempotency_keys).where(_keys.scope == bindparam("key_scope"))
_update = update(idempotency_keys).where(_keys.scope == bindparam("key_scope"))
_expired = select(_keys.scope).where(_keys.expires_at <= bindparam("now")).limit(SWEEP_BATCH)
_sweep = delete(idempotency_keys).where(
    _keys.scope == bindparam("key_scope"), _keys.expires_at <= bindparam("now")
)
_ANSWER = "UPDATE idempotency_keys SET outcome = %s WHERE scope = %s"


class IdempotencyKeys:
    """Joins the thread's current transaction; all but `sweep` are for use inside one."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def claim(self, key: Key) -> bytes | None:
        """Take the key, or give the answer it was used for.

        Waits while another transaction holds it. An expired key is as good as new.
        """
        now = self._clock()
        row = dict(scope=key.scope, fingerprint=key.fingerprint, expires_at=now + KEY_LIFETIME)
        with self._database.transaction() as connection:
            try:
                connection.execute(_insert, row)
                return None
            except DBAPIError as error:
                if not is_duplicate(error):
                    raise
            # The failed insert holds the row: nobody sweeps it away or takes it over now.
            stored = connection.execute(_select, dict(key_scope=key.scope)).one()
            if stored.expires_at <= now:
                connection.execute(_update, dict(row, key_scope=key.scope, outcome=None))
                return None
        if stored.fingerprint != key.fingerprint:
            raise KeyReused("this idempotency key was used for another payload")
        assert stored.outcome is not None, "a key is answered in the transaction that claims it"
        return bytes(stored.outcome)

    def answer(self, key: Key, outcome: bytes) -> None:
        with self._database.transaction() as connection:
            if self._database.is_mysql:
                self._database.write_last(_ANSWER, (outcome, key.scope))
            else:
                connection.execute(_update, dict(key_scope=key.scope, outcome=outcome))

    def sweep(self) -> int:
        """Delete expired keys, a few at a time; how many there were."""
        swept, now = 0, self._clock()
        while True:
            with self._database.transaction() as connection:
                scopes = connection.scalars(_expired, dict(now=now)).all()
                if not scopes:
                    return swept
                # By primary key, one by one: a scan would wait for requests under way.
                gone = [dict(key_scope=scope, now=now) for scope in scopes]
                swept += connection.execute(_sweep, gone).rowcount
