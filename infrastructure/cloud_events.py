"""Events as the outside reads them: CloudEvents 1.0 in JSON.

What is stored is passed on as it is. Only events with personal fields are taken apart, to open
or to hide them, and those of retired tags, to put them in today's words.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from domain.kernel import Recorded
from infrastructure.event_store.sealing import personal_fields
from infrastructure.feed_cursors import Cursor, FeedCursors
from infrastructure.feed_pages import FeedPages, FeedRow
from infrastructure.feed_views import PERSONAL, TAGS

MEDIA_BATCH = "application/cloudevents-batch+json"
MEDIA_LINES = "application/x-ndjson"
MEDIA_STREAM = "text/event-stream"

ENCODED_MAX = 4096
"""Events that are kept encoded, for the many who follow the end of the feed."""


class CloudEvent(msgspec.Struct, omit_defaults=True, gc=False):
    """One event. `id` is unique and for ever, `source` the shop, `type` the tag, `subject` the
    aggregate and its id, `sequence` the position in the feed (19 digits, so that they sort as
    text). `data` is the event; beside it stands what it was recorded with. `cursor` stands
    where a stream can be taken up again. `unreadable` is true for what is stored and cannot be
    read: its place is kept, `data` is missing."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    sequence: str
    aggregateversion: int
    time: str | None = None
    datacontenttype: str | None = None
    actor: str | None = None
    role: str | None = None
    command: str | None = None
    correlationid: str | None = None
    reason: str | None = None
    unreadable: bool = False
    data: Any = None
    cursor: str | None = None


class _Stored(msgspec.Struct, gc=False):
    """What is stored, as far as it is needed here."""

    originator_id: str
    originator_version: int
    recorded_at: str
    actor: str | None
    role: str
    command: str
    correlation_id: str
    event: msgspec.Raw
    reason: str | None = None


_decode = msgspec.json.Decoder(_Stored).decode
_encode = msgspec.json.Encoder().encode


class CloudEvents:
    """Encodes rows of the feed, one JSON object each."""

    def __init__(self, pages: FeedPages, cursors: FeedCursors) -> None:
        self._pages, self._cursors = pages, cursors
        self._source = f"urn:uuid:{cursors.feed_id}"
        # Nothing personal is in these: see `encode`.
        self.kept = lru_cache(maxsize=ENCODED_MAX)(self._encoded)
        self.kept_cursor = lru_cache(maxsize=ENCODED_MAX)(self._cursors.text)

    def encode(
        self, rows: Sequence[FeedRow], *, hidden: bool, kept: bool = False
    ) -> list[tuple[FeedRow, bytes]]:
        """Each row with its JSON, personal fields opened or `hidden`. `kept`: others will ask
        for the same rows soon."""
        plain = self.kept if kept else self._encoded
        apart = self._apart(rows, hidden)
        if not apart:
            return [(row, plain(row)) for row in rows]
        return [(row, _encode(apart[row]) if row in apart else plain(row)) for row in rows]

    def with_cursor(self, encoded: bytes, cursor: Cursor) -> bytes:
        return b'%b,"cursor":"%b"}' % (encoded[:-1], self._cursors.text(cursor).encode())

    def _apart(self, rows: Sequence[FeedRow], hidden: bool) -> dict[FeedRow, CloudEvent]:
        """Those that cannot be passed on as they are stored."""
        apart = [row for row in rows if row.topic in PERSONAL or row.topic not in TAGS]
        recorded = self._pages.decode(apart) if apart else []
        return {
            row: self._opened(row, each, hidden) for row, each in zip(apart, recorded, strict=True)
        }

    def _encoded(self, row: FeedRow) -> bytes:
        return _encode(self._plain(row))

    def _plain(self, row: FeedRow) -> CloudEvent:
        try:
            stored = _decode(row.state)
        except msgspec.MsgspecError:
            return self._unreadable(row)
        id, version, tag = stored.originator_id, row.originator_version, row.topic
        if stored.originator_version != version:
            return self._unreadable(row)
        # By place, in the order of its fields: names cost a quarter of all there is to do here.
        return CloudEvent(
            "1.0",
            f"{id}.{version}",
            self._source,
            tag,
            f"{tag.partition('.')[0]}/{id}",
            f"{row.position:019}",
            version,
            stored.recorded_at,
            "application/json",
            stored.actor,
            stored.role,
            stored.command,
            stored.correlation_id or None,
            stored.reason,
            False,
            stored.event,
        )

    def _opened(self, row: FeedRow, recorded: Recorded[Any] | None, hidden: bool) -> CloudEvent:
        if recorded is None:
            return self._unreadable(row)
        event: msgspec.Struct = recorded.event
        if hidden:
            event = msgspec.structs.replace(event, **dict.fromkeys(personal_fields(type(event))))
        state = _encode(msgspec.structs.replace(recorded, event=event))
        tag = str(type(event).__struct_config__.tag)
        return self._plain(row._replace(topic=tag, state=state))

    def _unreadable(self, row: FeedRow) -> CloudEvent:
        id, version = UUID(bytes=row.originator_id), row.originator_version
        return CloudEvent(
            specversion="1.0",
            id=f"{id}.{version}",
            source=self._source,
            type=row.topic,
            subject=f"{row.topic.partition('.')[0]}/{id}",
            sequence=f"{row.position:019}",
            aggregateversion=version,
            unreadable=True,
        )
