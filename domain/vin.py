"""Vehicle identification numbers (ISO 3779; check digit as in 49 CFR 565.15)."""

from __future__ import annotations

from enum import StrEnum

PATTERN = r"^[A-HJ-NPR-Za-hj-npr-z0-9]{17}(?!\n)$"
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "12345678123457923456789"), strict=True))
_VALUES |= {str(digit): digit for digit in range(10)}


class VinCheck(StrEnum):
    """Whether position 9 is the check digit. Real VINs made outside North America may not
    carry one, so a mismatch is reported and never refused."""

    VALID = "valid"
    MISMATCH = "mismatch"


def normalised(vin: str) -> str:
    return vin.strip().upper()


def check_digit(vin: str) -> str:
    """What position 9 ought to be: a digit, or X for 10."""
    total = sum(_VALUES[letter] * weight for letter, weight in zip(vin, _WEIGHTS, strict=True))
    return "0123456789X"[total % 11]


def check(vin: str) -> VinCheck:
    """`vin` must be normalised and match PATTERN."""
    return VinCheck.VALID if vin[8] == check_digit(vin) else VinCheck.MISMATCH
