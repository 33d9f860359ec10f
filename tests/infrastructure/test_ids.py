"""Ids sort by the time they were made."""

from __future__ import annotations

from uuid import RFC_4122, UUID

import pytest

from infrastructure import ids


def test_an_id_is_the_same_however_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_800_000_000_123_456_789)
    monkeypatch.setattr("os.urandom", lambda size: bytes(range(size)))
    monkeypatch.setattr("random.getrandbits", lambda bits: int.from_bytes(bytes(range(bits // 8))))

    id = ids.uuid7()

    assert ids.uuid7_text() == str(id)
    assert (id.version, id.variant) == (7, RFC_4122)
    assert id.int >> 80 == 1_800_000_000_123
    monkeypatch.setattr("time.time_ns", lambda: 1_800_000_000_124_000_000)
    assert UUID(ids.uuid7_text()) > id
