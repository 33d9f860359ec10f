"""`python -m tests.approve`: write what this release stores and serves to the approved files.

Look at the difference before committing it. The file of a release that is out is never
rewritten: raise the version first.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from infrastructure.database import Database
from infrastructure.event_store.tables import metadata
from tests.api.approve_openapi import approve_openapi
from tests.approved.stored_events import approved_file, todays_lines, write_lines


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        database = Database(f"sqlite:///{Path(directory) / 'approve.sqlite'}")
        with database.transaction() as connection:
            metadata.create_all(connection)
        write_lines(approved_file(), todays_lines(database))
        database.close()
    approve_openapi()


if __name__ == "__main__":
    main()
