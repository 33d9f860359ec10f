"""What a spreadsheet opens is what was exported, and none of it is a formula."""

from __future__ import annotations

import csv
from io import StringIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from projections.spreadsheet import BOM, DANGEROUS, plain, row, table

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def read(data: bytes) -> list[list[str]]:
    return list(csv.reader(StringIO(data.decode("utf-8-sig"), newline=""), strict=True))


@given(st.lists(st.lists(TEXT, min_size=2, max_size=2)))
@example([["=1+1", "'=1+1"], ["a,b", 'say "x"'], ["one\r\ntwo", "\r"], ["", "'"]])
def test_every_text_comes_back_as_it_was(rows: list[list[str]]) -> None:
    records = [dict(zip("ab", values, strict=True)) for values in rows]

    names, *found = read(table(["a", "b"], records))

    assert names == ["a", "b"]
    assert [[plain(cell) for cell in line] for line in found] == rows


@given(TEXT)
def test_no_cell_of_text_begins_like_a_formula(text: str) -> None:
    for line in read(row(["x", text])):
        assert not line[1].startswith(DANGEROUS)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_what_a_formula_begins_with_is_put_behind_a_quote(start: str) -> None:
    assert read(row([f"{start}cmd|' /C calc'!A0"])) == [[f"'{start}cmd|' /C calc'!A0"]]


def test_numbers_stay_numbers_and_the_rest_is_json() -> None:
    assert row([-3, None, True, ["a"], {"b": 1}]) == b'-3,,true,"[""a""]","{""b"":1}"\r\n'


def test_a_file_begins_with_a_byte_order_mark_and_its_columns() -> None:
    assert table(["a", "b"], []) == BOM + b"a,b\r\n"
