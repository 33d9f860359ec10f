"""What has to be done now and then: sweeping what has expired.

Every worker looks; what another has swept is simply not there any more. What there may be much
of is swept in many short transactions, so nobody waits for it.
"""

from __future__ import annotations

import logging

from infrastructure.accesses import Accesses
from infrastructure.credentials import Credentials
from infrastructure.event_store.store import EventStore
from infrastructure.exports import Exports
from projections.generations import Generations

PERIOD_SECONDS = 600.0

log = logging.getLogger(__name__)


class Chores:
    def __init__(
        self,
        store: EventStore,
        credentials: Credentials,
        views: Generations,
        accesses: Accesses,
        exports: Exports,
    ) -> None:
        self._store, self._credentials, self._views = store, credentials, views
        self._accesses, self._exports = accesses, exports

    def sweep(self) -> int:
        """Delete expired idempotency keys, refresh tokens, access records and exports, and
        views served no more; how many of all."""
        keys, tokens = self._store.sweep(), self._credentials.sweep()
        if keys or tokens:
            log.info("swept %d idempotency keys, %d refresh tokens", keys, tokens)
        if records := self._accesses.sweep():
            log.info("swept %d access records", records)
        if removed := self._exports.sweep():
            log.info("removed %d expired exports", removed)
        if dropped := self._views.drop_superseded():
            log.info("dropped %d generations of views", dropped)
        return keys + tokens + records + removed + dropped
