"""Works on exports in the background: from the views or from the feed to a file.

Every row of a view is read in one snapshot, so they reflect one position of the feed. An
attempt that ends early leaves nothing to go on from: the next one reads a snapshot of its own.
Events do not change: the next attempt goes on behind the last of them whose chunk is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, select

from domain.account import Role
from infrastructure.database import Database
from infrastructure.exported_events import Asker, EventExports, NotTheirs
from infrastructure.exports import CHUNK_BYTES, FAILURES_MAX, Exports, Held, Lost, Mark
from projections import exported
from projections.daily_figures import midnight
from projections.generations import Generations
from projections.spreadsheet import BOM, row
from projections.tables import generations

ALIVE = "exporter.alive"
"""In DATA_DIR: when it was last touched, a process that makes exports was at work."""
TICK_SECONDS = 1.0
DAY = timedelta(days=1)

log = logging.getLogger(__name__)


class Exporter:
    """A thread that does one export after the other until it is stopped."""

    def __init__(
        self,
        database: Database,
        exports: Exports,
        views: Generations,
        events: EventExports,
        zone: ZoneInfo,
        *,
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        self._database, self._exports = database, exports
        self._views, self._events = views, events
        self._zone, self._tick = zone, tick_seconds
        self._stopping, self._woken = Event(), Event()
        self._alive: Path | None = None
        self._thread = Thread(target=self._run, name="exports", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def show_life(self, file: Path) -> None:
        """Touch the file after every look for work and every page of it, for health checks."""
        self._alive = file

    def wake(self) -> None:
        self._woken.set()

    def attend(self, *, stopping: Callable[[], bool] = lambda: False) -> bool:
        """What a job does: wake the thread. There is never more to do for the job itself."""
        self.wake()
        return False

    def stop(self) -> None:
        """Returns soon: what is not finished is begun again by the next process."""
        self._stopping.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join()

    def step(self) -> bool:
        """Work on the next export, to its end; whether there was one."""
        held = self._exports.take()
        self._lives()
        if held is None:
            return False
        try:
            self._try(held)
        except Lost:
            log.info("export %s was removed or taken over", held.id)
        return True

    def _try(self, held: Held) -> None:
        try:
            finished, failures = self._export(held), 0
        except Lost:
            raise
        except NotTheirs as error:
            log.warning("export %s fails: %s", held.id, error)
            finished, failures = False, FAILURES_MAX
        except Exception:
            log.exception("export %s failed", held.id)
            finished, failures = False, 1
        if not finished:
            self._exports.give_up(held, failures)

    def _export(self, held: Held) -> bool:
        """Whether it came to its end; not if it was asked to stop."""
        if held.wanted.kind == "events":
            return self._of_events(held)
        reader = self._database.patient()
        try:
            with reader.snapshot() as connection:
                return self._of_views(connection, held)
        finally:
            reader.close()

    def _of_events(self, held: Held) -> bool:
        wanted, zone = held.wanted, self._zone
        since, until = midnight(wanted.first, zone), midnight(wanted.last + DAY, zone)
        asker = Asker(held.account_id, Role(held.role))
        source = self._events.of(asker, since, until, held.position)
        if held.mark is None:
            self._exports.begin(held, source.position, source.total())
        pages = source.pages(held.mark.cursor if held.mark else None)
        return self._write(held, source.columns, pages)

    def _of_views(self, connection: Connection, held: Held) -> bool:
        live, wanted = self._views.live(), held.wanted
        position = select(generations.c.position).where(generations.c.generation == live)
        source = exported.SOURCES[wanted.kind](live, wanted.first, wanted.last, self._zone)
        total = source.total(connection)
        self._exports.begin(held, connection.execute(position).scalar_one(), total)
        pages = ((page, None) for page in source.pages(connection))
        return self._write(held, source.columns, pages)

    def _write(
        self,
        held: Held,
        columns: tuple[str, ...],
        pages: Iterable[tuple[Sequence[bytes], str | None]],
    ) -> bool:
        """Bodies, page by page; what comes behind a page whose cursor is given can be had once
        more, so that this one needs not."""
        as_csv = held.wanted.format == "csv"
        head = BOM + row(columns) if as_csv else b""
        file, done = self._begun(held, head)
        kept = done
        for page, cursor in pages:
            self._lives()
            if self._stopping.is_set():
                return False
            for body in page:
                file.left += _csv_line(columns, body) if as_csv else body + b"\n"
            done += len(page)
            filled = file.fill()
            if cursor is None:
                self._exports.progress(held, done, filled)
            elif filled:
                # Told only now: what is told must not be less after a crash.
                kept, mark = done, Mark(file.chunks, done, cursor, bytes(file.left))
                self._exports.further(held, filled, mark)
            else:
                self._exports.progress(held, kept)
        self._exports.finish(held, done, *file.end())
        return True

    def _lives(self) -> None:
        if self._alive is not None:
            # Nobody's export shall fail because of it; the health check does.
            with suppress(OSError):
                self._alive.touch()

    def _begun(self, held: Held, head: bytes) -> tuple[File, int]:
        """The file as far as it is made, and how many rows are in it."""
        mark = held.mark
        if mark is None:
            return File(head), 0
        file = File(mark.left)
        for number in range(mark.chunks):
            chunk = self._exports.chunk(held.file, number)
            if chunk is None:
                raise Lost
            file.count(chunk)
        return file, mark.rows

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.wait(self._tick)
            self._woken.clear()
            try:
                while not self._stopping.is_set() and self.step():
                    continue
            except Exception:
                # The database may be away; the next tick tries again.
                log.exception("exports could not be looked after")
                self._stopping.wait(self._tick)


class File:
    """A file in the making: `left` are the bytes that fill no chunk yet."""

    def __init__(self, left: bytes) -> None:
        self.left, self.chunks, self._digest = bytearray(left), 0, sha256()

    def count(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self.chunks += 1

    def fill(self) -> list[tuple[int, bytes]]:
        """Full chunks, by their numbers."""
        filled = []
        while len(self.left) > CHUNK_BYTES:
            chunk = bytes(self.left[:CHUNK_BYTES])
            filled.append((self.chunks, chunk))
            self.count(chunk)
            del self.left[:CHUNK_BYTES]
        return filled

    def end(self) -> tuple[tuple[int, bytes], int, bytes]:
        """The last chunk, the size of all, and their digest."""
        number, size = self.chunks, self.chunks * CHUNK_BYTES + len(self.left)
        self._digest.update(self.left)
        return (number, bytes(self.left)), size, self._digest.digest()


def _csv_line(columns: tuple[str, ...], body: bytes) -> bytes:
    record = msgspec.json.decode(body)
    return row(record.get(name) for name in columns)
