"""The end of the feed, watched once per process for everybody who waits for it.

One thread asks the database for what is new and keeps the latest rows. Whoever streams takes
them from there at their own pace; nothing is kept for anybody in particular, so a slow one costs
nobody anything but the thread that serves them, and there are only so many of those.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Thread

from infrastructure.feed_cursors import Cursor, FeedFork
from infrastructure.feed_pages import FeedPages, FeedRow

LOOK_SECONDS = 0.02
PAUSE_SECONDS = 1.0
"""After an error: the database may be away."""
BATCH = 500
KEPT_MAX = 2_000
"""Rows kept for those who are behind; who is further behind reads the database or is let go."""

log = logging.getLogger(__name__)


class TooManyWait(Exception):
    """Every place for those who hold a thread is taken."""

    def __init__(self, places: int) -> None:
        super().__init__(
            f"this process serves {places} streams and waiting requests at once, and has as many; "
            "try again, or read pages without waiting"
        )


class Tailer:
    """`places` are the threads that may be held at once by streams and long polls."""

    def __init__(self, pages: FeedPages, places: int) -> None:
        self._pages, self._places = pages, places
        self._changed = Condition()
        self._kept = deque[FeedRow](maxlen=KEPT_MAX)
        self._end: Cursor | None = None
        self._forks = 0
        self._taken = self._watchers = 0
        self._follower: object = None
        self._closing: Callable[[], bool] = lambda: False

    @property
    def closing(self) -> bool:
        """Whether this process is about to end: whoever holds a thread should let it go."""
        return self._closing()

    def close_when(self, closing: Callable[[], bool]) -> None:
        self._closing = closing

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return self._taken

    def take_place(self) -> None:
        """Raises `TooManyWait`. Give it back with `leave_place`."""
        with self._changed:
            if self._taken >= self._places:
                raise TooManyWait(self._places)
            self._taken += 1

    def leave_place(self) -> None:
        with self._changed:
            self._taken -= 1

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While anybody is inside, the end of the feed is followed."""
        with self._changed:
            if self._watchers == 0:
                self._kept.clear()
                self._end = None
                self._follower = object()
                given = (self._follower,)
                Thread(target=self._follow, args=given, name="tail", daemon=True).start()
            self._watchers += 1
        try:
            yield
        finally:
            with self._changed:
                self._watchers -= 1

    @property
    def forks(self) -> int:
        """How often the feed was seen to go another way while it was watched."""
        return self._forks

    def following(self, position: int, forks: int) -> list[FeedRow] | None:
        """The rows after that position; `None` if not all of them are kept, or if the feed has
        gone another way since there were so many `forks`."""
        with self._changed:
            if self._end is None or self._forks != forks:
                return None
            if position >= self._end.position:
                return []
            if not self._kept or self._kept[0].position > position + 1:
                return None
            skipped = position + 1 - self._kept[0].position
            return [self._kept[i] for i in range(skipped, min(skipped + BATCH, len(self._kept)))]

    def wait(self, position: int, seconds: float) -> bool:
        """Until the feed goes beyond the position; whether it does."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_beyond(position), seconds)
            return self._is_beyond(position)

    def _is_beyond(self, position: int) -> bool:
        return self._end is not None and self._end.position > position

    def _follow(self, me: object) -> None:
        """Ends when nobody watches, or when another thread has begun to follow since."""
        while True:
            try:
                news = self._look()
            except FeedFork as fork:
                log.warning("the feed went another way: %s", fork)
                with self._changed:
                    self._forks += 1
                    self._kept.clear()
                    self._end = None
                continue
            except Exception:
                log.exception("the end of the feed cannot be read; trying again")
                time.sleep(PAUSE_SECONDS)
                news = False
            with self._changed:
                if not self._watchers or self._follower is not me:
                    return
            if not news:
                time.sleep(LOOK_SECONDS)

    def _look(self) -> bool:
        """Whether there was something new."""
        end = self._end
        if end is None:
            head = self._pages.head()
            with self._changed:
                self._end = head
                self._changed.notify_all()
            return True
        page = self._pages.page(end, BATCH)
        with self._changed:
            # There may have been a new beginning in between.
            if self._end == end and page.end != end:
                self._kept.extend(page.rows)
                self._end = page.end
                self._changed.notify_all()
        return page.end != end
