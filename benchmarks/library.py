"""The library's own SQL recorder beside ours: how fast it appends, and what a reader of it
misses. It is installed for this run only, into a directory that goes away with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

from benchmarks import library_recorder
from benchmarks.append import connect, store
from benchmarks.measure import interleave, say, size, table, write_section
from benchmarks.servers import Subject
from benchmarks.writers import BesideSequencer, Writers
from infrastructure.database import Database
from infrastructure.event_store.feed import Feed

WRITERS = 8
BATCH = 100
INSTALL_SECONDS_MAX = 120
PACKAGES = ("eventsourcing-sqlalchemy", "PyMySQL[rsa]")


class Run(NamedTuple):
    stored: int
    missed: int


def measure(subject: Subject, writers: Writers) -> None:
    title = f"Beside the library's SQLAlchemy extension, {subject.name}"
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        python = _installed(Path(directory))
        if python is None:
            say(f"{title}: skipped, it could not be installed")
            return
        _compare(title, subject, writers, python)


def _compare(title: str, subject: Subject, writers: Writers, python: Path) -> None:
    seconds, rounds = size("LIBRARY_SECONDS", 3), int(size("LIBRARY_ROUNDS", 2))
    subject.durable(True)
    ours, theirs = subject.prepared("ours"), subject.empty("theirs")
    beside = BesideSequencer(ours)
    runs: dict[str, list[Run]] = {"ours": [], "the extension": []}

    def turn(name: str, run: Callable[[], Run]) -> float:
        runs[name].append(made := run())
        return made.stored / seconds

    with beside.working():
        rates = interleave(
            {
                "ours": lambda: turn("ours", lambda: _ours(ours, writers, seconds)),
                "the extension": lambda: turn(
                    "the extension", lambda: _theirs(python, theirs, seconds)
                ),
            },
            rounds,
        )
    beside.close()
    rows = []
    for name, made in runs.items():
        stored, missed = sum(r.stored for r in made), sum(r.missed for r in made)
        share = f"{100 * missed / max(1, stored):.2f} %"
        rows.append([name, rates[name], stored, missed, share])
    headers = ("recorder", "appends/s", "events stored", "missed by a tailing reader", "share")
    write_section(title, subject.version, [table(headers, rows), TEXT])


TEXT = f"""\
{WRITERS} writers (4 processes with 2 threads), one event per commit, COMMIT waits for the disk;
beside them one reader that asks for what follows the last position it saw, {BATCH} at a time, and
goes on until it has seen the last one (ours: and one sequencer). The extension lets an
auto-increment key number the events while their transactions are still open; a reader that is
past a number never sees what is committed under a lower one later. Ours numbers what is
committed. Both are limited by the same disk and processors; the difference in speed is the
extension's ORM session and its wider index on one side, our second table on the other."""


def _ours(url: str, writers: Writers, seconds: float) -> Run:
    database = Database(url, pool_size=2)
    unused: Any = None
    feed = Feed(database, unused)
    before = _settled(url, feed)
    seen, done = [before], Event()

    def tail() -> None:
        while entries := feed.read(seen[-1], BATCH) or not done.is_set():
            if isinstance(entries, list):
                seen.extend(entry.position for entry in entries)

    reader = Thread(target=tail)
    reader.start()
    writers.commits(store, url, writers=WRITERS, events=1, seconds=seconds)
    after = _settled(url, feed)
    done.set()
    reader.join()
    database.close()
    stored = _count(url, "events") - before
    assert after - before == stored, "the feed has holes"
    return Run(stored, stored - (len(set(seen)) - 1))


def _settled(url: str, feed: Feed) -> int:
    """The feed's last position, once everything committed has one."""
    while feed.waiting_since() is not None:
        continue
    return feed.position()


def _theirs(python: Path, url: str, seconds: float) -> Run:
    command = [str(python), library_recorder.__file__, url, str(WRITERS), str(seconds), str(BATCH)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return Run(**json.loads(answer.stdout))


def _count(url: str, name: str) -> int:
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {name}")  # noqa: S608
        [count] = cursor.fetchone() or (0,)
        return int(count)


def _installed(directory: Path) -> Path | None:
    """The interpreter of an environment with the extension in it."""
    python = directory / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        for command in ([sys.executable, "-m", "venv", str(directory)], [*pip, *PACKAGES]):
            subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_SECONDS_MAX)
    except (subprocess.SubprocessError, OSError):
        return None
    return python
