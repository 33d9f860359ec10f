"""Every operation is asked what its description allows, and what it does not (schemathesis)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from domain.account import Role
from tests.process import ROOT
from tests.servers import MariaDB
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Api, Worker, founded

TORTURE_EXAMPLES = os.environ.get("TORTURE_EXAMPLES")
EXAMPLES = min(int(TORTURE_EXAMPLES or 1), 50)
"""For each operation and role."""
PHASES = "examples,fuzzing,stateful" + (",coverage" if TORTURE_EXAMPLES else "")
"""`coverage` tries every limit of every field: thousands of requests."""
ROLES = tuple(Role) if TORTURE_EXAMPLES else (Role.ADMIN, Role.CUSTOMER)
"""Without torture those who may do most and least; who may do what is tried elsewhere for all."""
PASSWORD = "a long phrase of the contract"
CONFIG = """
[checks]
positive_data_acceptance.enabled = false  # see what_fits_the_document_is_taken
"""


class Asking(NamedTuple):
    """One account, logged in."""

    account_id: str
    client: httpx.Client


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    admin = dict(ADMIN_EMAIL=ADMIN_EMAIL, ADMIN_PASSWORD=ADMIN_PASSWORD, DEMO="1")
    api = Api.start(tmp_path_factory.mktemp("embedded") / "api", **admin)
    yield api
    api.stop()


@pytest.fixture
def distributed(mariadb: MariaDB, redis_url: str, tmp_path: Path) -> Iterator[Api]:
    settings = founded(mariadb.create_database("contract"), redis_url)
    api = Api.start(tmp_path / "api", **settings)
    worker = Worker.start(tmp_path / "worker", **settings)
    yield api
    worker.stop()
    api.stop()


def somebody(api: Api, role: Role) -> Asking:
    """A new account in that role; a customer who has tickets, a mechanic who has a record."""
    admin = api.client()
    body = dict(email=f"{role}@contract.example", password=PASSWORD, role=role.value)
    if role is Role.CUSTOMER:
        body["customer_id"] = admin.get("/v1/tickets").json()["items"][0]["customer_id"]
    if role is Role.MECHANIC:
        body["mechanic_id"] = admin.get("/v1/mechanics").json()["items"][0]["id"]
    account_id = admin.post("/v1/accounts", json=body).raise_for_status().json()["id"]
    return Asking(account_id, api.client(body["email"], PASSWORD))


def ask_everything(api: Api, asking: Asking, directory: Path) -> None:
    config = directory / "schemathesis.toml"
    config.write_text(CONFIG)
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": "tests.contract.hooks",
        # What it knows of Unicode is worked out once, not in every directory.
        "HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis"),
        "CONTRACT_ACCOUNT": asking.account_id,
        "CONTRACT_TOKEN": asking.client.headers["Authorization"].removeprefix("Bearer "),
    }
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
        *("run", f"{api.url}/openapi.json", "--phases", PHASES, "--max-examples", str(EXAMPLES)),
        *("--seed", "1", "--no-shrink", "--continue-on-failure", "--warnings", "off"),
    ]
    asked = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)

    assert asked.returncode == 0, asked.stdout + asked.stderr
    assert asking.client.get("/v1/me").json()["id"] == asking.account_id, "it asked to the end"


@pytest.mark.parametrize("role", ROLES)
def test_the_service_keeps_to_its_document(embedded: Api, role: Role, tmp_path: Path) -> None:
    ask_everything(embedded, somebody(embedded, role), tmp_path)


def test_the_service_keeps_to_its_document_on_mariadb_and_redis(
    distributed: Api, tmp_path: Path
) -> None:
    ask_everything(distributed, somebody(distributed, Role.ADMIN), tmp_path)
