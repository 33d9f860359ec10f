"""Consistency tokens: what a client has seen, so that no later read shows it less.

A token names the versions a write made (or a read showed) and a feed position. It is opaque
to clients; it grants nothing, so it is not signed.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated
from uuid import UUID

import msgspec

VERSIONS_MAX = 32
LENGTH_MAX = 2000


class Token(msgspec.Struct, frozen=True, array_like=True):
    """`position`: at least this much of the feed. `versions`: at least these, by stream."""

    position: int = 0
    versions: dict[UUID, int] = {}

    def __str__(self) -> str:
        return _text(self) if self.versions else _text_of_position(self.position)

    def seen_all(self, versions: Mapping[UUID, int]) -> Token:
        """This token and what a write has just made."""
        return Token(self.position, _newest(self.versions, versions))

    def seen(self, position: int, id: UUID, version: int) -> Token:
        """This token and what was read of a stream that may be ahead of the views."""
        versions = _newest(self.versions, {id: version})
        return Token(max(self.position, position), versions)

    def shown(self, position: int, id: UUID | None = None) -> Token:
        """This token and what the views showed at that position: of one stream, or of all.

        They showed what was wanted of it, so the position stands for its version from now on.
        """
        position = max(self.position, position)
        if id is None or not self.versions:
            return Token(position)
        return Token(position, {of: v for of, v in self.versions.items() if of != id})

    def reached(self, position: int) -> Token:
        """This token and how far the views were; what it wants of streams it wants still."""
        return Token(max(self.position, position), self.versions)


def _text(token: Token) -> str:
    packed = msgspec.msgpack.encode(
        (token.position, [(id.bytes, version) for id, version in token.versions.items()])
    )
    return urlsafe_b64encode(packed).rstrip(b"=").decode()


@lru_cache(64)
def _text_of_position(position: int) -> str:
    """What most readers get, many of them at one position."""
    return _text(Token(position))


def _newest(known: Mapping[UUID, int], seen: Mapping[UUID, int]) -> dict[UUID, int]:
    """What was seen last stands last; what was seen longest ago is forgotten first."""
    versions = {id: version for id, version in known.items() if id not in seen}
    versions |= {id: max(version, known.get(id, 0)) for id, version in seen.items()}
    return dict(list(versions.items())[-VERSIONS_MAX:])


NOTHING_SEEN = Token()
Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Versions = Annotated[list[tuple[bytes, Number]], msgspec.Meta(max_length=VERSIONS_MAX)]
_decode = msgspec.msgpack.Decoder(tuple[Number, Versions]).decode


@lru_cache(1024)
def parse(text: str | None) -> Token:
    """Raises `ValueError` when it is no token of ours."""
    if not text:
        return NOTHING_SEEN
    if len(text) > LENGTH_MAX:
        raise ValueError("a Consistency-Token is one that this service gave")
    try:
        position, versions = _decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return Token(position, {UUID(bytes=id): version for id, version in versions})
    except (ValueError, msgspec.MsgspecError):
        raise ValueError("a Consistency-Token is one that this service gave") from None
