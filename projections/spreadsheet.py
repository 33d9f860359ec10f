"""CSV (RFC 4180) that a spreadsheet opens as what it is: text stays text, no formula runs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

import msgspec

MEDIA_CSV = "text/csv"
BOM = "\ufeff".encode()
"""Begins a file: without it spreadsheets take UTF-8 for something else."""
DANGEROUS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""Text that begins with one of these may be taken for a formula; the last four are
wide forms of the first."""
QUOTE = "'"


def row(values: Iterable[Any]) -> bytes:
    """One line. Objects and arrays are cells of JSON; `None` is an empty cell."""
    line = StringIO(newline="")
    csv.writer(line, lineterminator="\r\n").writerow([_cell(value) for value in values])
    return line.getvalue().encode()


def table(columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> bytes:
    """A whole file: a line of names, then one per record."""
    lines = (row(record[name] for name in columns) for record in records)
    return BOM + row(columns) + b"".join(lines)


def plain(cell: str) -> str:
    """The text that a cell of text was made of."""
    return cell.removeprefix(QUOTE)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            # A quote that was there already gets another, so that `plain` is exact.
            return QUOTE + value if value.startswith((QUOTE, *DANGEROUS)) else value
        case _:
            return msgspec.json.encode(value).decode()
