"""The compose file against what the program knows; it is run by hand (docs/deploying.md)."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from infrastructure.exporting import ALIVE
from infrastructure.settings import Settings

ROOT = Path(__file__).parent.parent
OURS = ("migrate", "api", "worker")
NOT_PASSED_ON = {
    # Of the container, not of the shop.
    "HOST",
    "PORT",
    # Given to the commands that ask for them.
    "ADMIN_EMAIL",
    "ADMIN_PASSWORD",
    "DEMO",
    # The business of whoever migrates.
    "API_DATABASE_USER",
    "WORKER_DATABASE_USER",
}


def services() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    found: dict[str, Any] = loaded["services"]
    return found


def test_every_setting_reaches_every_process() -> None:
    settings = {each.name.upper() for each in fields(Settings)}
    for name in OURS:
        assert settings - NOT_PASSED_ON <= set(services()[name]["environment"]), name


def test_every_process_has_a_user_of_the_database_and_migrate_grants_to_the_others() -> None:
    users = {}
    for name in OURS:
        url = services()[name]["environment"]["DATABASE_URL"]
        users[name] = url.removeprefix("mysql+pymysql://").partition(":")[0]
    assert len(set(users.values())) == len(OURS)
    assert services()["exporter"]["environment"] == services()["worker"]["environment"]
    granting = services()["migrate"]["environment"]
    assert granting["API_DATABASE_USER"] == users["api"]
    assert granting["WORKER_DATABASE_USER"] == users["worker"]
    made = "".join(services()["users"]["command"])
    assert f"CREATE USER IF NOT EXISTS {users['api']}, {users['worker']}" in made
    assert f"TO {users['migrate']} WITH GRANT OPTION" in made


def test_only_the_job_that_makes_users_and_the_server_know_the_password_of_root() -> None:
    for name, service in services().items():
        knows = "MYSQL_ROOT_PASSWORD" in str(service.get("environment"))
        assert knows == (name in ("mysql", "users")), name


def test_everything_that_goes_on_tells_its_health_and_can_write_nowhere_but_in_tmp() -> None:
    for name, service in services().items():
        if name not in ("migrate", "users"):
            assert service["healthcheck"], name
            assert service["restart"] == "unless-stopped", name
        if name in OURS:
            assert service["read_only"], name
            assert len(service["tmpfs"]) == 1, name
            assert service["cap_drop"] == ["ALL"], name
    assert "\nUSER shop\n" in (ROOT / "Dockerfile").read_text()


def test_the_exporter_is_healthy_while_it_looks_for_work(tmp_path: Path) -> None:
    how, command = services()["exporter"]["healthcheck"]["test"]
    alive = f"{services()['exporter']['environment']['DATA_DIR']}/{ALIVE}"
    assert how == "CMD-SHELL"
    assert alive in command
    ours = tmp_path / ALIVE
    here = command.replace("$$", "$").replace(alive, str(ours))

    def is_healthy() -> bool:
        return subprocess.run(["sh", "-c", here], capture_output=True).returncode == 0

    assert not is_healthy()
    ours.touch()
    assert is_healthy()
    long_ago = time.time() - 600
    os.utime(ours, (long_ago, long_ago))
    assert not is_healthy()


def test_every_secret_is_made_by_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    text = (ROOT / "docker-compose.yml").read_text()
    required = {part.partition(":?")[0] for part in text.split("${")[1:] if ":?" in part[:40]}
    assert len(required) == 6
    for name in required:
        assert f"\n{name}=$(openssl rand" in readme, name
