"""Works on exports in the background: from the views, as they were at one moment, to a file.

Every row of an export is read in one snapshot, so they reflect one position of the feed. An
attempt that ends early leaves nothing to go on from: the next one reads a snapshot of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from hashlib import sha256
from threading import Event, Thread
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, select

from infrastructure.database import Database
from infrastructure.exports import CHUNK_BYTES, Exports, Held, Lost
from projections import exported
from projections.generations import Generations
from projections.spreadsheet import BOM, row
from projections.tables import generations

TICK_SECONDS = 1.0

log = logging.getLogger(__name__)


class Exporter:
    """A thread that does one export after the other until it is stopped."""

    def __init__(
        self,
        database: Database,
        exports: Exports,
        views: Generations,
        zone: ZoneInfo,
        *,
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        self._database, self._exports, self._views = database, exports, views
        self._zone, self._tick = zone, tick_seconds
        self._stopping, self._woken = Event(), Event()
        self._thread = Thread(target=self._run, name="exports", daemon=True)

    def start(self) -> None:
        self._thread.start()

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
        if held is None:
            return False
        try:
            self._try(held)
        except Lost:
            log.info("export %s was removed or taken over", held.id)
        return True

    def _try(self, held: Held) -> None:
        try:
            finished, failed = self._export(held), False
        except Lost:
            raise
        except Exception:
            log.exception("export %s failed", held.id)
            finished, failed = False, True
        if not finished:
            self._exports.give_up(held, failed=failed)

    def _export(self, held: Held) -> bool:
        """Whether it came to its end; not if it was asked to stop."""
        reader = self._database.patient()
        try:
            with reader.snapshot() as connection:
                return self._from(connection, held)
        finally:
            reader.close()

    def _from(self, connection: Connection, held: Held) -> bool:
        live, wanted = self._views.live(), held.wanted
        position = select(generations.c.position).where(generations.c.generation == live)
        source = exported.SOURCES[wanted.kind](live, wanted.first, wanted.last, self._zone)
        total = source.total(connection)
        self._exports.begin(held, connection.execute(position).scalar_one(), total)
        as_csv = wanted.format == "csv"
        digest, left, number, done = sha256(), bytearray(), 0, 0
        left += BOM + row(source.columns) if as_csv else b""
        for page in source.pages(connection):
            if self._stopping.is_set():
                return False
            for body in page:
                left += _csv_line(source.columns, body) if as_csv else body + b"\n"
            done += len(page)
            filled = []
            while len(left) > CHUNK_BYTES:
                filled.append((number, bytes(left[:CHUNK_BYTES])))
                digest.update(filled[-1][1])
                del left[:CHUNK_BYTES]
                number += 1
            self._exports.progress(held, done, filled)
        digest.update(left)
        size = number * CHUNK_BYTES + len(left)
        self._exports.finish(held, done, (number, bytes(left)), size, digest.digest())
        return True

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


def _csv_line(columns: tuple[str, ...], body: bytes) -> bytes:
    record = msgspec.json.decode(body)
    return row(record[name] for name in columns)
