"""docs/GUARANTEES.md: every promise names tests, and every test it names exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "GUARANTEES.md"
PROMISE = re.compile(r"^## (\d+)\. (.+)$", re.MULTILINE)
PROOF = re.compile(r"^- `(tests/[\w/]+\.py)::(\w+)`$", re.MULTILINE)


def promises(page: str) -> list[tuple[int, str]]:
    """Number and text below the heading of each."""
    _, *parts = PROMISE.split(page)
    return [(int(number), text) for number, text in zip(parts[0::3], parts[2::3], strict=True)]


def proofs_in(file: Path) -> set[str]:
    """Those that pytest would run; none that are always skipped."""
    if not file.exists():
        return set()
    found = (n for n in ast.parse(file.read_text()).body if isinstance(n, ast.FunctionDef))
    return {one.name for one in found if not any(map(_skips, one.decorator_list))}


def _skips(decorator: ast.expr) -> bool:
    return ast.unparse(decorator).partition("(")[0] in ("pytest.mark.skip", "pytest.mark.xfail")


def faults(page: str) -> list[str]:
    found = promises(page)
    numbers = [number for number, _ in found]
    wrong = [] if numbers == list(range(1, 11)) else [f"numbers: {numbers}"]
    for number, text in found:
        if "*Where it ends:*" not in text:
            wrong.append(f"{number} does not say where it ends")
        listed = [line for line in text.splitlines() if line.startswith("- ")]
        proofs = PROOF.findall(text)
        if not proofs or len(proofs) != len(listed):
            wrong.append(f"{number} has {len(listed)} lines and {len(proofs)} proofs")
        wrong += [
            f"{number}: there is no {file}::{name}"
            for file, name in proofs
            if name not in proofs_in(ROOT / file)
        ]
    return wrong


def test_every_promise_is_proven_by_tests_that_exist() -> None:
    assert faults(PAGE.read_text()) == []


@pytest.mark.parametrize(
    ("good", "bad", "fault"),
    [
        ("::test_40_adds", "::test_41_adds", "3: there is no tests/api/test_concurrency.py"),
        ("## 4. ", "## 14. ", "numbers"),
        ("- `tests/api/test_idempotency_keys.py::", "- see `", "7 has "),
    ],
)
def test_a_proof_that_is_none_is_found(good: str, bad: str, fault: str) -> None:
    page = PAGE.read_text()

    assert faults(page.replace(good, bad))[0].startswith(fault)


def test_a_test_that_is_always_skipped_proves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "test_x.py"
    file.write_text("def test_a(): ...\n@pytest.mark.skip(reason='')\ndef test_b(): ...\n")

    assert proofs_in(file) == {"test_a"}
