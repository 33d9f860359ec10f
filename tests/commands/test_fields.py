from typing import Any

import msgspec
import pytest

from commands import fields
from tests.builders import GOOD_VIN


@pytest.mark.parametrize(
    ("kind", "good"),
    [
        (fields.Name, "A"),
        (fields.Name, "Zoë de la Cruz-O'Neill"),
        (fields.Name, "x" * 200),
        (fields.Text, "two\nlines\tand a tab"),
        (fields.ShortText, "B-AN 1"),
        (fields.Email, "a.b+c@mail.example.com"),
        (fields.Phone, "+49 (30) 555-0100 x7"),
        (fields.Vin, GOOD_VIN),
        (fields.Vin, GOOD_VIN.lower()),
        (fields.Year, 1886),
        (fields.Cents, 0),
        (fields.Quantity, 1),
        (fields.QuantityDelta, -1),
        (fields.Minutes, 60_000),
        (fields.OdometerValue, 0),
        (fields.Moment, "2026-03-01T12:00:00+01:00"),
        (fields.Concerns, ["the first\nin two lines", "the second"]),
        (fields.Certifications, []),
        (fields.Reason, "entered twice"),
        (fields.Password, "x" * 12),
    ],
)
def test_it_may_be_this(kind: Any, good: Any) -> None:
    msgspec.convert(good, kind)


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        *(
            (kind, bad)
            for kind in (fields.Name, fields.ShortText, fields.PartNumber, fields.Reason)
            for bad in ("", " ", " a", "a ", "a\n", "\na", "a\nb", "\x00", "a\x07", "\x7fa", "a\tb")
        ),
        (fields.Name, "x" * 201),
        (fields.Text, "a\x00b"),
        (fields.Text, "x" * 4_001),
        *(
            (fields.Email, bad)
            for bad in (
                "",
                "a",
                "a@b",
                "@b.example",
                "a@b@c.example",
                "a b@c.example",
                "a@b.example\n",
                "a\n@b.example",
                "a@b..example",
                "a@.example",
                "a@b.example.",
                "a@" + "b" * 250 + ".example",
            )
        ),
        *((fields.Phone, bad) for bad in ("", "12", "555-0100\n", "call me", "1" * 41)),
        *((fields.Vin, bad) for bad in ("", "1" * 16, "1" * 18, "I" * 17, GOOD_VIN + "\n")),
        *((fields.Year, bad) for bad in (1885, 2101, "2020")),
        *((fields.Cents, bad) for bad in (-1, 1_000_000_001, 1.5, "1", True)),
        *((fields.Quantity, bad) for bad in (0, -1, 1_000_001)),
        *((fields.Minutes, bad) for bad in (0, 60_001)),
        *((fields.OdometerValue, bad) for bad in (-1, 10_000_001)),
        *((fields.Moment, bad) for bad in ("2026-03-01", "2026-03-01T12:00:00", "soon", 0)),
        *((fields.Concerns, bad) for bad in ([""], ["a\x00"], ["x" * 501], ["x"] * 51)),
        (fields.Certifications, ["A1\n"]),
        (fields.Password, "x" * 11),
    ],
)
def test_it_may_not_be_that(kind: Any, bad: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, kind)
