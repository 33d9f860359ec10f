"""Exports over HTTP: asked for, worked on in the background, downloaded in whole or in part."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Generator
from datetime import date, datetime
from typing import Literal, NamedTuple
from uuid import UUID

import falcon
import msgspec

from api.answers import answer, unchanged
from api.event_streams import Held, hold
from api.feed_reading import READERS
from api.gate import NoSuchThing, Nothing
from api.operation import operation
from api.owned import may_see, owner_of
from api.periods import Period, check
from api.resource import Resource
from domain.account import Role
from domain.kernel import Refused
from infrastructure.cloud_events import MEDIA_LINES
from infrastructure.exports import CHUNK_BYTES, FINISHED, Export, Kind, Wanted
from infrastructure.feed_views import whole
from infrastructure.runtime import Runtime
from projections.spreadsheet import MEDIA_CSV

DAYS_MAX = 3660
MEDIA = {"csv": f"{MEDIA_CSV}; charset=utf-8", "ndjson": MEDIA_LINES}
_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")


class ExportRequest(Period, kw_only=True):
    """Tickets count on the day they were opened, movements of stock and events on theirs. At
    most 3660 days."""

    kind: Kind
    format: Literal["csv", "ndjson"]


class ExportView(msgspec.Struct, kw_only=True):
    """`status` is queued, running, finished or failed. `position`: how much of the feed its rows
    reflect, all of them the same. `percent` is of rows done; `failures` says how often a worker
    failed or died over it and got no further. `size` in bytes and `sha256` are those of the
    finished file."""

    id: UUID
    account_id: UUID
    kind: str
    first: date = msgspec.field(name="from")
    last: date = msgspec.field(name="to")
    format: str
    status: str
    percent: int
    rows_done: int
    rows_total: int | None
    failures: int
    position: int | None
    size: int | None
    sha256: str | None
    file: str | None
    requested_at: datetime
    expires_at: datetime


class ExportList(msgspec.Struct):
    """All of them, the latest first: there are never many."""

    items: list[ExportView]


class RangeNotSatisfiable(Exception):
    """The file ends before the range begins."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the file has {size} bytes")
        self.size = size


class Part(NamedTuple):
    """Bytes of a file, from the first to the last."""

    first: int
    last: int


class ExportResource(Resource):
    """Exports belong to the account that asked for them, in the role it had; admins see all."""

    def found(self, req: falcon.Request, id: UUID) -> Export:
        """Raises `NoSuchThing`, also where it is somebody else's."""
        export = self.runtime.exports.find(id)
        if export is None or not _visible(req, export):
            raise NoSuchThing(f"no export {id}")
        return export


class Exports(ExportResource):
    @operation(READERS, returns=ExportList, of_views=False)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List one's own exports; admins see all."""
        known = self.runtime.exports.list(owner_of(req))
        answer(resp, ExportList([_view(each) for each in known if _visible(req, each)]))

    @operation(
        READERS,
        body=ExportRequest,
        returns=ExportView,
        of_views=False,
        statuses=(202,),
        asks=("IdempotencyKey",),
        tells=("Location",),
        refusals=("refused", "key-reused"),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: ExportRequest) -> None:
        """Ask for an export. It is made in the background; its URL tells how far it is."""
        check(body.first, body.last, DAYS_MAX)
        actor = req.context.actor
        key = self._key(req, req.context.operation, actor)
        wanted = Wanted(kind=body.kind, first=body.first, last=body.last, format=body.format)
        # Whoever may read names gets them in events, and nowhere else.
        personal = body.kind == "events" and not whole(actor.role).hidden
        exports = self.runtime.exports
        id = exports.ask(actor.account_id, actor.role, wanted, key, personal=personal)
        self.runtime.nudge_exports()
        resp.status = falcon.HTTP_202
        resp.set_header("Location", f"{req.path}/{id}")
        answer(resp, _view(self.found(req, id)))


class OneExport(ExportResource):
    @operation(READERS, returns=ExportView, of_views=False)
    def on_get(self, req: falcon.Request, resp: falcon.Response, export_id: UUID) -> None:
        """Read how far an export is."""
        answer(resp, _view(self.found(req, export_id)))

    @operation(READERS, of_views=False, statuses=(204,))
    def on_delete(
        self, req: falcon.Request, resp: falcon.Response, export_id: UUID, body: Nothing
    ) -> None:
        """Remove an export and its file; one that is not finished is given up."""
        self.found(req, export_id)
        self.runtime.exports.remove(export_id)
        resp.status = falcon.HTTP_204


