"""Runs in an environment of its own (see library.py): the extension's recorder, written to by
several processes and read by one thread. Prints what was stored and what the reader missed.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from threading import Event, Thread
from typing import Any
from uuid import uuid4

PROCESSES = 4
STATE = b"x" * 400
START_SECONDS_MAX = 60


def recorder(url: str) -> Any:
    from eventsourcing_sqlalchemy.datastore import (  # type: ignore[import-not-found]
        SQLAlchemyDatastore,
    )
    from eventsourcing_sqlalchemy.recorders import (  # type: ignore[import-not-found]
        SQLAlchemyApplicationRecorder,
    )

    datastore = SQLAlchemyDatastore(url=url, pool_size=8)
    return SQLAlchemyApplicationRecorder(datastore, events_table_name="stored_events")


def write(url: str, threads: int, seconds: float, together: Any) -> None:
    from eventsourcing.persistence import StoredEvent

    theirs = recorder(url)

    def commit(_: int) -> None:
        theirs.insert_events([StoredEvent(uuid4(), 1, "inventory.issued", STATE)])
        together.wait(START_SECONDS_MAX)
        stream, version, end = uuid4(), 0, time.monotonic() + seconds
        while time.monotonic() < end:
            version += 1
            theirs.insert_events([StoredEvent(stream, version, "inventory.issued", STATE)])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(commit, range(threads)))


def main(url: str, writers: int, seconds: float, batch: int) -> None:
    theirs = recorder(url)
    theirs.create_table()
    before = theirs.max_notification_id() or 0
    seen, done = [before], Event()

    def tail() -> None:
        while not done.is_set() or seen[-1] < (theirs.max_notification_id() or 0):
            found = theirs.select_notifications(seen[-1], batch, inclusive_of_start=False)
            seen.extend(each.id for each in found)

    reader = Thread(target=tail)
    reader.start()
    processes = get_context("spawn")
    given = url, writers // PROCESSES, seconds, processes.Barrier(writers)
    running = [processes.Process(target=write, args=given) for _ in range(PROCESSES)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    done.set()
    reader.join()
    stored = sum(1 for _ in everything(theirs, before))
    sys.stdout.write(json.dumps({"stored": stored, "missed": stored - len(set(seen)) + 1}))


def everything(theirs: Any, after: int) -> Any:
    while found := theirs.select_notifications(after, 1000, inclusive_of_start=False):
        yield from found
        after = found[-1].id


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
