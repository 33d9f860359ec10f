"""The documentation comes with the service: pages, files, and nothing from elsewhere."""

from __future__ import annotations

import re

import msgspec
import pytest

from api.docs import CONTENT_SECURITY_POLICY, MEDIA_TYPES, STATIC
from api.problems import KINDS
from tests.api.approve_openapi import todays_document
from tests.shop import Client, Shop


@pytest.fixture(params=["sqlite"])
def leg(request: pytest.FixtureRequest) -> str:
    """Nothing here asks the database."""
    return str(request.param)


@pytest.fixture
def nobody(shop: Shop) -> Client:
    return shop.nobody()


def test_the_document_is_served_to_anybody(nobody: Client) -> None:
    answer = nobody.get("/openapi.json")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == msgspec.json.decode(todays_document())


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/static/docs.js"])
def test_what_a_browser_has_is_not_sent_again(nobody: Client, path: str) -> None:
    first = nobody.get(path)

    again = nobody.get(path, headers={"If-None-Match": first.headers["etag"]})
    other = nobody.get(path, headers={"If-None-Match": '"another"'})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert (other.status_code, other.content) == (200, first.content)
    assert first.headers["cache-control"] == "public, no-cache"


def test_the_page_is_served_and_so_is_all_it_asks_for(nobody: Client) -> None:
    page = nobody.get("/docs")

    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    asked = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert {"/docs/static/docs.js", "/docs/static/docs.css", "/openapi.json"} <= set(asked)
    for path in asked:
        assert nobody.get(path).status_code == 200, path


@pytest.mark.parametrize("name", sorted(file.name for file in STATIC.iterdir()))
def test_files_of_the_page_ask_no_other_server_and_hold_no_script(name: str) -> None:
    text = (STATIC / name).read_text()

    assert not re.search(r"https?://|(src|href)=\"//|@import|\bon\w+=\"|style=\"", text)
    assert "innerHTML" not in text
    assert "<script>" not in text


@pytest.mark.parametrize("name", sorted(MEDIA_TYPES))
def test_files_come_with_their_media_type(nobody: Client, name: str) -> None:
    answer = nobody.get(f"/docs/static/{name}")

    assert answer.headers["content-type"] == MEDIA_TYPES[name]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content == (STATIC / name).read_bytes()


@pytest.mark.parametrize("name", ["page.html", "..%2Fdocs.py", "nothing.js", "docs.js%00"])
def test_no_other_file_is_served(nobody: Client, name: str) -> None:
    answer = nobody.get(f"/docs/static/{name}")

    assert answer.status_code == 404
    assert answer.json["type"] == "/docs/problems/not-found"


def test_every_problem_has_a_page(nobody: Client, subtests: pytest.Subtests) -> None:
    for slug, kind in KINDS.items():
        with subtests.test(slug):
            page = nobody.get(f"/docs/problems/{slug}")
            assert page.status_code == 200
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert f"<h1>{kind.title}</h1>" in page.text
            assert f"<dd>{kind.status}</dd>" in page.text
            assert "{{" not in page.text


def test_all_problems_are_listed(nobody: Client) -> None:
    page = nobody.get("/docs/problems")

    linked = re.findall(r'href="/docs/problems/([^"]+)"', page.text)

    assert sorted(linked) == sorted(KINDS)


def test_the_type_of_a_problem_leads_to_its_page(nobody: Client) -> None:
    refused = nobody.get("/v1/tickets")

    assert refused.status_code == 401
    assert nobody.get(refused.json["type"]).status_code == 200


def test_an_unknown_problem_is_not_found(nobody: Client) -> None:
    assert nobody.get("/docs/problems/<script>").status_code == 404
