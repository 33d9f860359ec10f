"""What is done now and then, at leisure."""

from __future__ import annotations

from threading import Event

import pytest

from infrastructure import periodic
from infrastructure.periodic import Periodic
from infrastructure.runtime import Runtime
from tests.infrastructure.transparency.past import happen
from tests.process import wait_until


def test_one_survives_what_goes_wrong_and_the_other_goes_on_meanwhile(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    last, failed = happen(runtime), list[bool]()

    def failing_until_indexed() -> int:
        if runtime.audit_index.position() < last:
            failed.append(True)
            raise OSError("the database is away")
        return runtime.transparency_log.extend()

    both = [
        Periodic("transparency log", failing_until_indexed, 1000, tick_seconds=0.01),
        Periodic("audit index", runtime.audit_index.step, 1000, tick_seconds=0.02),
    ]
    for each in both:
        each.start()
    wait_until(lambda: runtime.transparency_log.head().size == last)
    for each in both:
        each.stop()

    assert failed
    assert "the transparency log could not be kept up" in caplog.text


def test_a_step_goes_on_after_a_whole_batch_and_else_waits_for_the_next_tick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told, found, done = list[str](), [3, 3, 1, 3, 0], Event()

    class Noting(Event):
        def wait(self, timeout: float | None = None) -> bool:
            told.append("wait")
            return super().wait(0)

    def step() -> int:
        told.append("step")
        if len(found) == 1:
            done.set()
        return found.pop(0) if found else 0

    monkeypatch.setattr(periodic, "Event", Noting)
    follower = Periodic("somebody", step, 3)
    follower.start()
    assert done.wait(10)
    follower.stop()

    assert told[:7] == ["wait", "step", "step", "step", "wait", "step", "step"]


def test_a_shop_keeps_up_all_that_auditors_ask(runtime: Runtime) -> None:
    last = happen(runtime)

    for each in runtime.periodic:
        each.start()
    wait_until(lambda: runtime.audit_index.position() == last)
    wait_until(lambda: runtime.transparency_log.head().size == last)
    for each in runtime.periodic:
        each.stop()
