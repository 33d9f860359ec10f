import sys
from unicodedata import normalize

from domain.text import folded

SURROGATES = range(0xD800, 0xE000)
CHARACTERS = [chr(n) for n in range(sys.maxunicode + 1) if n not in SURROGATES]


def test_case_and_encoding_make_no_difference() -> None:
    spelt = ("Café", "CAFÉ", "Cafe\N{COMBINING ACUTE ACCENT}", "CAFE\N{COMBINING ACUTE ACCENT}")

    assert {folded(text) for text in spelt} == {"café"}
    assert folded("cafe") != "café"


def test_no_character_is_another_when_it_is_decomposed_or_folded_again() -> None:
    for character in CHARACTERS:
        once = folded(character)
        assert {folded(once), folded(normalize("NFD", character))} == {once}, hex(ord(character))


def test_of_a_character_there_become_three_at_most() -> None:
    assert max(len(folded(character)) for character in CHARACTERS) == 3
