"""The disk of an embedded shop is full for a while: it says so, loses nothing, and heals."""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.faults.deployment import Outcome, until
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Api

if sys.platform == "linux":
    import resource

BYTES_LEFT = 1 << 19
"""No file may grow beyond this, as if there were no more blocks: less than the database has."""
WRITES_MAX = 2000
REFUSED_MAX = 20
CHECKS = (("projections", "verify"), ("events", "check"), ("audit", "check"))


@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit")
def test_a_full_disk_stops_writes_only_and_heals(tmp_path: Path, table: list[Outcome]) -> None:
    admin = {"ADMIN_EMAIL": ADMIN_EMAIL, "ADMIN_PASSWORD": ADMIN_PASSWORD}
    api = Api.start(tmp_path / "shop", **admin, DEMO="1")
    answers = list[tuple[str, httpx.Response]]()
    with closing(api.client()) as client:

        def register() -> httpx.Response:
            email = f"{uuid4().hex}@full.example"
            answer = client.post("/v1/customers", json={"name": "A Customer", "email": email})
            answers.append((email, answer))
            return answer

        register().raise_for_status()
        limit_files(api, BYTES_LEFT)
        while register().is_success:
            assert len(answers) < WRITES_MAX, "nothing is full"
        for _ in range(REFUSED_MAX):
            register()
        read = client.get("/v1/events?limit=1")
        limit_files(api, resource.RLIM_INFINITY)
        freed = time.monotonic()
        until(lambda: register().is_success, "it does not heal")
        healthy = time.monotonic() - freed
        token = answers[-1][1].headers["consistency-token"]
        shown = listed(client, token)
        was_up = api.is_running
    api.stop()
    wrong = [
        said.stdout + said.stderr
        for said in (api.run(*check) for check in CHECKS)
        if said.returncode
    ]
    failed = Counter(f"{a.status_code} {a.json()['type'][15:]}" for _, a in answers if a.is_error)
    lost = sorted(done(answers) - shown)
    table.append(Outcome("disk full", len(answers), failed, lost, wrong, healthy, was_up))

    assert lost == []
    assert shown - done(answers) == set(), "a refused write left a trace"
    assert wrong == []
    assert set(failed) == {"503 disk-full"}
    assert all(answer.headers["retry-after"] for _, answer in answers if answer.is_error)
    assert read.status_code == 200
    assert was_up


def done(answers: list[tuple[str, httpx.Response]]) -> set[str]:
    return {email for email, answer in answers if answer.is_success}


def listed(client: httpx.Client, token: str) -> set[str]:
    """The customers there are, of those this test registered, no earlier than the token."""
    found, path = set[str](), "/v1/customers?limit=200"
    headers = {"Consistency-Token": token, "Prefer": "wait=30"}
    while path:
        page = client.get(path, headers=headers).raise_for_status()
        found |= {each["email"] for each in page.json()["items"]}
        path = page.links.get("next", {}).get("url", "")
    return {email for email in found if email.endswith("@full.example")}


def limit_files(api: Api, size: int) -> None:
    """How large a file may get that these processes write to."""
    for pid in (api.pid, *api.children()):
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
