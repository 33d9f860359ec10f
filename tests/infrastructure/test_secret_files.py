"""Secrets are made once, whole, and nobody else's."""

from __future__ import annotations

import resource
import stat
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from infrastructure.secret_files import embedded_secrets


def test_embedded_secrets_are_made_once_and_are_nobody_elses(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    other = tmp_path / "other"
    data_dir.mkdir()
    other.mkdir()

    jwt_key, master_key = embedded_secrets(data_dir)

    assert embedded_secrets(data_dir) == (jwt_key, master_key)
    assert embedded_secrets(other) != (jwt_key, master_key)
    assert len(jwt_key) >= 32
    assert len(master_key) == 32
    assert sorted(file.name for file in data_dir.iterdir()) == ["jwt.key", "master.key"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in data_dir.iterdir()} == {0o600}


def test_processes_that_start_at_once_agree_on_the_secrets(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as processes:
        for attempt in range(20):
            data_dir = tmp_path / str(attempt)
            data_dir.mkdir()
            made = processes.map(embedded_secrets, [data_dir] * 4)
            assert len(set(made)) == 1


def test_secrets_that_cannot_be_written_leave_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            embedded_secrets(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert list(tmp_path.iterdir()) == []
