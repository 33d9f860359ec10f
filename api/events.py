"""The feed of every event, for those who follow it: in pages, as a download, as a stream."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

import falcon
import msgspec
from msgspec import Meta

from api.event_streams import Follower, Held, hold, lines
from api.feed_reading import (
    FROM_BEGINNING,
    FROM_LATEST,
    READERS,
    CursorText,
    access_token,
    cursor_of,
    view_of,
)
from api.operation import operation
from api.resource import Resource, preferred_wait
from infrastructure.cloud_events import (
    MEDIA_BATCH,
    MEDIA_LINES,
    MEDIA_STREAM,
    CloudEvent,
    CloudEvents,
)
from infrastructure.feed_cursors import Cursor, FeedFork, InvalidCursor
from infrastructure.feed_pages import Page
from infrastructure.feed_views import PERSONAL as PERSONAL_TYPES
from infrastructure.feed_views import View

LIMIT, LIMIT_MAX = 100, 1000
WAIT_MAX_SECONDS = 30.0
LOOK_SECONDS = 1.0
YEAR_SECONDS = 365 * 24 * 3600
_ETAG = re.compile(r'"([\w-]+)\.([0-9a-f]{16})"')

Limit = Annotated[int, Meta(ge=1, le=LIMIT_MAX)]
Names = Annotated[str, Meta(min_length=1, max_length=4000)]


class EventParams(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`type` and `aggregate` take several names with commas between them: events of these types
    and of these aggregates, everything one may read if neither is given. `after` is a
    Feed-Cursor, `beginning` or `latest`; `until` is one too. A page has 100 events if `limit`
    says nothing, a download has all."""

    after: CursorText = FROM_BEGINNING
    until: CursorText | None = None
    limit: Limit | None = None
    type: Names | None = None
    aggregate: Names | None = None


class Span(NamedTuple):
    """What part of the feed is asked for."""

    after: Cursor
    until: Cursor | None
    limit: int
    view: View
    as_lines: bool = False

    @property
    def digest(self) -> str:
        """The same for the same question."""
        topics = "all" if self.view.topics is None else ",".join(sorted(self.view.topics))
        until = self.until.position if self.until else ""
        how = f"{self.limit} {self.view.hidden} {self.as_lines}"
        asked = f"{self.after.position} {until} {how} {topics}"
        return hashlib.sha256(asked.encode()).hexdigest()[:16]


class FeedResource(Resource):
    """What every way to a page of events shares."""

    @cached_property
    def encoder(self) -> CloudEvents:
        return CloudEvents(self.runtime.feed_pages, self.runtime.feed_cursors)

    def serve_span(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        span: Span,
        *,
        linked: bool = True,
        kept: bool = True,
    ) -> None:
        """One page, and the cursor behind it. A page that can never change again may be kept,
        unless it tells about a person, who may want to be forgotten; or unless the same URL means
        another page tomorrow (not `kept`)."""
        resp.set_header("Vary", "Authorization, Accept")
        if kept and (known := self._known(req, span)) is not None:
            resp.status = falcon.HTTP_304
            self._tell_end(req, resp, known)
            return
        page = self._page(req, resp, span)
        encoded = [each for _, each in self.encoder.encode(page.rows, hidden=span.view.hidden)]
        if span.as_lines:
            resp.data, resp.content_type = b"".join(each + b"\n" for each in encoded), MEDIA_LINES
        else:
            resp.data, resp.content_type = b"[%b]" % b",".join(encoded), MEDIA_BATCH
        if kept and page.settled and (span.view.hidden or not _personal(page)):
            cursor = self.runtime.feed_cursors.text(page.end)
            resp.set_header("Cache-Control", f"private, max-age={YEAR_SECONDS}, immutable")
            resp.set_header("ETag", f'"{cursor}.{span.digest}"')
        self._tell_end(req, resp, page.end, linked=linked)

    def _tell_end(
        self, req: falcon.Request, resp: falcon.Response, end: Cursor, *, linked: bool = True
    ) -> None:
        cursor = self.runtime.feed_cursors.text(end)
        resp.set_header("Feed-Cursor", cursor)
        if linked:
            query = urlencode({**req.params, "after": cursor}, doseq=True)
            resp.set_header("Link", f'<{req.path}?{query}>; rel="next"')

    def _known(self, req: falcon.Request, span: Span) -> Cursor | None:
        """The end of the page if the client has it already. Nothing is read of it but that both
        its ends are still there."""
        for cursor, digest in _ETAG.findall(req.get_header("If-None-Match") or ""):
            if digest == span.digest:
                try:
                    end = self.runtime.feed_cursors.read(cursor)
                    self.runtime.feed_pages.verify(span.after, end)
                except (InvalidCursor, FeedFork):
                    return None
                return end
        return None

    def _page(self, req: falcon.Request, resp: falcon.Response, span: Span) -> Page:
        """If there is nothing yet and the client prefers to wait: when there is something."""
        pages, tailer = self.runtime.feed_pages, self.runtime.tailer
        until = span.until.position if span.until else None
        page = pages.page(span.after, span.limit, topics=span.view.topics, until=until)
        patience = self.runtime.settings.request_seconds / 2
        seconds = preferred_wait(req, min(WAIT_MAX_SECONDS, patience))
        if seconds is None or page.rows or page.more or until is not None:
            return page
        resp.set_header("Preference-Applied", f"wait={seconds:.0f}")
        deadline = time.monotonic() + seconds
        tailer.take_place()
        try:
            with tailer.watching():
                while not tailer.closing and (left := deadline - time.monotonic()) > 0:
                    if not tailer.wait(page.end.position, min(left, LOOK_SECONDS)):
                        continue
                    page = pages.page(page.end, span.limit, topics=span.view.topics)
                    if page.rows:
                        break
        finally:
            tailer.leave_place()
        # It began elsewhere than the client asked, so it is not the page of that question.
        return page._replace(settled=False)


