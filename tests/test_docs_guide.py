"""docs/guide: every command is typed in, and answers with the status that the page says."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.programs import needs
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Api

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SAID = re.compile(r"  # (\d{3})$", re.MULTILINE)
AUDITOR = "auditor@shop.example"
ANSWERED = re.compile(r"^(\d{3})$", re.MULTILINE)

pytestmark = needs("curl")


def script(name: str) -> str:
    return "".join(BLOCK.findall((ROOT / "docs" / "guide" / name).read_text()))


def walk(commands: str, url: str, email: str = ADMIN_EMAIL) -> str:
    """What they printed, once a reader has put in address, e-mail and password."""
    values = {"URL": url, "EMAIL": email, "PASSWORD": ADMIN_PASSWORD}
    for name, value in values.items():
        commands, found = re.subn(rf"^{name}=.*$", f"{name}='{value}'", commands, flags=re.M)
        assert found == 1, f"the guide sets {name} once"
    walked = subprocess.run(["sh", "-e", "-c", commands], capture_output=True, text=True)
    assert walked.returncode == 0, walked.stdout + walked.stderr
    assert walked.stderr == ""
    return walked.stdout


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a shop with demonstration data, and an auditor."""
    directory = tmp_path_factory.mktemp("guide")
    api = Api.start(directory, ADMIN_EMAIL=ADMIN_EMAIL, ADMIN_PASSWORD=ADMIN_PASSWORD, DEMO="1")
    with closing(api.client()) as admin:
        account = {"email": AUDITOR, "password": ADMIN_PASSWORD, "role": "auditor"}
        admin.post("/v1/accounts", json=account).raise_for_status()
    yield api.url
    api.stop()


def test_clients_get_the_answers_that_their_guide_says(url: str) -> None:
    commands = script("clients.md")

    printed = walk(commands, url)

    assert ANSWERED.findall(printed) == SAID.findall(commands)
    assert re.search(r"^10$", printed, re.MULTILINE), "four and six are on hand"
    assert '"pointer":"/colour"' in printed.replace(" ", "")


def test_auditors_get_the_answers_that_their_guide_says(url: str) -> None:
    commands = script("auditors.md")

    printed = walk(commands, url, AUDITOR)

    assert ANSWERED.findall(printed) == SAID.findall(commands)
    assert re.search(r"^1 \S+Z ticket\.opened$", printed, re.MULTILINE)
    assert re.search(r"^\S+Z inventory\.item-added \{.*'unit_price_cents'", printed, re.MULTILINE)
    assert re.search(r"^\S+Z issued -\d+ \d+ [0-9a-f-]{36}$", printed, re.MULTILINE)
    assert '"operation":"GET /v1/tickets/{ticket_id}/diff"' in printed


def test_every_command_that_prints_an_answer_says_its_status() -> None:
    for name in ("clients.md", "auditors.md"):
        silent = [
            line
            for line in script(name).splitlines()
            if line.startswith("shop ") and not SAID.search(line) and " | " not in line
        ]
        assert silent == []


def test_a_command_that_fails_is_noticed() -> None:
    with pytest.raises(AssertionError, match="curl"):
        walk(script("clients.md"), "http://127.0.0.1:9")
