"""What exports of events are made of: the feed, from the first event of a period to its last.

An event never changes and none comes in between, so an export of them can be gone on with
behind any page: it needs no snapshot, and no attempt has to begin anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import and_, func, or_, select

from domain.account import Role
from infrastructure.access_tokens import InvalidAccess
from infrastructure.audit_index import AuditIndex, audit_index
from infrastructure.cloud_events import CloudEvent, CloudEvents
from infrastructure.database import Database
from infrastructure.feed_cursors import FeedCursors, FeedFork
from infrastructure.feed_pages import FeedPages, Page
from infrastructure.feed_views import whole
from infrastructure.sessions import Standing

PAGE = 500
"""Events that are in memory at once."""


class NotTheirs(Exception):
    """The account may not read any more what it asked for."""


class EventExport:
    """Events recorded from `since` on and before `until`, as far as the feed was indexed up to
    `position`, in the feed's order."""

    columns = CloudEvent.__struct_encode_fields__[:-1]
    """All but the cursor, which is for those who follow."""

    def __init__(
        self, shop: EventExports, asker: Asker, since: datetime, until: datetime, position: int
    ) -> None:
        self._shop, self._asker, self._view = shop, asker, whole(asker.role)
        self.position = position
        at = audit_index.c.recorded_at
        self._within = and_(at >= since, at < until)
        self._beyond = or_(at < since, at >= until)

    def total(self) -> int:
        _, _, count = self._span()
        return count

    def pages(self, mark: str | None) -> Iterator[tuple[Sequence[bytes], str]]:
        """Events in JSON, and the mark behind them: what follows is had by giving it back.
        Raises `FeedFork` if the feed was put back meanwhile, and `NotTheirs`."""
        pages, cursors = self._shop.pages, self._shop.cursors
        encoder = CloudEvents(pages, cursors)
        first, last, count = self._span()
        if not count:
            return
        after = cursors.read(mark) if mark else pages.at(first - 1)
        while after.position < last:
            self._shop.check(self._asker)
            page = pages.page(after, PAGE, topics=self._view.topics, until=last)
            if page.end == after:
                raise FeedFork("the feed ends before the position that the export goes to")
            others = self._others(after.position, page)
            rows = [row for row in page.rows if row.position not in others]
            encoded = encoder.encode(rows, hidden=self._view.hidden)
            after = page.end
            yield [each for _, each in encoded], cursors.text(after)

    def _span(self) -> tuple[int, int, int]:
        """The first and the last position, and how many between them are wanted."""
        position, topic = audit_index.c.position, audit_index.c.topic
        query = select(func.min(position), func.max(position), func.count())
        query = query.where(self._within, position <= self.position)
        if self._view.topics is not None:
            query = query.where(topic.in_(self._view.topics))
        with self._shop.database.reading() as connection:
            first, last, count = connection.execute(query).one()
        return (first or 0, last or 0, count)

    def _others(self, after: int, page: Page) -> set[Any]:
        """Positions of the page that are of other days: clocks are not all the same."""
        position = audit_index.c.position
        between = and_(position > after, position <= page.end.position)
        with self._shop.database.reading() as connection:
            return set(connection.scalars(select(position).where(between, self._beyond)))


class Asker(NamedTuple):
    """An account, and the role in which it asked."""

    account_id: UUID
    role: Role


class EventExports:
    """Exports of the events of this shop. `standing` is an account's, as it is now."""

    def __init__(
        self,
        database: Database,
        pages: FeedPages,
        cursors: FeedCursors,
        index: AuditIndex,
        standing: Callable[[UUID], Standing],
    ) -> None:
        self.database, self.pages, self.cursors = database, pages, cursors
        self._index, self._standing = index, standing

    def of(
        self, asker: Asker, since: datetime, until: datetime, position: int | None = None
    ) -> EventExport:
        """As much of the feed as there is, or as an earlier attempt found. Raises `NotTheirs`."""
        self.check(asker)
        position = self._index.position() if position is None else position
        return EventExport(self, asker, since, until, position)

    def check(self, asker: Asker) -> None:
        """Raises `NotTheirs` unless the account is active and has the role still."""
        try:
            standing = self._standing(asker.account_id)
        except InvalidAccess as error:
            raise NotTheirs(str(error)) from None
        if not standing.active or standing.role != asker.role:
            raise NotTheirs(f"account {asker.account_id} is no {asker.role} any more")