class Events(FeedResource):
    @operation(
        READERS,
        params=EventParams,
        returns=tuple[CloudEvent, ...],
        media_type=MEDIA_BATCH,
        media_types=(MEDIA_LINES, MEDIA_STREAM),
        of_views=False,
        asks=("Accept", "PreferWaitForEvents", "LastEventId", "IfNoneMatchPage"),
        tells=("Feed-Cursor", "Link", "ETag"),
        refusals=("feed-fork", "too-many-streams"),
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: EventParams) -> None:
        """Read the events of the shop in their one order, from a cursor on. A page by default;
        with `Accept: application/x-ndjson` a download of all there is; with
        `Accept: text/event-stream` a stream that goes on for ever. Reporters get no events of
        customers, accounts and claims, and nothing personal about mechanics."""
        view = view_of(req.context.actor.role, _names(query.type), _names(query.aggregate))
        media = req.client_prefers([MEDIA_BATCH, MEDIA_LINES, MEDIA_STREAM])
        after = cursor_of(self.runtime, query.after, "/after")
        until = None
        if query.until is not None:
            until = cursor_of(self.runtime, query.until, "/until")
            self.runtime.feed_pages.verify(until)
        if media == MEDIA_STREAM:
            self._follow(req, resp, after, view)
        elif media == MEDIA_LINES and query.limit is None:
            self._download(req, resp, after, until, view)
        else:
            span = Span(after, until, query.limit or LIMIT, view, media == MEDIA_LINES)
            kept = FROM_LATEST not in (query.after, query.until)
            self.serve_span(req, resp, span, kept=kept)

    def _download(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        after: Cursor,
        until: Cursor | None,
        view: View,
    ) -> None:
        self.runtime.feed_pages.verify(after)
        until = until or self.runtime.feed_pages.head()
        pieces = lines(self.runtime, self.encoder, access_token(req), after, until, view)
        hold(req, resp, Held(self.runtime.tailer, pieces), MEDIA_LINES)
        self._tell_end(req, resp, max(after, until))

    def _follow(
        self, req: falcon.Request, resp: falcon.Response, after: Cursor, view: View
    ) -> None:
        if (last := req.get_header("Last-Event-ID")) is not None:
            after = cursor_of(self.runtime, last, "/headers/Last-Event-ID")
        self.runtime.feed_pages.verify(after)
        frames = Follower(self.runtime, self.encoder, req, view).frames(after)
        hold(req, resp, Held(self.runtime.tailer, frames), MEDIA_STREAM)


def _names(text: str | None) -> Iterable[str]:
    return () if text is None else text.split(",")


def _personal(page: Page) -> bool:
    return any(row.topic in PERSONAL_TYPES for row in page.rows)
