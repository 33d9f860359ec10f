"""The views against the events, as of one moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from infrastructure.event_store.keyring import KeyRing
from infrastructure.event_store.mapper import EventMapper
from infrastructure.event_store.streams import Streams
from infrastructure.runtime import Runtime
from projections.verification import Verification


@contextmanager
def verification(runtime: Runtime, generation: int) -> Iterator[tuple[Verification, Streams]]:
    """Everything read through it is of the moment it is opened, the keys of persons too."""
    patient = runtime.database.patient()
    streams = Streams(patient, EventMapper(KeyRing(patient, runtime.settings.master_keys)))
    try:
        with patient.snapshot():
            yield Verification(patient, streams, generation), streams
    finally:
        patient.close()
