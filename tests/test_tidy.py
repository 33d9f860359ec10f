"""What nobody should have to say in a review. Each rule is tried on a fault made for it.

The patterns are spelt so that they do not find themselves.
"""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LINES_MAX = 300
TEXTS = {".py", ".md", ".toml", ".yml", ".yaml", ".sh", ".sql", ".ini", ".cfg", ".lock", ".mako"}
NAMED_TEXTS = {"Makefile", "Dockerfile", ".env.example", ".gitignore", ".dockerignore", "run"}
NOT_OURS = {"var", "build", "dist", "__pycache__", ".venv", ".git", ".cache", ".hypothesis"}
LOCKS = ("requirements.lock", "requirements-dev.lock")

UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X]|HAC[K])\b")
MACHINE_PATH = re.compile(
    r"""(?<![\w.>}])/(wor[k]|hom[e]|roo[t]|tm[p]|User[s])(?=[/\s"'`:;,)]|$)"""
)
DOWNLOAD_HOST = re.compile(
    r"pythonhosted[.]org|pypi[.]org|deb[.]debian[.]org|registry[.]npmjs|/releases/downloa[d]/"
    r"|\b(?:downloads?|mirrors?|cdn|dl)[.]\w+[.]\w+"
)


def texts() -> Iterator[Path]:
    for directory, below, files in os.walk(ROOT):
        below[:] = [b for b in below if b not in NOT_OURS and not b.endswith(("_cache", "-info"))]
        for name in files:
            if Path(name).suffix in TEXTS or name in NAMED_TEXTS:
                yield Path(directory, name)


def lines_with(pattern: re.Pattern[str]) -> Callable[[Path, str], list[str]]:
    def find(_: Path, text: str) -> list[str]:
        return [line for line in text.splitlines() if pattern.search(line)]

    return find


def too_long(path: Path, text: str) -> list[str]:
    prose = path.suffix in (".md", ".lock") or "tests" in path.parts
    return [f"{text.count(chr(10))} lines"] if not prose and text.count("\n") > LINES_MAX else []


def unfinished(path: Path, text: str) -> list[str]:
    return lines_with(UNFINISHED)(path, text)


def machine_path(path: Path, text: str) -> list[str]:
    """A container's own directories are no machine's."""
    if path.name.startswith(("Dockerfile", "docker-compose")):
        return []
    return lines_with(MACHINE_PATH)(path, text)


def download_host(path: Path, text: str) -> list[str]:
    return lines_with(DOWNLOAD_HOST)(path, text)


def ragged(_: Path, text: str) -> list[str]:
    lines = [line for line in text.split("\n") if line != line.rstrip()]
    return lines if not text or text.endswith("\n") else [*lines, "no newline at the end"]


def undescribed(path: Path, text: str) -> list[str]:
    """Tests are named by sentences, and an empty `__init__` only marks a package."""
    if path.suffix != ".py" or "tests" in path.parts or not text.strip():
        return []
    return [] if ast.get_docstring(ast.parse(text)) else ["no docstring of the module"]


Rule = Callable[[Path, str], list[str]]
RULES: dict[Rule, tuple[str, str]] = {
    too_long: ("domain/x.py", "x = 1\n" * (LINES_MAX + 1)),
    unfinished: ("docs/x.md", "TO" + "DO: later\n"),
    machine_path: ("domain/x.py", 'DATA = "/ho' + 'me/somebody/data"\n'),
    download_host: ("Makefile", "fetch https://py" + "pi.org/simple/x\n"),
    ragged: ("docs/x.md", "a line \nand another\n"),
    undescribed: ("api/x.py", "x = 1\n"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_file_breaks_the_rule(rule: Rule) -> None:
    faults = {
        str(path.relative_to(ROOT)): found
        for path in texts()
        if (found := rule(path.relative_to(ROOT), path.read_text()))
    }

    assert faults == {}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_finds_its_fault_and_nothing_in_good_text(
    rule: Rule,
) -> None:
    name, fault = RULES[rule]

    assert rule(Path(name), fault)
    assert not rule(Path("api/x.py"), '"""What it means."""\n\nx = "/v1/tickets/workshop"\n')


def test_the_walk_sees_what_it_should() -> None:
    seen = {str(path.relative_to(ROOT)) for path in texts()}

    assert {"Makefile", ".ci/run", "domain/kernel.py", "tests/test_tidy.py", *LOCKS} <= seen
    assert not any(".venv" in path for path in seen)


@pytest.mark.parametrize(
    ("code", "source"),
    [
        ("T201", "print(1)\n"),
        ("ERA001", "# x = compute(1)\n"),
        ("S608", 'QUERY = f"SELECT * FROM {name}"\n'),
        ("F401", "import re\n"),
    ],
)
def test_the_linter_finds_leftovers(code: str, source: str) -> None:
    ruff = str(Path(sys.executable).parent / "ruff")
    answer = subprocess.run(
        [ruff, "check", "--output-format=concise", "--stdin-filename=domain/x.py", "-"],
        input=source,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert code in answer.stdout


def lock_faults(text: str) -> list[str]:
    """A lock names packages, versions and hashes; where they come from is the machine's affair."""
    faults = [line for line in text.splitlines() if "://" in line or " @ " in line]
    for entry in re.split(r"\n(?=\S)", text.strip()):
        if not re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+ ", entry) or "--hash=sha256:" not in entry:
            faults.append(entry)
    return faults


def locked(text: str) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^ ;\\]+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_a_hash_for_everything_and_no_place(lock: str) -> None:
    assert lock_faults((ROOT / lock).read_text()) == []


@pytest.mark.parametrize(
    "planted",
    [
        "--index-url x",
        "a @ b",
        "https://host/a.whl",
        "a==1 \\\n    # no hash",
        "a>=1 --hash=sha256:0",
    ],
)
def test_a_fault_in_a_lock_is_found(planted: str) -> None:
    good = "b==1 \\\n    --hash=sha256:00\n    # via mechanic-shop"

    assert lock_faults(good) == []
    assert lock_faults(f"{good}\n{planted}\n")


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    runtime, everything = (locked((ROOT / lock).read_text()) for lock in LOCKS)
    wanted = [*project["project"]["dependencies"], *groups["build"]]

    def missing(requirements: list[str], lock: dict[str, str]) -> list[str]:
        return [
            str(r)
            for r in map(Requirement, requirements)
            if (name := canonicalize_name(r.name)) not in lock or lock[name] not in r.specifier
        ]

    assert missing(wanted, runtime) == []
    assert missing(groups["dev"], everything) == []
    assert runtime.items() <= everything.items()
    assert missing(["falcon>99"], runtime)
    assert missing(["no-such-package"], runtime)


def test_the_lock_with_download_addresses_is_not_kept() -> None:
    """`uv.lock` names the hosts that packages came from."""
    assert "uv.lock" in (ROOT / ".gitignore").read_text().splitlines()
    index = ROOT / ".git" / "index"
    if index.is_file():
        assert b"uv.lock" not in index.read_bytes()


def test_ci_runs_the_three_gates_and_nothing_else() -> None:
    run = ROOT / ".ci" / "run"

    assert os.access(run, os.X_OK)
    assert run.read_text().splitlines()[-3:] == [
        "make check",
        "make test",
        "make test-faults",
    ]
