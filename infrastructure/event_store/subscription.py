"""A subscription that asks again and again: works on every database and across processes."""

from __future__ import annotations

from collections import deque
from threading import Event
from typing import Any

from eventsourcing.persistence import ApplicationRecorder, Notification, Subscription

POLL_SECONDS = 0.05
BATCH = 500


class PollingSubscription(Subscription[ApplicationRecorder]):
    """Waits for events to be sequenced; `stop` (from any thread) ends the iteration."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stopping = Event()
        self._waiting = deque[Notification]()

    def stop(self) -> None:
        super().stop()
        self._stopping.set()

    def __next__(self) -> Notification:
        while not self._waiting and not self._stopping.is_set():
            self._waiting.extend(
                self._recorder.select_notifications(
                    self._last_notification_id or 0,
                    BATCH,
                    topics=self._topics,
                    inclusive_of_start=False,
                )
            )
            if self._waiting:
                self._last_notification_id = self._waiting[-1].id
            else:
                self._stopping.wait(POLL_SECONDS)
        if self._stopping.is_set():
            raise StopIteration
        return self._waiting.popleft()
