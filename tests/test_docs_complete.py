"""The reference pages of docs/ name everything there is and nothing else.

Each row of their tables that begins with a name in backquotes must be a row that the code
gives, in that order. What events mean is said in the page alone.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import get_args

import click
import pytest

from api.app import operations
from api.openapi_facts import who
from api.problems import KINDS
from cli.main import main
from domain import account, claim, inventory, ticket_events, vehicle
from domain.events import AnyEvent
from infrastructure.settings import Settings

ROOT = Path(__file__).parent.parent
MEANING = "..."
ROW = re.compile(r"^\| `.*$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
WORDS = (account, claim, inventory, ticket_events, vehicle)


def row(*cells: str) -> str:
    escaped = [cell.replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(escaped)} |".replace("  |", " |")


def code(text: object) -> str:
    return f"`{text}`" if text != "" else ""


def events() -> Iterator[str]:
    kinds = get_args(AnyEvent)
    for kind in kinds:
        carried = [f"{name}: {text}" for name, text in kind.__annotations__.items()]
        cells = [code(one.replace(" | None", "?")) for one in carried]
        yield row(code(kind.__struct_config__.tag), MEANING, ", ".join(cells))
    named = " ".join(text for kind in kinds for text in kind.__annotations__.values())
    words = {name: word for module in WORDS for name, word in vars(module).items()}
    for name, word in words.items():
        if isinstance(word, type) and issubclass(word, StrEnum) and re.search(name, named):
            yield row(code(name), ", ".join(map(code, word)))


def settings() -> Iterator[str]:
    for one in fields(Settings):
        default = "" if one.default in (None, ()) else one.default
        shown = int(default) if isinstance(default, bool) else default
        yield row(code(one.name.upper()), one.metadata["meaning"], code(shown))


def commands() -> Iterator[str]:
    def leaves(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
        if isinstance(command, click.Group):
            for name, inside in command.commands.items():
                yield from leaves(inside, f"{path} {name}")
        else:
            yield path, command

    for path, command in leaves(main, "mechanic-shop"):
        options = [code(parameter.opts[0]) for parameter in command.params]
        yield row(code(path), command.get_short_help_str(limit=200), ", ".join(options))


def routes() -> Iterator[str]:
    for one in operations():
        yield row(code(f"{one.method} {one.path}"), f"{one.summary}.", who(one))
    for kind in KINDS.values():
        yield row(code(kind.slug), str(kind.status), kind.meaning)


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "events.md": events,
    "settings.md": settings,
    "cli.md": commands,
    "api.md": routes,
}


def faults(name: str, page: str) -> list[str]:
    """What the page lacks, and what it should not have."""
    shown, due = [_compared(name, line) for line in ROW.findall(page)], list(PAGES[name]())
    missing = [f"missing: {line}" for line in due if line not in shown]
    wrong = [f"not so: {line}" for line in shown if line not in due]
    return missing + wrong or (["another order"] if shown != due else [])


def _compared(name: str, line: str) -> str:
    """Without the meaning of an event, if there is one."""
    cells = line.strip("| ").split(" | ")
    if name != "events.md" or "." not in cells[0] or not any(c.isalpha() for c in cells[1]):
        return line
    return row(cells[0], MEANING, cells[2] if len(cells) > 2 else "")


@pytest.mark.parametrize("name", PAGES)
def test_the_page_names_everything_there_is_and_nothing_else(name: str) -> None:
    assert faults(name, (ROOT / "docs" / name).read_text()) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_row_that_is_missing_invented_moved_or_wrong_is_found(name: str) -> None:
    page = (ROOT / "docs" / name).read_text()
    first, second, *_ = ROW.findall(page)
    spoilt = first.replace("`", "`x", 1)

    assert faults(name, page.replace(first + "\n", "")) == [f"missing: {_compared(name, first)}"]
    assert faults(name, f"{page}\n{spoilt}\n") == [f"not so: {_compared(name, spoilt)}"]
    assert len(faults(name, page.replace(first, spoilt))) == 2
    swapped = page.replace(first, "@@").replace(second, first).replace("@@", second)
    assert faults(name, swapped) == ["another order"]


def test_an_event_without_a_meaning_is_found() -> None:
    page = (ROOT / "docs" / "events.md").read_text()
    first = ROW.findall(page)[0]
    silent = first.replace(first.split(" | ")[1], "")

    assert faults("events.md", page.replace(first, silent))


def dead_links(page: Path, text: str) -> list[str]:
    """Links to files that are not there, and to headings that their page does not have."""
    dead = []
    for name, heading in LINK.findall(text):
        target = page.parent / name if name else page
        if not target.exists():
            dead.append(name)
        elif heading and heading not in headings(target.read_text() if name else text):
            dead.append(f"{name}#{heading}")
    return dead


def headings(text: str) -> set[str]:
    """As GitHub makes anchors of them."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(text))
    return {heading.replace(" ", "-") for heading in plain}


def pages() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def test_every_link_between_pages_leads_somewhere() -> None:
    dead = {str(page): found for page in pages() if (found := dead_links(page, page.read_text()))}

    assert dead == {}
    readme = ROOT / "README.md"
    assert dead_links(readme, "[x](docs/nowhere.md)") == ["docs/nowhere.md"]
    assert dead_links(readme, "[x](docs/cli.md#nowhere)") == ["docs/cli.md#nowhere"]
    assert dead_links(readme, "# Some where\n[x](#some-where) [y](#there)") == ["#there"]


def reached(page: Path, before: frozenset[Path] = frozenset()) -> frozenset[Path]:
    """Every page that links lead to; a link to a directory leads to its pages."""
    if page in before or page.suffix != ".md":
        return before
    before |= {page}
    for name, _ in LINK.findall(page.read_text()):
        target = (page.parent / name).resolve() if name else page
        for each in target.glob("*.md") if target.is_dir() else [target]:
            before = reached(each, before)
    return before


def test_every_page_is_found_from_the_readme() -> None:
    assert set(pages()) - reached(ROOT / "README.md") == set()


def test_a_page_that_nothing_leads_to_is_not_reached(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("[b](b.md), [itself](#a)")
    (tmp_path / "b.md").write_text("[a](a.md)")
    (tmp_path / "lost.md").write_text("[a](a.md)")

    assert {page.name for page in reached(tmp_path / "a.md")} == {"a.md", "b.md"}
