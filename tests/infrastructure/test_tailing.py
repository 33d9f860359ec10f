"""The end of the feed is followed by a thread that may not come to be."""

from __future__ import annotations

import threading

import pytest

from infrastructure.runtime import Runtime
from tests.infrastructure.event_store.legs import on_sqlite

MORE_THAN_THERE_IS = 1 << 46


@on_sqlite
def test_who_gets_no_thread_to_follow_the_feed_leaves_it_to_the_next(runtime: Runtime) -> None:
    before = threading.stack_size(MORE_THAN_THERE_IS)
    try:
        with pytest.raises(RuntimeError, match="thread"), runtime.tailer.watching():
            pass
    finally:
        threading.stack_size(before)

    with runtime.tailer.watching():
        assert runtime.tailer.wait(-1, seconds=30), "the feed is followed"
