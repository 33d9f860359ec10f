"""Unique values: taken and given up in the same commit as the owner's own event."""

from __future__ import annotations

from uuid import UUID

from commands.kernel import Work
from domain.claim import Claim, ClaimKind
from domain.text import folded


def claim(work: Work, kind: ClaimKind, owner_id: UUID, value: str) -> None:
    """Raises `Taken` naming the field when the value is another's."""
    _of(work, kind, value).take(kind, owner_id)


def exchange(work: Work, kind: ClaimKind, owner_id: UUID, old: str | None, new: str | None) -> None:
    """Give up the old value and take the new one, if they differ at all."""
    if old is not None and (new is None or normalised(old) != normalised(new)):
        _of(work, kind, old).release(kind, owner_id)
    if new is not None and (old is None or normalised(old) != normalised(new)):
        claim(work, kind, owner_id, new)


def normalised(value: str) -> str:
    return folded(value.strip())


def _of(work: Work, kind: ClaimKind, value: str) -> Claim:
    return work.find(Claim, work.claim_id(kind, normalised(value)))
