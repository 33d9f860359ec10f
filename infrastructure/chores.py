"""What has to be done now and then: sweeping what has expired.

Every worker looks; what another has swept is simply not there any more. What there may be much
of is swept in many short transactions, so nobody waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

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
        self._sweeps: dict[str, Callable[[], int]] = {
            "expired idempotency keys": store.sweep,
            "expired refresh tokens": credentials.sweep,
            "access records kept long enough": accesses.sweep,
            "expired exports": exports.sweep,
            "generations of views served no more": views.drop_superseded,
        }

    def sweep(self) -> int:
        """Delete all of that; how many there were."""
        total = 0
        for what, sweep in self._sweeps.items():
            if swept := sweep():
                log.info("swept %d %s", swept, what)
                total += swept
        return total
