"""How text that people type is compared."""

from __future__ import annotations

from unicodedata import normalize


def folded(text: str) -> str:
    """The same for texts that differ in case only, or in how the same letters are encoded: an é
    is one character or two (canonical caseless matching, Unicode 3.13, D145). Of each character
    there become three at most."""
    return normalize("NFC", normalize("NFD", text).casefold())
