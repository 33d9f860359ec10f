"""Who may import whom, and that the rules bite: each is broken on purpose in a copy."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("domain", "commands", "projections", "infrastructure", "api", "workers", "cli")
DOMAIN_MAY_IMPORT = (sys.stdlib_module_names | {"domain", "msgspec"}) - {
    *("asyncio", "io", "logging", "os", "pathlib", "random", "secrets", "shutil", "socket"),
    *("sqlite3", "subprocess", "sys", "tempfile", "threading", "time", "urllib"),
}
IMPURE = {"now", "utcnow", "today", "uuid1", "uuid4", "open", "print"}


def lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package)
    return copy


def test_every_contract_is_kept() -> None:
    answer = lint_imports(ROOT)

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "0 broken" in answer.stdout


@pytest.mark.parametrize(
    ("package", "planted", "contract"),
    [
        ("domain", "commands", "One direction"),
        ("commands", "infrastructure", "One direction"),
        ("projections", "commands", "One direction"),
        ("infrastructure", "api", "One direction"),
        ("workers", "api", "One direction"),
        ("api", "cli", "One direction"),
        ("domain", "falcon", "The domain knows msgspec and nothing else"),
        (
            "commands",
            "sqlalchemy",
            "Writes do not read the read model, and know no HTTP and no SQL",
        ),
        (
            "projections",
            "redis",
            "Views are folds: they know no HTTP, no queue and no cache server",
        ),
    ],
)
def test_a_forbidden_import_breaks_its_contract(
    copy: Path, package: str, planted: str, contract: str
) -> None:
    module = copy / package / "planted.py"
    module.write_text(f"import {planted}\n")

    answer = lint_imports(copy)
    module.unlink()

    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert f"{contract} BROKEN" in answer.stdout


def impurities(source: str) -> list[str]:
    """What a module of the domain does that is not deciding."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                imported = [name.name for name in names]
            case ast.ImportFrom(module=str(module)):
                imported = [module]
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in IMPURE:
                found.append(f"line {node.lineno} calls {name}")
                continue
            case _:
                continue
        outside = [name for name in imported if name.split(".")[0] not in DOMAIN_MAY_IMPORT]
        found += [f"line {node.lineno} imports {name}" for name in outside]
    return found


@pytest.mark.parametrize("module", sorted((ROOT / "domain").rglob("*.py")), ids=lambda p: p.stem)
def test_the_domain_is_pure(module: Path) -> None:
    assert impurities(module.read_text()) == []


@pytest.mark.parametrize(
    "source",
    ["import random", "from os import path", "import attrs", "x = datetime.now()", "uuid4()"],
)
def test_an_impurity_is_found(source: str) -> None:
    assert impurities(source)
