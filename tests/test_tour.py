"""The tour in README.md, walked command by command against the service as it really runs."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.programs import needs
from tests.servers import MariaDB
from tests.service import ADMIN_PASSWORD, Api, Worker, founded

ROOT = Path(__file__).parent.parent
PASSWORD_PRINTED = re.compile(r"^password \(shown this once\): (\S+)$", re.MULTILINE)

pytestmark = needs("curl")


def tour(url: str, password: str) -> str:
    """Its commands, with the two values that a reader puts in."""
    readme = (ROOT / "README.md").read_text()
    section = readme.partition("\n## Five-minute tour\n")[2].partition("\n## ")[0]
    script = "".join(re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE))
    for name, value in (("URL", url), ("PASSWORD", password)):
        script, found = re.subn(rf"^{name}=.*$", f"{name}='{value}'", script, flags=re.MULTILINE)
        assert found == 1, f"the tour sets {name} once"
    return script


def walk(script: str) -> list[Any]:
    """What each command printed: JSON as what it says, everything else as it stands."""
    walked = subprocess.run(["sh", "-e", "-c", script], capture_output=True, text=True)
    assert walked.returncode == 0, walked.stdout + walked.stderr
    assert walked.stderr == ""
    return [read(line) for line in walked.stdout.splitlines()]


def read(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return line


@pytest.fixture
def shop(leg: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Where it is served, embedded or with a worker, and the password of its admin."""
    if leg == "sqlite":
        api = Api.start(tmp_path / "api")
        printed = PASSWORD_PRINTED.search(api.log.read_text())
        assert printed is not None, "the first start prints the password"
        yield api.url, printed[1]
        api.stop()
    else:
        server: MariaDB = request.getfixturevalue("mariadb" if leg == "mysql" else leg)
        settings = founded(server.create_database("tour"), request.getfixturevalue("redis_url"))
        api = Api.start(tmp_path / "api", **settings)
        worker = Worker.start(tmp_path / "worker", **settings)
        yield api.url, ADMIN_PASSWORD
        worker.stop()
        api.stop()


def test_the_tour_shows_what_it_promises(shop: tuple[str, str]) -> None:
    printed = walk(tour(*shop))

    assert len(printed) == 13
    received, too_many, total, on_hand, too_late, ticket, board, levels = printed[:8]
    history, before = printed[8:12], printed[12]
    assert received["version"] == 2
    assert (too_many["status"], too_many["type"]) == (409, "/docs/problems/refused")
    assert too_many["detail"].endswith("wanted, 8 on hand")
    assert (total, on_hand) == (1800, 8)
    assert (too_late["status"], too_late["type"]) == (409, "/docs/problems/refused")
    assert too_late["detail"] == "parts go on an open ticket; this one is closed"
    assert (ticket["status"], ticket["total_cents"], ticket["version"]) == ("closed", 1800, 4)
    (part,) = ticket["parts"]
    assert (part["quantity"], part["unit_price_cents"], part["name"]) == (2, 900, "Oil, 1 l")
    (ranked,) = [m for m in board["items"] if [m["mechanic_id"]] == ticket["mechanic_ids"]]
    assert (ranked["name"], ranked["tickets"], ranked["closed"]) == ("Mechanic One", 1, 1)
    (level,) = [i for i in levels["items"] if i["inventory_id"] == part["inventory_id"]]
    assert (level["quantity_on_hand"], level["low"]) == (8, True)
    assert [line.split()[3] for line in history] == [
        "ticket.opened",
        "ticket.mechanic-assigned",
        "ticket.part-issued",
        "ticket.closed",
    ]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\S+Z admin [0-9a-f-]{36} ", line) for line in history)
    assert (before["id"], before["version"], before["status"]) == (ticket["id"], 2, "open")
    assert (before["parts"], before["total_cents"]) == ([], 0)


def test_a_step_of_the_tour_that_fails_is_noticed() -> None:
    broken = tour("http://127.0.0.1:9", "nobody")

    with pytest.raises(AssertionError, match="curl"):
        walk(broken)
