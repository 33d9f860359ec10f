"""Headers, queries and methods that are wrong: refused by name, and never a 500."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from uuid import UUID, uuid4

import msgspec
import pytest
from falcon.testing import create_req

from api.resource import preferred_wait
from projections.tokens import Token
from tests.api.answers import is_problem, nothing_happens
from tests.shop import Shop

LISTS = (
    "/v1/customers",
    "/v1/vehicles",
    "/v1/mechanics",
    "/v1/inventory",
    "/v1/tickets",
    "/v1/accounts",
    "/v1/assignments",
    "/v1/stock-levels",
)


def test_lists_say_what_is_wrong_with_a_query(shop: Shop, subtests: pytest.Subtests) -> None:
    wrong = {
        "limit=0": ["/limit"],
        "limit=201": ["/limit"],
        "limit=-1": ["/limit"],
        "limit=ten": ["/limit"],
        "limit=": ["/limit"],
        "limit=1&limit=2": ["/limit"],
        "limit=1" + "0" * 5000: ["/limit"],
        "colour=red": ["/colour"],
        "colour=red&limit=0": ["/colour", "/limit"],
        "cursor=nonsense": ["/cursor"],
        "cursor=%00": ["/cursor"],
        "cursor=%E2%82%AC": ["/cursor"],
        "cursor=": ["/cursor"],
        "cursor=" + "x" * 1001: ["/cursor"],
    }

    for path in LISTS:
        for query, pointers in wrong.items():
            with subtests.test(f"{path}?{query[:40]}"):
                is_problem(shop.get(f"{path}?{query}"), 422, "invalid-fields", *pointers)


def test_filters_say_what_is_wrong(shop: Shop, subtests: pytest.Subtests) -> None:
    for query, pointer in {
        "/v1/tickets?status=broken": "/status",
        "/v1/tickets?open=perhaps": "/open",
        "/v1/tickets?customer_id=12": "/customer_id",
        "/v1/tickets?include=archived": "/include",
        "/v1/tickets?sort=description": "/sort",
        "/v1/tickets?expand=mechanic": "/expand",
        "/v1/tickets?ro_number=99999999999999999999": "/ro_number",
        "/v1/tickets?updated_after=yesterday": "/updated_after",
        "/v1/tickets?updated_after=2026-01-01T00:00:00": "/updated_after",
        "/v1/tickets?updated_after=0.5": "/updated_after",
        "/v1/tickets?open=null": "/open",
        "/v1/tickets?customer_id=NULL": "/customer_id",
        "/v1/stock-levels?low=null": "/low",
        "/v1/audit/search?from=null": "/from",
        "/v1/customers?include=voided": "/include",
        "/v1/customers?q=": "/q",
        "/v1/accounts?role=boss": "/role",
        "/v1/mechanics/leaderboard?by=beauty": "/by",
        "/v1/stock-levels?low=maybe": "/low",
        "/v1/me?as_of=2026-01-01T00:00:00Z": "/as_of",
    }.items():
        with subtests.test(query):
            is_problem(shop.get(query), 422, "invalid-fields", pointer)


def test_moments_that_utc_has_not_are_named(shop: Shop, subtests: pytest.Subtests) -> None:
    customer = shop.customer()
    shop.settle()

    for moment in ("0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"):
        for query, *pointers in (
            (f"/v1/customers?updated_after={moment}&limit=0", "/updated_after", "/limit"),
            (f"/v1/customers/{customer}?as_of={moment}", "/as_of"),
            (f"/v1/audit/search?from={moment}&to={moment}", "/from", "/to"),
            (f"/v1/audit/accesses?from={moment}&to=null", "/from", "/to"),
        ):
            with subtests.test(query):
                is_problem(shop.get(query), 422, "invalid-fields", *pointers)


def test_queries_go_on_reads_only(shop: Shop) -> None:
    with nothing_happens(shop):
        answer = shop.post("/v1/customers?limit=1", json={"name": "A", "email": "a@shop.example"})

    is_problem(answer, 422, "invalid-fields", "/limit")


def _cursor(*parts: object) -> str:
    return urlsafe_b64encode(json.dumps(parts).encode()).rstrip(b"=").decode()


def test_a_made_up_cursor_is_refused(shop: Shop, subtests: pytest.Subtests) -> None:
    id = str(uuid4())
    cursors = {
        "/v1/customers": [
            _cursor("name", True, "x", id),
            _cursor("created_at", False, "2026-01-01T00:00:00Z", id),
            _cursor("created_at", True, "2026-01-01T00:00:00", id),
            _cursor("created_at", True, "0001-01-01T00:00:00+14:00", id),
            _cursor("created_at", True, 10**30, id),
            _cursor("created_at", True, "x", id),
            _cursor("created_at", True, "2026-01-01T00:00:00Z", "12"),
            _cursor(),
        ],
        "/v1/tickets?sort=ro_number": [
            _cursor("ro_number", False, "one", id),
            _cursor("ro_number", False, 10**30, id),
        ],
        "/v1/customers?sort=name": [_cursor("name", False, 7, id)],
    }
    for path, forged in cursors.items():
        for cursor in forged:
            with subtests.test(f"{path} {cursor}"):
                joint = "&" if "?" in path else "?"
                answer = shop.get(f"{path}{joint}cursor={cursor}")

                is_problem(answer, 422, "invalid-fields", "/cursor")


def test_a_consistency_token_is_one_of_ours(shop: Shop, subtests: pytest.Subtests) -> None:
    customer = shop.customer()
    pair = msgspec.msgpack.encode((0, [(b"short", 1)]))
    wrong = ["nonsense", "!!!", "x" * 3000, urlsafe_b64encode(pair).decode(), "\xe9"]
    forged = [
        str(Token(2**63)),
        str(Token(-1)),
        str(Token(0, {UUID(customer): 2**63})),
        str(Token(0, {UUID(customer): -1})),
    ]

    with nothing_happens(shop):
        for token in wrong + forged:
            for path in ("/v1/customers", f"/v1/customers/{customer}"):
                with subtests.test(f"{path} {token[:40]}"):
                    answer = shop.get(path, token=token, headers={"Prefer": "wait=0"})

                    is_problem(answer, 422, "invalid-fields", "/headers/Consistency-Token")
            with subtests.test(f"POST {token[:40]}"):
                person = {"name": "A", "email": "never@shop.example"}
                answer = shop.post("/v1/customers", json=person, token=token)

                is_problem(answer, 422, "invalid-fields", "/headers/Consistency-Token")


def test_if_match_takes_one_etag(shop: Shop, subtests: pytest.Subtests) -> None:
    customer = shop.customer()

    with nothing_happens(shop):
        for etag in ("1", '"x"', 'W/"1"', '"1", "2"', '"99999999999999999999"', '"1.2.3"', ""):
            with subtests.test(etag):
                answer = shop.patch(
                    f"/v1/customers/{customer}", json={"name": "B"}, headers={"If-Match": etag}
                )

                is_problem(answer, 422, "invalid-fields", "/headers/If-Match")


def test_an_idempotency_key_is_short_and_printable(shop: Shop, subtests: pytest.Subtests) -> None:
    with nothing_happens(shop):
        for key in ("x" * 256, "\xe9", "a\tb", ""):
            with subtests.test(key[:10]):
                answer = shop.post("/v1/customers", json={"name": "A", "email": "a@b.c"}, key=key)

                is_problem(answer, 422, "invalid-fields", "/headers/Idempotency-Key")


@pytest.mark.parametrize(
    ("preferred", "seconds"),
    [("wait=3", 3), ("return=minimal, wait=5000", 10), ("wait=-1", None), ("wait=long", None)],
)
def test_whoever_would_wait_longer_than_anybody_may_waits_that_long(
    preferred: str, seconds: float | None
) -> None:
    asked = create_req(headers={"Prefer": preferred})

    assert preferred_wait(asked, 10) == seconds


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
def test_a_path_without_the_method_says_which_it_has(shop: Shop) -> None:
    for method, path, allowed in (
        ("PUT", "/v1/tickets", {"GET", "HEAD", "POST"}),
        ("POST", f"/v1/customers/{uuid4()}", {"GET", "HEAD", "PATCH", "DELETE"}),
        ("GET", "/v1/auth/login", {"POST"}),
        ("DELETE", "/livez", {"GET", "HEAD"}),
        ("WEBSOCKET", "/livez", {"GET", "HEAD"}),
    ):
        answer = shop.request(method, path)

        is_problem(answer, 405, "method-not-allowed")
        assert set(answer.headers["allow"].split(", ")) - {"OPTIONS"} == allowed


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v2/tickets", "/v1/tickets/", "/v1//tickets", "/%00"]
)
def test_an_unknown_path_is_not_found(shop: Shop, path: str) -> None:
    is_problem(shop.get(path), 404, "not-found")


def test_a_sane_request_id_is_kept_and_another_replaced(shop: Shop) -> None:
    assert (
        shop.get("/livez", headers={"X-Request-Id": "front-desk:7"}).headers["x-request-id"]
        == "front-desk:7"
    )
    for odd in ("a b", "x" * 65, "<script>", "\xe9"):
        given = shop.get("/livez", headers={"X-Request-Id": odd}).headers["x-request-id"]
        assert UUID(given).version == 7
