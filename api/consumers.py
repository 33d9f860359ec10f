"""Named consumers of the feed: the shop remembers how far each has come."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import falcon
import msgspec
from msgspec import Meta

from api.answers import answer
from api.events import LIMIT, FeedResource, Limit, Span
from api.feed_reading import FROM_BEGINNING, READERS, CursorText, cursor_of, view_of
from api.gate import NoSuchThing, Nothing
from api.operation import operation
from api.owned import may_see, owner_of
from api.validation import FieldError, InvalidFields
from domain.account import Role
from domain.kernel import Taken
from infrastructure import consumers as stored
from infrastructure.cloud_events import MEDIA_BATCH, CloudEvent
from infrastructure.consumers import CursorMoved, Filter, Lag, NameTaken, Rewind
from infrastructure.feed_cursors import Cursor

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
TypeNames = Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=200)]
POINTERS = ("/types", "/aggregates")


class ConsumerFilter(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Events of these types and of these aggregates; all that its account may read if both are
    empty. `start` (a Feed-Cursor, `beginning` or `latest`) counts where the consumer is new."""

    types: TypeNames = []
    aggregates: TypeNames = []
    start: CursorText = FROM_BEGINNING


class ConsumerView(msgspec.Struct, kw_only=True):
    """`cursor`: everything before it is done with, `position` is its place. The lag counts all
    events of the feed behind it, also those that the filter leaves out."""

    name: str
    account_id: UUID
    types: list[str]
    aggregates: list[str]
    cursor: str
    position: int
    lag_events: int
    lag_seconds: float
    created_at: datetime
    committed_at: datetime | None
    rewinds: Sequence[Rewind]


class ConsumerList(msgspec.Struct):
    """All of them: there are never many."""

    items: list[ConsumerView]


