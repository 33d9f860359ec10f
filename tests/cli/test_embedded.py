"""`mechanic-shop serve` with nothing installed: the whole shop in one process."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.personal import CHOSEN_PASSWORD
from tests.process import PATIENCE_SECONDS, Process, wait_until
from tests.server_process import free_port

EMPTY = {"DEMO": "0"}


class Served:
    def __init__(self, process: Process, url: str) -> None:
        self.process, self.url = process, url
        self.http = httpx.Client(base_url=url, timeout=PATIENCE_SECONDS)

    def log_in(self, email: str, password: str) -> httpx.Response:
        return self.http.post("/v1/auth/login", json={"email": email, "password": password})

    def authorized(self, email: str, password: str) -> dict[str, str]:
        answer = self.log_in(email, password)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@contextmanager
def serving(directory: Path, settings: Mapping[str, str] = EMPTY) -> Iterator[Served]:
    """Until it answers."""
    port = free_port()
    given = {"DATA_DIR": str(directory / "data"), "PORT": str(port), **EMPTY, **settings}
    with Process("serve", settings=given, cwd=directory) as process:
        served = Served(process, f"http://127.0.0.1:{port}")
        process.until(lambda: answers(served.http))
        yield served
        served.http.close()


def answers(http: httpx.Client) -> bool:
    try:
        return http.get("/livez").status_code == 200
    except httpx.TransportError:
        return False


def test_the_first_start_tells_all_there_is_to_know_and_the_second_no_password(
    tmp_path: Path,
) -> None:
    with serving(tmp_path) as served:
        said = served.process.said()
        assert f"{served.url} " in said
        assert f"{served.url}/docs" in said
        (password,) = re.findall(r"password \(shown this once\): (\S+)", said)
        (email,) = re.findall(r"admin: (\S+)", said)
        admin = served.authorized(email, password)
        given = {"name": "A Customer", "email": "customer@shop.example"}
        made = served.http.post("/v1/customers", json=given, headers=admin)
        assert made.status_code == 201
        assert served.process.terminate() == 0

    with serving(tmp_path) as again:
        assert "password" not in again.process.said()
        assert again.url in again.process.said()
        admin = again.authorized(email, password)
        found = again.http.get(f"/v1/customers/{made.json()['id']}", headers=admin)
        assert found.json()["name"] == "A Customer"


def test_the_admin_of_the_settings_is_the_admin(tmp_path: Path) -> None:
    login = {"ADMIN_EMAIL": "boss@shop.example", "ADMIN_PASSWORD": CHOSEN_PASSWORD}
    with serving(tmp_path, {**login, "WEB_CONCURRENCY": "3"}) as served:
        said, complained = served.process.said(), served.process.complained()
        assert "boss@shop.example" in said
        assert login["ADMIN_PASSWORD"] not in said + complained
        assert "WEB_CONCURRENCY is ignored" in complained
        assert served.log_in(*login.values()).status_code == 200


def test_a_shop_with_demonstration_data_shows_it_at_once(tmp_path: Path) -> None:
    login = {"ADMIN_EMAIL": "boss@shop.example", "ADMIN_PASSWORD": CHOSEN_PASSWORD}
    with serving(tmp_path, {**login, "DEMO": "1"}) as served:
        admin = served.authorized(*login.values())

        tickets = served.http.get("/v1/tickets?limit=50", headers=admin).json()["items"]

        assert len(tickets) >= 5


def test_what_is_written_becomes_visible_in_lists(tmp_path: Path) -> None:
    login = {"ADMIN_EMAIL": "boss@shop.example", "ADMIN_PASSWORD": CHOSEN_PASSWORD}
    with serving(tmp_path, login) as served:
        admin = served.authorized(*login.values())
        given = {"name": "A Customer", "email": "customer@shop.example"}
        served.http.post("/v1/customers", json=given, headers=admin)

        def listed() -> bool:
            answer = served.http.get("/v1/customers", headers=admin)
            return len(answer.json()["items"]) == 1

        wait_until(listed)


def test_an_admin_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    login = {"ADMIN_EMAIL": "boss@shop", "ADMIN_PASSWORD": CHOSEN_PASSWORD}
    given = {"DATA_DIR": str(tmp_path / "data"), "PORT": str(free_port()), **EMPTY, **login}
    with Process("serve", settings=given, cwd=tmp_path) as process:
        code = process.wait()

    assert code in (1, 2)
    assert "email" in process.complained().lower()
    assert "Traceback" not in process.complained()


@pytest.mark.parametrize("file", ["jwt.key", "master.key"])
def test_a_damaged_key_file_is_one_line(tmp_path: Path, file: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / file).write_text("damaged")
    with Process("serve", settings={"DATA_DIR": str(data), **EMPTY}, cwd=tmp_path) as process:
        code = process.wait()

    assert code == 2
    assert file in process.complained()
    assert "Traceback" not in process.complained()
