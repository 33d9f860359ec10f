"""The transparency log over HTTP: C2SP tlog-tiles below /v1/log, and proofs made to order."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import falcon
import msgspec
from msgspec import Meta

from api.answers import answer_digested, tell_position
from api.gate import NoSuchThing
from api.operation import any_of, operation
from api.resource import Resource, parse_token
from api.validation import FieldError, InvalidFields
from domain.account import Role
from infrastructure.transparency.evidence import encoded
from infrastructure.transparency.log import Head
from infrastructure.transparency.merkle import (
    HASH_BYTES,
    TILE_WIDTH,
    Span,
    consistency,
    inclusion,
)
from infrastructure.transparency.verifier import leaf, leaf_hash

AUDITORS = any_of(Role.ADMIN, Role.AUDITOR)
OCTETS = "application/octet-stream"
LEVEL_MAX = 63
FOR_EVER = "private, max-age=31536000, immutable"
_NUMBER = re.compile(r"^((?:x\d{3}/)*)(\d{3})(?:\.p/([1-9]\d{0,2}))?$", re.ASCII)
_LEVEL = re.compile(r"^(0|[1-9]\d?)$", re.ASCII)

Count = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class Included(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An event, by its `position` in the feed or by `stream_id` and `version`; `size` is that of
    the tree, the present one if not said."""

    position: Count | None = None
    stream_id: UUID | None = None
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    size: Count | None = None


class Continued(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Two sizes of the tree; `to` is the present one if not said."""

    since: Count = msgspec.field(name="from")
    until: Count | None = msgspec.field(name="to", default=None)


class InclusionProof(msgspec.Struct):
    """That an event is in the tree (RFC 9162, 2.1.3): `leaf` is what the tree commits to, its
    index is `position` - 1. Hashes are in base64. `checkpoint` is there for the present size."""

    position: int
    size: int
    leaf: str
    leaf_hash: str
    proof: list[str]
    root: str
    checkpoint: str | None


class ConsistencyProof(msgspec.Struct):
    """That the tree of `to` events begins with that of `from` (RFC 9162, 2.1.4)."""

    since: int = msgspec.field(name="from")
    until: int = msgspec.field(name="to")
    proof: list[str]
    root_from: str
    root_to: str
    checkpoint: str | None


class LogKey(msgspec.Struct):
    """A public key in the form of C2SP signed-note; a retired one signs no more."""

    public_key: str
    key_id: str
    made_at: datetime
    retired_at: datetime | None


class LogKeys(msgspec.Struct):
    """Every key that ever signed a checkpoint, the oldest first."""

    origin: str
    items: list[LogKey]


class LogResource(Resource):
    def answer(
        self, req: falcon.Request, resp: falcon.Response, body: msgspec.Struct, size: int
    ) -> None:
        tell_position(resp, parse_token(req).reached(size), size)
        answer_digested(req, resp, msgspec.json.encode(body))

    def wait_for_log(self, req: falcon.Request) -> None:
        """Until the log holds what the client has seen."""
        self.wait(req, lambda: self.runtime.transparency_log.head().size)

    def roots(self, spans: Sequence[Span], *sizes: int) -> tuple[list[str], list[str]]:
        """The hashes of a proof, and the roots of trees of these sizes."""
        wholes = [(0, size) for size in sizes]
        hashes = self.runtime.transparency_log.hashes([*spans, *wholes])
        return encoded(hashes, spans), encoded(hashes, wholes)


class LogCheckpoint(LogResource):
    @operation(AUDITORS, media_type="text/plain")
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Read the signed checkpoint (C2SP tlog-checkpoint). Keep it: only up to a checkpoint
        that is kept elsewhere can nobody change history unnoticed."""
        resp.set_header("Cache-Control", "private, no-cache")
        resp.text = self.runtime.transparency_log.head().note
        resp.content_type = "text/plain; charset=utf-8"


class LogInclusion(LogResource):
    @operation(AUDITORS, params=Included, returns=InclusionProof)
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: Included) -> None:
        """Prove that an event is in the log."""
        self.wait_for_log(req)
        log = self.runtime.transparency_log
        position, head = self._position(query), log.head()
        size = _within("size", query.size or head.size, head.size)
        _within("position", position, size)
        event = log.entry(position)
        if event is None:
            raise NoSuchThing(f"the feed has lost the event at {position}")
        proof, (root,) = self.roots(inclusion([position - 1], size), size)
        data = leaf(event)
        body = InclusionProof(
            position=position,
            size=size,
            leaf=b64encode(data).decode(),
            leaf_hash=b64encode(leaf_hash(data)).decode(),
            proof=proof,
            root=root,
            checkpoint=_checkpoint(head, size),
        )
        self.answer(req, resp, body, head.size)

    def _position(self, query: Included) -> int:
        id, version = query.stream_id, query.version
        if query.position is not None and id is None and version is None:
            return query.position
        if query.position is not None or id is None or version is None:
            message = "Expected a position, or a stream_id with a version"
            raise InvalidFields([FieldError("/position", message)])
        position = self.runtime.feed.position_of(id, version)
        if position is None:
            raise InvalidFields([FieldError("/version", "Expected one that the feed holds")])
        return position


