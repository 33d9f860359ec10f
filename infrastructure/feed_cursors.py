"""Cursors: how far somebody has read the feed, and which feed that was.

A cursor holds the feed's id, a position, and a digest of the event that stood there; all of
it is signed with the store's key. So nobody makes one up, and a feed that was put back from a
backup is told apart from the one the cursor is of, even after it has grown past the position.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from hmac import compare_digest
from struct import Struct
from typing import NamedTuple
from uuid import UUID, uuid5

from infrastructure.event_store.keyring import KeyRing

FORM = 1
DIGEST_BYTES = 16
FEED_NAMESPACE = UUID("0199c7d1-3a52-7e0b-9c44-61f8d2a7b530")
BEGINNING_EVENT = bytes(DIGEST_BYTES)
"""What stands at position 0."""

_body = Struct(f">B8sQ{DIGEST_BYTES}s")
_event = Struct(">16sQ16s")


class InvalidCursor(Exception):
    """A text that is no cursor, or one that was altered."""


class FeedFork(Exception):
    """The cursor is of a feed that went another way: what its reader has read is not, or not
    all, what this feed holds."""


class Cursor(NamedTuple):
    """`event` says which event is at the position."""

    position: int
    event: bytes


BEGINNING = Cursor(0, BEGINNING_EVENT)


def event_digest(originator_id: bytes, version: int, commit_id: bytes) -> bytes:
    """Names one event of one history. The commit's id is in it because a shop that was put
    back from a backup writes other events under the same aggregates and versions."""
    return sha256(_event.pack(originator_id, version, commit_id)).digest()[:DIGEST_BYTES]


class FeedCursors:
    """Between cursors and the texts that clients carry around. Survives restarts and restores:
    the key is the store's own."""

    def __init__(self, keyring: KeyRing) -> None:
        self._digest = keyring.digest
        self._id: UUID | None = None

    @property
    def feed_id(self) -> UUID:
        """The same for the life of the store, and nobody else's."""
        if self._id is None:
            self._id = uuid5(FEED_NAMESPACE, self._digest(b"feed id").hex())
        return self._id

    def text(self, cursor: Cursor) -> str:
        body = _body.pack(FORM, self.feed_id.bytes[-8:], cursor.position, cursor.event)
        return urlsafe_b64encode(body + self._signature(body)).rstrip(b"=").decode()

    def read(self, text: str) -> Cursor:
        """Raises `InvalidCursor`, and `FeedFork` for the cursor of another store."""
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            raise InvalidCursor from None
        body, signature = raw[: _body.size], raw[_body.size :]
        if len(signature) != DIGEST_BYTES or body[0] != FORM:
            raise InvalidCursor
        _, feed, position, event = _body.unpack(body)
        if feed != self.feed_id.bytes[-8:]:
            raise FeedFork("the cursor is of the feed of another shop")
        canonical = urlsafe_b64encode(raw).rstrip(b"=").decode()
        if not compare_digest(signature, self._signature(body)) or text != canonical:
            raise InvalidCursor
        return Cursor(position, event)

    def _signature(self, body: bytes) -> bytes:
        return self._digest(b"feed cursor" + body)[:DIGEST_BYTES]
