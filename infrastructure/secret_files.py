"""The secrets that embedded mode makes for itself, each in a file of DATA_DIR."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from secrets import token_bytes, token_hex
from tempfile import mkstemp

from infrastructure import setting_values


def embedded_secrets(data_dir: Path) -> tuple[str, bytes]:
    """The key that signs tokens and the master key, made on first use and kept in DATA_DIR.

    The directory is there already. Processes that start at once agree on one pair. Who loses
    `master.key` loses every name and address in the store. Raises `ValueError` for a file that
    was damaged.
    """
    jwt_file, master_file = data_dir / "jwt.key", data_dir / "master.key"
    jwt_text = _kept(jwt_file, lambda: token_hex(32))
    master_text = _kept(master_file, lambda: b64encode(token_bytes(32)).decode())
    try:
        return setting_values.jwt_key(jwt_text), setting_values.master_key(master_text)
    except ValueError as error:
        raise ValueError(f"{jwt_file} or {master_file}: {error}") from error


def _kept(file: Path, make: Callable[[], str]) -> str:
    """What the file holds; it appears whole and on disk, or not at all."""
    if not file.exists():
        descriptor, name = mkstemp(dir=file.parent, prefix=file.name)  # mode 0600
        try:
            with os.fdopen(descriptor, "w") as unfinished:
                unfinished.write(make())
                unfinished.flush()
                os.fsync(descriptor)
            with suppress(FileExistsError):  # another process was faster: its key counts
                os.link(name, file)
        finally:
            os.unlink(name)
        directory = os.open(file.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
    return file.read_text().strip()