class LogConsistency(LogResource):
    @operation(AUDITORS, params=Continued, returns=ConsistencyProof)
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: Continued) -> None:
        """Prove that the log only grew between two sizes."""
        self.wait_for_log(req)
        head = self.runtime.transparency_log.head()
        until = _within("to", query.until or head.size, head.size)
        since = _within("from", query.since, until)
        proof, (before, after) = self.roots(consistency(since, until), since, until)
        body = ConsistencyProof(since, until, proof, before, after, _checkpoint(head, until))
        self.answer(req, resp, body, head.size)


class LogTile(LogResource):
    @operation(AUDITORS, media_type=OCTETS)
    def on_get(
        self, req: falcon.Request, resp: falcon.Response, level: str, tile_path: str
    ) -> None:
        """Fetch a tile of the tree, or of its entries (C2SP tlog-tiles). `level` is 0 to 63 or
        `entries`; `tile_path` is the number in groups of three digits, as in x001/x234/067, with
        `.p/W` behind it for the first W hashes of a tile that is not full yet."""
        number, width = _tile(tile_path)
        if level == "entries":
            data = self._entries(number, width)
        elif _LEVEL.match(level) and int(level) <= LEVEL_MAX:
            data = self._hashes(int(level), number, width)
        else:
            raise InvalidFields([FieldError("/level", f"Expected 0 to {LEVEL_MAX} or entries")])
        if data is None:
            raise NoSuchThing("the log has no such tile yet")
        resp.set_header("Cache-Control", FOR_EVER)
        resp.data, resp.content_type = data, OCTETS

    def _hashes(self, level: int, number: int, width: int) -> bytes | None:
        hashes = self.runtime.transparency_log.tile(level, number)[: width * HASH_BYTES]
        return hashes if len(hashes) == width * HASH_BYTES else None

    def _entries(self, number: int, width: int) -> bytes | None:
        log, start = self.runtime.transparency_log, number * TILE_WIDTH
        if start + width > log.head().size:
            return None
        leaves = [leaf(event) for event in log.entries(start, start + width)]
        if len(leaves) < width:
            return None
        return b"".join(len(data).to_bytes(2) + data for data in leaves)


class LogPublicKeys(LogResource):
    @operation(AUDITORS, returns=LogKeys)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Read the public keys of the log, with those that have retired."""
        self.wait_for_log(req)
        log = self.runtime.transparency_log
        head = log.head()
        keys = [LogKey(*each) for each in log.signers.published()]
        self.answer(req, resp, LogKeys(head.origin, keys), head.size)


def _within(name: str, asked: int, most: int) -> int:
    """A size of the tree, or a position in it."""
    if asked > most:
        raise InvalidFields(
            [FieldError(f"/{name}", f"Expected at most {most}, what the log holds")]
        )
    return asked


def _checkpoint(head: Head, size: int) -> str | None:
    return head.note if size == head.size else None


def _tile(path: str) -> tuple[int, int]:
    """Number and width."""
    found = _NUMBER.match(path)
    width = int(found[3]) if found and found[3] else TILE_WIDTH
    if found is None or (found[3] and width >= TILE_WIDTH):
        message = "Expected digits in threes like x001/234, and .p/1 to .p/255 behind them"
        raise InvalidFields([FieldError("/tile_path", message)])
    number = int(re.sub(r"[x/]", "", found[1]) + found[2])
    if number >= 2**55 or (found[1] and number < 1000):
        raise InvalidFields([FieldError("/tile_path", "Expected no more groups than it needs")])
    return number, width
