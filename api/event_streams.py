"""Answers without an end in sight: the whole feed as lines, and its end as it grows.

Both hold a thread of the server while they last, so there are only so many places for them
(`infrastructure.tailing`), and whoever does not read for SEND_SECONDS loses theirs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from contextlib import suppress

import falcon
import msgspec
from sqlalchemy.exc import SQLAlchemyError

from api.feed_reading import access_token
from infrastructure.access_tokens import InvalidAccess
from infrastructure.cloud_events import CloudEvents
from infrastructure.feed_cursors import Cursor, FeedFork
from infrastructure.feed_pages import FeedRow
from infrastructure.feed_views import View
from infrastructure.runtime import Runtime
from infrastructure.tailing import Tailer

LINES = 500
"""Events per piece of a download: the memory it takes."""
FRAMES = 200
RETRY_MILLISECONDS = 2000
HEARTBEAT_SECONDS = 15.0
CHECK_SECONDS = 1.0
"""How often a stream looks whether its reader may still read, and whether it should end."""
SEND_SECONDS = 30.0

ENDINGS = {
    "closing": "the server is about to end; connect again",
    "unauthorized": "the access token is not valid any more; get a new one and connect again",
    "too-slow": "events came faster than they were read; connect again, and read faster",
    "feed-fork": "the feed was put back from a backup and went another way",
    "unavailable": "the database is away; connect again",
}
"""Why a stream ends, as its last message says."""

log = logging.getLogger(__name__)


class Held:
    """A body that holds a place until it is closed, however it ends."""

    _open = False

    def __init__(self, tailer: Tailer, pieces: Generator[bytes, None, None]) -> None:
        tailer.take_place()
        self._tailer, self._pieces, self._open = tailer, pieces, True

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._tailer.leave_place()
            with suppress(ValueError):  # another thread is inside, on its way out
                self._pieces.close()

    __del__ = close


def hold(req: falcon.Request, resp: falcon.Response, body: Held, media_type: str) -> None:
    """Answer with a stream. The server waits for a client that does not read, but not for ever."""
    if req.method == "HEAD":
        body.close()
    else:
        resp.stream = body
    if (socket := req.env.get("gunicorn.socket")) is not None:
        socket.settimeout(SEND_SECONDS)
    resp.content_type = media_type
    # Proxies that gather an answer before they pass it on would hold the events back.
    resp.set_header("X-Accel-Buffering", "no")


def lines(
    runtime: Runtime, encoder: CloudEvents, token: str, after: Cursor, until: Cursor, view: View
) -> Generator[bytes, None, None]:
    """Every event up to `until`, one per line; the last of each piece carries its cursor.

    Ends with an error, so that nobody takes a part for the whole, when the reader's token has
    ended or the feed has gone another way.
    """
    while after.position < until.position:
        runtime.sessions.who(token)
        page = runtime.feed_pages.page(after, LINES, topics=view.topics, until=until.position)
        if page.end == after:
            raise FeedFork("the feed ends before the position that the download goes to")
        after = page.end
        encoded = [each for _, each in encoder.encode(page.rows, hidden=view.hidden)]
        if encoded:
            encoded[-1] = encoder.with_cursor(encoded[-1], after)
            yield b"\n".join(encoded) + b"\n"


class Follower:
    """One reader of server-sent events: what is there first, then what comes."""

    def __init__(
        self, runtime: Runtime, encoder: CloudEvents, req: falcon.Request, view: View
    ) -> None:
        self._runtime, self._encoder, self._view = runtime, encoder, view
        self._token = access_token(req)
        self._forks = runtime.tailer.forks
        self._checked = self._heard = time.monotonic()

    def frames(self, after: Cursor) -> Generator[bytes, None, None]:
        told = after
        yield b"retry: %d\nid: %b\n\n" % (RETRY_MILLISECONDS, self._id(after))
        with self._runtime.tailer.watching():
            keeps_up = False
            while True:
                if (ending := self._ending()) is not None:
                    break
                rows = self._runtime.tailer.following(after.position, self._forks)
                if rows is None and keeps_up:
                    ending = self._ending() or "too-slow"
                    break
                try:
                    if rows is None:
                        matching, end = self._from_database(after)
                    else:
                        keeps_up = True
                        matching, end = self._matching(rows), rows[-1].cursor if rows else after
                    pieces = self._framed(matching)
                except FeedFork:
                    ending = "feed-fork"
                    break
                except SQLAlchemyError:
                    log.exception("a stream ends: the database is away")
                    ending = "unavailable"
                    break
                for piece in pieces:
                    self._heard = time.monotonic()
                    yield piece
                if pieces:
                    told = end
                moved, after = end != after, end
                if moved or self._runtime.tailer.wait(after.position, CHECK_SECONDS):
                    continue
                if time.monotonic() - self._heard > HEARTBEAT_SECONDS:
                    self._heard = time.monotonic()
                    # Past what the filter left out, too.
                    yield b": still here\n\n" if told == after else b"id: %b\n\n" % self._id(after)
                    told = after
        log.info("a stream ends at event %d: %s", after.position, ending)
        detail = msgspec.json.encode({"reason": ending, "detail": ENDINGS[ending]})
        yield b"event: end\ndata: %b\n\n" % detail

    def _ending(self) -> str | None:
        """Why the stream has to end now."""
        if self._runtime.tailer.forks != self._forks:
            return "feed-fork"
        now = time.monotonic()
        if now - self._checked < CHECK_SECONDS:
            return None
        self._checked = now
        if self._runtime.tailer.closing:
            return "closing"
        try:
            # A token ends with the role it was given for, too.
            self._runtime.sessions.who(self._token)
        except InvalidAccess:
            return "unauthorized"
        except SQLAlchemyError:
            return "unavailable"
        return None

    def _from_database(self, after: Cursor) -> tuple[list[FeedRow], Cursor]:
        page = self._runtime.feed_pages.page(after, FRAMES, topics=self._view.topics)
        return page.rows, page.end

    def _matching(self, rows: list[FeedRow]) -> list[FeedRow]:
        topics = self._view.topics
        return rows if topics is None else [row for row in rows if row.topic in topics]

    def _framed(self, rows: list[FeedRow]) -> list[bytes]:
        """In pieces that even a slow line takes within SEND_SECONDS."""
        framed = [
            b"id: %b\ndata: %b\n\n" % (self._id(row.cursor), event)
            for row, event in self._encoder.encode(rows, hidden=self._view.hidden, kept=True)
        ]
        return [b"".join(framed[i : i + 50]) for i in range(0, len(framed), 50)]

    def _id(self, cursor: Cursor) -> bytes:
        return self._encoder.kept_cursor(cursor).encode()
