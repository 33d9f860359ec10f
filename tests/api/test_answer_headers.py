"""What every answer tells browsers and caches, who else's pages may ask, HEAD and OPTIONS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from falcon.testing import Result

from api.app import METHODS, ROUTES, operations
from api.docs import CONTENT_SECURITY_POLICY
from api.headers import EXPOSED, HSTS
from infrastructure.settings import Settings
from tests.api.answers import is_problem
from tests.api.limits import Strict, beside
from tests.api.limits import strict as strict
from tests.shop import PASSWORD, Client, Shop, done

ID = "00000000-0000-7000-8000-000000000000"
DESK, ELSEWHERE = "https://desk.example", "https://elsewhere.example"


@pytest.fixture(params=["sqlite"])
def leg(request: pytest.FixtureRequest) -> str:
    """Nothing here depends on the database."""
    return str(request.param)


def _answers(shop: Shop) -> dict[str, Result]:
    """One of every sort."""
    customer = shop.customer()
    shop.settle()
    known = shop.get(f"/v1/customers/{customer}")
    etag = {"If-None-Match": known.headers["etag"]}
    return {
        "a body": known,
        "nothing new": shop.get(f"/v1/customers/{customer}", headers=etag),
        "a list": shop.get("/v1/customers"),
        "a write": shop.post("/v1/customers", json={"name": "A", "email": "a@b.example"}),
        "a problem": shop.get(f"/v1/customers/{ID}"),
        "no token": shop.nobody().get("/v1/me"),
        "no such path": shop.get("/nowhere"),
        "no such method": shop.delete("/livez"),
        "options": shop.request("OPTIONS", "/v1/customers"),
        "head": shop.request("HEAD", "/v1/customers"),
        "health": shop.get("/livez"),
        "documentation": shop.get("/docs"),
        "a page": shop.get("/docs/problems/taken"),
    }


def test_every_answer_forbids_what_browsers_would_guess(
    shop: Shop, subtests: pytest.Subtests
) -> None:
    for name, answer in _answers(shop).items():
        with subtests.test(name):
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert "strict-transport-security" not in answer.headers
            assert "access-control-allow-origin" not in answer.headers
            assert answer.headers["x-request-id"]


def test_only_pages_may_load_anything(shop: Shop) -> None:
    policies = {
        name: answer.headers["content-security-policy"] for name, answer in _answers(shop).items()
    }
    pages = {policies.pop("documentation"), policies.pop("a page")}

    assert pages == {CONTENT_SECURITY_POLICY}
    assert set(policies.values()) == {"default-src 'none'; frame-ancestors 'none'"}


def test_nothing_is_kept_by_caches_that_does_not_say_so(shop: Shop) -> None:
    kept = {name: answer.headers["cache-control"] for name, answer in _answers(shop).items()}

    asked_again = {"a body", "nothing new", "a list", "head"}
    pages = {"documentation", "a page"}
    assert {name for name, how in kept.items() if how == "private, no-cache"} == asked_again
    assert {name for name, how in kept.items() if how == "public, no-cache"} == pages
    assert {kept[name] for name in kept.keys() - asked_again - pages} == {"no-store"}


def test_nothing_about_logins_is_kept_by_caches(shop: Shop) -> None:
    email = shop.email()
    done(shop.post("/v1/accounts", json=dict(email=email, password=PASSWORD, role="auditor")))
    session = done(
        shop.nobody().post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    )
    sent = {"refresh_token": session["refresh_token"]}

    for path, body in (
        ("login", {"email": email, "password": "wrong"}),
        ("refresh", sent),
        ("refresh", sent),
        ("logout", sent),
    ):
        answer = shop.nobody().post(f"/v1/auth/{path}", json=body)
        assert answer.headers["cache-control"] == "no-store"


def test_browsers_are_told_to_keep_to_tls_where_there_is_tls(strict: Strict) -> None:
    trusted = Settings.read({"TRUSTED_PROXIES": "10.0.0.0/8"}).trusted_proxies
    nobody = strict(settings={"trusted_proxies": trusted}).nobody()

    def told(peer: str, scheme: str = "http", forwarded: str | None = None) -> str | None:
        headers = {"X-Forwarded-Proto": forwarded}
        sent = dict(headers=headers, remote_addr=peer, protocol=scheme)
        found: str | None = nobody.request("GET", "/livez", **sent).headers.get(  # type: ignore[arg-type]
            "strict-transport-security"
        )
        return found

    assert told("192.0.2.1", scheme="https") == HSTS
    assert told("10.0.0.1", forwarded="https") == HSTS
    assert told("10.0.0.1", forwarded="http") is None
    assert told("192.0.2.1", forwarded="https") is None


@pytest.fixture
def pages(shop: Shop) -> Iterator[Client]:
    """The shop, as pages of DESK may ask it."""
    with beside(shop, cors_origins=(DESK,)) as client:
        yield client


def test_pages_of_the_origin_may_ask_and_read_our_headers(shop: Shop, pages: Client) -> None:
    answers = [
        pages.get("/v1/customers", headers={"Origin": DESK}),
        pages.get(f"/v1/customers/{ID}", headers={"Origin": DESK}),
        pages.get("/v1/customers", headers={"Origin": DESK, "Authorization": None}),
    ]

    assert [answer.status_code for answer in answers] == [200, 404, 401]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == DESK
        assert set(answer.headers["access-control-expose-headers"].split(", ")) == set(EXPOSED)
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.headers["vary"] == "Origin"


def test_every_header_of_ours_is_exposed(shop: Shop) -> None:
    from api.openapi_parts import HEADERS

    assert set(HEADERS) <= set(EXPOSED)


def test_a_preflight_is_answered_without_a_token(pages: Client) -> None:
    wanted = "authorization,content-type,if-match,idempotency-key,consistency-token,prefer"
    headers = {
        "Origin": DESK,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": wanted,
        "Authorization": None,
    }

    answer = pages.request("OPTIONS", f"/v1/customers/{ID}", headers=headers)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == DESK
    assert {"GET", "PATCH", "DELETE"} <= _listed(answer, "access-control-allow-methods")
    assert answer.headers["access-control-allow-headers"] == wanted


@pytest.mark.parametrize("origin", [ELSEWHERE, "null", "https://desk.example.evil", DESK.upper()])
def test_pages_from_elsewhere_may_not(pages: Client, origin: str) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
    for method in ("GET", "OPTIONS"):
        answer = pages.request(method, "/v1/customers", headers=headers)

        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["vary"] == "Origin"


def test_head_is_get_without_the_body(shop: Shop, subtests: pytest.Subtests) -> None:
    customer = shop.customer()
    shop.settle()
    for path in (f"/v1/customers/{customer}", "/v1/customers", "/v1/me", "/docs", "/livez"):
        with subtests.test(path):
            get, head = shop.get(path), shop.request("HEAD", path)

            assert head.status_code == get.status_code
            assert head.content == b""
            for name in ("etag", "content-type", "content-length", "feed-position"):
                assert head.headers.get(name) == get.headers.get(name), name
    missing = shop.request("HEAD", f"/v1/customers/{ID}")
    assert (missing.status_code, missing.content) == (404, b"")
    assert shop.nobody().request("HEAD", "/v1/customers").status_code == 401


def _listed(answer: Result, name: str) -> set[str]:
    return set(answer.headers[name].split(", "))


def test_every_path_says_which_methods_it_has(shop: Shop, subtests: pytest.Subtests) -> None:
    for path in ROUTES:
        has = {one.method for one in operations() if one.path == path}
        has |= {"HEAD"} if "GET" in has else set()
        with subtests.test(path):
            told = shop.nobody().request("OPTIONS", path.replace("{", "").replace("}", ""))

            assert told.status_code == 200
            assert told.content == b""
            assert _listed(told, "allow") - {"OPTIONS"} == has
            for method in set(METHODS) - has:
                refused = shop.request(method, path.replace("{", "").replace("}", ""))
                is_problem(refused, 405, "method-not-allowed")
                assert _listed(refused, "allow") == has | {"OPTIONS"}