class ExportFile(ExportResource):
    @operation(
        READERS,
        media_type=MEDIA_LINES,
        media_types=(MEDIA_CSV,),
        of_views=False,
        asks=("Range", "IfRange", "IfNoneMatch"),
        tells=("ETag", "Repr-Digest", "Accept-Ranges", "Content-Range"),
        refusals=("refused", "range-not-satisfiable", "too-many-streams"),
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, export_id: UUID) -> None:
        """Download the file of a finished export, or a part of it (RFC 9110, section 14)."""
        export = self.found(req, export_id)
        if export.status != FINISHED or export.size is None or export.sha256 is None:
            raise Refused(f"only a finished export has a file; this one is {export.status}")
        wanted, etag = export.wanted, f'"{export.sha256.hex()}"'
        name = f"{wanted.kind}-{wanted.first}-{wanted.last}.{wanted.format}"
        resp.set_header("Accept-Ranges", "bytes")
        digest = f"sha-256=:{b64encode(export.sha256).decode()}:"
        resp.set_header("Repr-Digest", digest)
        if unchanged(req, resp, etag):
            return
        part = _part(req, etag, export.size)
        if part is None:
            part = Part(0, export.size - 1)
            resp.set_header("Content-Digest", digest)
        else:
            resp.status = falcon.HTTP_206
            resp.set_header("Content-Range", f"bytes {part.first}-{part.last}/{export.size}")
        pieces = _pieces(self.runtime, export, part)
        hold(req, resp, Held(self.runtime.tailer, pieces), MEDIA[wanted.format])
        resp.downloadable_as = name
        resp.content_length = part.last - part.first + 1


def _visible(req: falcon.Request, export: Export) -> bool:
    actor = req.context.actor
    return actor.role is Role.ADMIN or (
        may_see(req, export.account_id) and export.role == actor.role
    )


def _part(req: falcon.Request, etag: str, size: int) -> Part | None:
    """`None` for the whole: also where the range is of another file, is none that is understood,
    or is several. Raises `RangeNotSatisfiable`."""
    asked, unless = _RANGE.fullmatch(req.get_header("Range") or ""), req.get_header("If-Range")
    if asked is None or (unless is not None and unless.strip() != etag):
        return None
    first, last, suffix = asked.groups()
    if suffix is not None:
        part = Part(max(0, size - int(suffix)), size - 1)
    else:
        part = Part(int(first), min(int(last), size - 1) if last else size - 1)
        if last and int(last) < int(first):
            return None
    if part.first >= size:
        raise RangeNotSatisfiable(size)
    return part


def _pieces(runtime: Runtime, export: Export, part: Part) -> Generator[bytes, None, None]:
    """One chunk in memory at a time. Ends with an error, so that nobody takes a part for the
    whole, when the export is removed meanwhile."""
    for number in range(part.first // CHUNK_BYTES, part.last // CHUNK_BYTES + 1):
        data = runtime.exports.chunk(export.file, number) if export.file else None
        if data is None:
            raise NoSuchThing(f"export {export.id} was removed")
        start = number * CHUNK_BYTES
        yield data[max(0, part.first - start) : part.last + 1 - start]


def _view(export: Export) -> ExportView:
    done = export.status == FINISHED
    percent = 100 * export.rows_done // export.rows_total if export.rows_total else 0
    return ExportView(
        id=export.id,
        account_id=export.account_id,
        kind=export.wanted.kind,
        first=export.wanted.first,
        last=export.wanted.last,
        format=export.wanted.format,
        status=export.status,
        percent=100 if done else min(percent, 99),
        rows_done=export.rows_done,
        rows_total=export.rows_total,
        failures=export.failures,
        position=export.position,
        size=export.size,
        sha256=export.sha256.hex() if export.sha256 else None,
        file=f"/v1/exports/{export.id}/file" if done else None,
        requested_at=export.requested_at,
        expires_at=export.expires_at,
    )
