"""What has to be done now and then: sweeping what has expired.

Every worker looks; what another has swept is simply not there any more. Each sweep is a
series of short transactions, so nobody waits for it.
"""

from __future__ import annotations

import logging
from threading import Event, Thread

from infrastructure.accesses import Accesses
from infrastructure.credentials import Credentials
from infrastructure.event_store.store import EventStore
from infrastructure.exports import Exports
from projections.generations import Generations

PERIOD_SECONDS = 600.0

log = logging.getLogger(__name__)


class Chores:
    """A thread that sweeps every ten minutes until it is stopped."""

    def __init__(
        self,
        store: EventStore,
        credentials: Credentials,
        views: Generations,
        accesses: Accesses,
        exports: Exports,
        *,
        period_seconds: float = PERIOD_SECONDS,
    ) -> None:
        self._store, self._credentials, self._views = store, credentials, views
        self._accesses, self._exports = accesses, exports
        self._period = period_seconds
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="chores", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def sweep(self) -> None:
        """Delete expired idempotency keys, refresh tokens, access records and exports, and
        views served no more."""
        keys, tokens = self._store.sweep(), self._credentials.sweep()
        if keys or tokens:
            log.info("swept %d idempotency keys, %d refresh tokens", keys, tokens)
        if records := self._accesses.sweep():
            log.info("swept %d access records", records)
        if removed := self._exports.sweep():
            log.info("removed %d expired exports", removed)
        if dropped := self._views.drop_superseded():
            log.info("dropped %d generations of views", dropped)

    def _run(self) -> None:
        while not self._stopping.wait(self._period):
            try:
                self.sweep()
            except Exception:
                log.exception("the sweep failed; the next one tries again")
