import re

import pytest

from domain import vin
from domain.vin import VinCheck
from tests.builders import GOOD_VIN


@pytest.mark.parametrize(
    "good", ["1M8GDM9AXKP042788", "1HGCM82633A004352", "1G4AH59H45G118341", "11111111111111111"]
)
def test_position_9_of_a_good_vin_is_its_check_digit(good: str) -> None:
    assert vin.check_digit(good) == good[8]
    assert vin.check(good) is VinCheck.VALID


@pytest.mark.parametrize("wrong", sorted(set("0123456789X") - {GOOD_VIN[8]}))
def test_any_other_check_digit_is_a_mismatch(wrong: str) -> None:
    assert vin.check(GOOD_VIN[:8] + wrong + GOOD_VIN[9:]) is VinCheck.MISMATCH


@pytest.mark.parametrize("position", [p for p in range(17) if p != 8])
def test_one_wrong_digit_anywhere_is_noticed(position: int) -> None:
    """Every weight is below 11 and none but that of position 9 is 0 (49 CFR 565.15)."""
    ones = "1" * 17

    assert vin.check(ones[:position] + "2" + ones[position + 1 :]) is VinCheck.MISMATCH


def test_a_vin_without_check_digit_is_a_mismatch_and_no_error() -> None:
    assert vin.check("WVWZZZ1JZXW000001") is VinCheck.MISMATCH


def test_a_vin_is_kept_in_upper_case_without_spaces_around_it() -> None:
    assert vin.normalised(" 1m8gdm9axkp042788 ") == GOOD_VIN


@pytest.mark.parametrize("letter", "ABCDEFGHJKLMNPRSTUVWXYZ0123456789abcxyz")
def test_a_vin_is_made_of_these(letter: str) -> None:
    assert re.search(vin.PATTERN, letter * 17)


@pytest.mark.parametrize(
    "wrong",
    [
        "I" * 17,
        "O" * 17,
        "Q" * 17,
        "o" * 17,
        "1" * 16,
        "1" * 18,
        "1" * 16 + "-",
        "",
        "1" * 17 + "\n",
    ],
)
def test_a_vin_is_not_made_of_those(wrong: str) -> None:
    assert not re.search(vin.PATTERN, wrong)
