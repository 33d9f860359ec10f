"""Personal text inside events and snapshots: which fields, and how they are encrypted.

A sealed field is the base64 of nonce and AES-256-GCM ciphertext. It is bound to its place
(whose event or snapshot, which version, which field), so that it opens nowhere else.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import cache
from typing import Any, get_args, get_type_hints
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.kernel import PERSONAL, Personal

NONCE_BYTES = 12


class BrokenSeal(ValueError):
    """A sealed field was altered, or moved here from another place."""


@cache
def personal_fields(kind: type[msgspec.Struct]) -> dict[str, str]:
    """The personal fields of a type: attribute -> name in the JSON, inherited ones included.

    Raises `TypeError` for personal text that would be stored in the clear because it is
    not a plain field of type `Personal` (a list of it, one inside a struct, one with limits,
    which the sealed text would break).
    """
    hints = get_type_hints(kind, include_extras=True)
    fields = dict(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True))
    for name in fields:
        if hints[name] != Personal and _holds_personal(hints[name]):
            raise TypeError(f"{kind.__name__}.{name} hides personal text: declare it Personal")
    return {name: encoded for name, encoded in fields.items() if hints[name] == Personal}


def _holds_personal(hint: Any) -> bool:
    for meta in getattr(hint, "__metadata__", ()):
        if PERSONAL in (getattr(meta, "extra", None) or {}):
            return True
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return bool(personal_fields(hint))
    return any(_holds_personal(inner) for inner in get_args(hint))


def holds_personal(struct: msgspec.Struct) -> bool:
    """Whether there is personal text (or its sealed form) in it now."""
    return any(getattr(struct, name) is not None for name in personal_fields(type(struct)))


def event_place(id: UUID, version: int) -> bytes:
    return b"event:" + id.bytes + version.to_bytes(8)


def snapshot_place(id: UUID, version: int) -> bytes:
    return b"snapshot:" + id.bytes + version.to_bytes(8)


def seal(
    struct: msgspec.Struct, key: bytes, place: bytes, random: Callable[[int], bytes]
) -> dict[str, str]:
    """The personal fields that hold text, encrypted; an absent text stays absent."""
    cipher, sealed = AESGCM(key), dict[str, str]()
    for name, encoded in personal_fields(type(struct)).items():
        if (text := getattr(struct, name)) is not None:
            nonce = random(NONCE_BYTES)
            box = cipher.encrypt(nonce, text.encode(), place + encoded.encode())
            sealed[name] = b64encode(nonce + box).decode()
    return sealed


def unseal(
    struct: Any, key: bytes | None, place: bytes, kind: type[msgspec.Struct]
) -> dict[str, str | None]:
    """The personal fields of `kind` as they were, all `None` without the key.

    Raises `BrokenSeal`.
    """
    fields = personal_fields(kind)
    if key is None:
        return dict.fromkeys(fields)
    cipher, opened = AESGCM(key), dict[str, str | None]()
    for name, encoded in fields.items():
        if (text := getattr(struct, name)) is None:
            continue
        try:
            box = b64decode(text, validate=True)
            nonce, sealed = box[:NONCE_BYTES], box[NONCE_BYTES:]
            opened[name] = cipher.decrypt(nonce, sealed, place + encoded.encode()).decode()
        except (InvalidTag, ValueError):
            raise BrokenSeal(f"the personal field {encoded} was altered") from None
    return opened