class Commit(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`cursor`: where to go, usually the Feed-Cursor of the batch that is done with. `expected`:
    where the consumer is now, as far as this process knows. Going back is allowed."""

    cursor: CursorText
    expected: CursorText


class BatchParams(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`expected` is where the consumer is, as far as the client knows; 409 if it is not."""

    limit: Limit = LIMIT
    expected: CursorText | None = None


class ConsumerResource(FeedResource):
    """Consumers belong to the account that made them; admins see all."""

    def found(self, req: falcon.Request, name: str) -> stored.Consumer:
        """Raises `NoSuchThing`, also where it is somebody else's."""
        consumer = self.runtime.consumers.find(name) if _NAME.fullmatch(name) else None
        if consumer is None or not may_see(req, consumer.account_id):
            raise NoSuchThing(f"no consumer {name[:64]!r}")
        return consumer

    def show(self, resp: falcon.Response, consumer: stored.Consumer) -> None:
        lag = self.runtime.consumers.lags([consumer])[consumer.name]
        shown = self.view(consumer, lag, self.runtime.consumers.rewinds(consumer.name))
        answer(resp, shown)

    def view(self, consumer: stored.Consumer, lag: Lag, rewinds: Sequence[Rewind]) -> ConsumerView:
        return ConsumerView(
            name=consumer.name,
            account_id=consumer.account_id,
            types=consumer.filter.types,
            aggregates=consumer.filter.aggregates,
            cursor=self.runtime.feed_cursors.text(consumer.cursor),
            position=consumer.cursor.position,
            lag_events=lag.events,
            lag_seconds=lag.seconds,
            created_at=consumer.created_at,
            committed_at=consumer.committed_at,
            rewinds=rewinds,
        )

    def verified(self, text: str, pointer: str) -> Cursor:
        """A cursor that is of this feed."""
        cursor = cursor_of(self.runtime, text, pointer)
        self.runtime.feed_pages.verify(cursor)
        return cursor


class Consumers(ConsumerResource):
    @operation(READERS, returns=ConsumerList, of_views=False)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List one's own consumers and how far behind they are; admins see all."""
        consumers = self.runtime.consumers.list(owner_of(req))
        lags = self.runtime.consumers.lags(consumers)
        shown = [self.view(each, lags[each.name], []) for each in consumers]
        answer(resp, ConsumerList(shown))


class Consumer(ConsumerResource):
    @operation(READERS, returns=ConsumerView, of_views=False)
    def on_get(self, req: falcon.Request, resp: falcon.Response, consumer: str) -> None:
        """Read a consumer: how far it has come, how far behind it is, when it went back."""
        self.show(resp, self.found(req, consumer))

    @operation(
        READERS,
        body=ConsumerFilter,
        returns=ConsumerView,
        of_views=False,
        statuses=(200, 201),
        refusals=("feed-fork", "refused", "taken"),
    )
    def on_put(
        self, req: falcon.Request, resp: falcon.Response, consumer: str, body: ConsumerFilter
    ) -> None:
        """Create a consumer, or change its filter: its cursor stays where it is."""
        if not _NAME.fullmatch(consumer):
            message = "Expected 1 to 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first"
            raise InvalidFields([FieldError("/consumer", message)])
        actor = req.context.actor
        view_of(actor.role, body.types, body.aggregates, pointers=POINTERS)
        start = self.verified(body.start, "/start")
        try:
            created = self.runtime.consumers.put(
                consumer,
                actor.account_id,
                Filter(sorted(set(body.types)), sorted(set(body.aggregates))),
                start,
                of_anybody=actor.role is Role.ADMIN,
            )
        except NameTaken:
            raise Taken("consumer") from None
        self.show(resp, self.found(req, consumer))
        resp.status = falcon.HTTP_201 if created else falcon.HTTP_200

    @operation(READERS, of_views=False, statuses=(204,))
    def on_delete(
        self, req: falcon.Request, resp: falcon.Response, consumer: str, body: Nothing
    ) -> None:
        """Delete a consumer; the events stay."""
        self.found(req, consumer)
        self.runtime.consumers.delete(consumer)
        resp.status = falcon.HTTP_204


class ConsumerEvents(ConsumerResource):
    @operation(
        READERS,
        params=BatchParams,
        returns=tuple[CloudEvent, ...],
        media_type=MEDIA_BATCH,
        of_views=False,
        asks=("PreferWaitForEvents",),
        tells=("Feed-Cursor",),
        refusals=("feed-fork", "cursor-moved", "too-many-streams"),
    )
    def on_get(
        self, req: falcon.Request, resp: falcon.Response, consumer: str, query: BatchParams
    ) -> None:
        """Read the batch behind the committed cursor. It comes again until it is committed."""
        known = self.found(req, consumer)
        expected = self.verified(query.expected, "/expected") if query.expected else known.cursor
        if expected != known.cursor:
            raise CursorMoved(known)
        filter = known.filter
        view = view_of(req.context.actor.role, filter.types, filter.aggregates)
        span = Span(known.cursor, None, query.limit, view)
        self.serve_span(req, resp, span, linked=False, kept=False)


class ConsumerCursor(ConsumerResource):
    @operation(
        READERS,
        body=Commit,
        returns=ConsumerView,
        of_views=False,
        refusals=("feed-fork", "cursor-moved"),
    )
    def on_put(
        self, req: falcon.Request, resp: falcon.Response, consumer: str, body: Commit
    ) -> None:
        """Commit how far the consumer has come. Moves nothing if somebody else has moved it. Out of
        a feed that is no more it goes back to where the two agree, or to the beginning."""
        known = self.found(req, consumer)
        expected = cursor_of(self.runtime, body.expected, "/expected")
        if expected != known.cursor:
            self.runtime.feed_pages.verify(expected)
        cursor = self.verified(body.cursor, "/cursor")
        by = req.context.actor.account_id
        if not self.runtime.consumers.commit(known.name, expected, cursor, by):
            raise NoSuchThing(f"no consumer {consumer!r}")
        self.show(resp, self.found(req, consumer))
