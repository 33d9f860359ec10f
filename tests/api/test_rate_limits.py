"""Who asks too often waits; nobody else does, and nothing is done for them meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from falcon.testing import Result

from api.app import operations
from domain.account import Role
from infrastructure import sessions
from infrastructure.runtime import Runtime
from projections import generations
from tests.api.answers import is_problem, nothing_happens
from tests.api.limits import Strict, left
from tests.api.limits import strict as strict
from tests.infrastructure.event_store.records import counted_statements
from tests.shop import PASSWORD, Client, Shop

DAY = 86_400


@contextmanager
def _no_sql() -> Iterator[None]:
    with counted_statements() as statements:
        yield
    assert statements == []


def _log_in(shop: Shop, email: str, password: str = PASSWORD, peer: str = "192.0.2.1") -> Result:
    sent = {"email": email, "password": password}
    return shop.nobody().request("POST", "/v1/auth/login", json=sent, remote_addr=peer)


def _is_refused(answer: Result, budget: str) -> None:
    is_problem(answer, 429, "too-many-requests")
    assert left(answer) == (budget, 0)
    assert 0 < int(answer.headers["retry-after"]) <= DAY


def test_an_answer_says_what_is_left_of_which_budget(strict: Strict) -> None:
    shop = strict(reads=3)

    answers = [shop.get("/v1/tickets") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [left(answer) for answer in answers] == [("reads", n) for n in (2, 1, 0, 0)]
    for answer in answers:
        assert answer.headers["ratelimit-policy"] == f'"reads";q=3;w={DAY}'
        found = re.fullmatch(r'"reads";r=[0-9]+;t=([0-9]+)', answer.headers["ratelimit"])
        assert found is not None
        assert 0 < int(found[1]) <= DAY
        assert "retry-after" not in answer.headers or answer.status_code == 429
    _is_refused(answers[-1], "reads")


def test_accounts_have_budgets_of_their_own(strict: Strict) -> None:
    shop = strict(reads=1)
    mechanic, auditor = shop.as_("mechanic"), shop.as_("auditor")

    assert mechanic.get("/v1/tickets").status_code == 200
    _is_refused(mechanic.get("/v1/tickets"), "reads")
    assert auditor.get("/v1/tickets").status_code == 200


def test_reads_and_writes_have_budgets_of_their_own(strict: Strict) -> None:
    shop = strict(reads=1, writes=1)
    person = {"name": "A", "email": "a@shop.example"}

    assert left(shop.get("/v1/tickets")) == ("reads", 0)
    assert left(shop.post("/v1/customers", json=person)) == ("writes", 0)

    _is_refused(shop.get("/v1/tickets"), "reads")
    with nothing_happens(shop):
        again = shop.post("/v1/customers", json=person | {"email": "b@shop.example"})
        _is_refused(again, "writes")


def test_all_accounts_behind_an_address_share_a_wider_budget(strict: Strict) -> None:
    shop = strict(reads=2, wider=2)
    clients = [shop.as_(role) for role in ("mechanic", "auditor", "reporter")]

    for client in clients[:2]:
        for _ in range(2):
            assert client.get("/v1/tickets").status_code == 200

    _is_refused(clients[2].get("/v1/tickets"), "reads-of-address")
    elsewhere = clients[2].get("/v1/tickets", remote_addr="192.0.2.9")
    assert elsewhere.status_code == 200


def test_who_has_no_token_counts_by_address(strict: Strict) -> None:
    shop = strict(reads=1, wider=2)
    nobody = shop.nobody()

    is_problem(nobody.get("/v1/tickets"), 401, "unauthorized")
    assert nobody.get("/openapi.json").status_code == 200

    _is_refused(nobody.get("/v1/tickets"), "reads-of-address")
    _is_refused(nobody.get("/docs"), "reads-of-address")
    assert nobody.get("/docs", remote_addr="192.0.2.9").status_code == 200


def test_bad_requests_count_as_well(strict: Strict, subtests: pytest.Subtests) -> None:
    """Also where they are found out before the budget is asked."""
    shop = strict(reads=1)
    bad: list[dict[str, Any]] = [
        dict(path=f"/v1/customers/{uuid4()}?colour=red"),
        dict(path="/v1/customers/12"),
        dict(path=f"/v1/customers/{uuid4()}", token="nonsense"),
        dict(path="/v1/accounts"),
        dict(path="/v1/mechanics/leaderboard?by=beauty"),
    ]
    for sent in bad:
        with subtests.test(str(sent)):
            reporter = shop.as_account(shop.account(Role.REPORTER), "reporter")

            assert reporter.get(**sent).status_code in (403, 404, 422)
            _is_refused(reporter.get(**sent), "reads")


def test_nothing_at_all_is_done_for_who_asks_too_often(
    strict: Strict, subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No statement runs, whatever is asked for: also a `late` operation counts first."""
    monkeypatch.setattr(sessions, "STANDING_SECONDS", 3600.0)
    monkeypatch.setattr(generations, "REMEMBERED_SECONDS", 3600.0)
    shop = strict(reads=1, writes=1, logins=1, wider=1)
    shop.get("/v1/tickets")
    shop.post("/v1/customers", json={})
    _log_in(shop, "a@shop.example", peer="127.0.0.1")
    login = {"email": "a@shop.example", "password": PASSWORD}

    for one in operations():
        if not one.budget:
            continue
        path = one.path.replace("{name}", "docs.css").replace("{slug}", "taken")
        path = re.sub(r"\{\w+\}", str(uuid4()), path)
        sent: dict[str, Any] = {"json": login} if one.budget == "logins" else {}
        with subtests.test(f"{one.method} {path}"), _no_sql():
            is_problem(shop.request(one.method, path, **sent), 429, "too-many-requests")
    with _no_sql():
        future = shop.get(f"/v1/tickets/{uuid4()}?version=1")
        is_problem(future, 429, "too-many-requests")


def test_a_cached_body_is_not_served_either(strict: Strict) -> None:
    shop = strict(reads=2)
    path = f"/v1/customers/{shop.customer()}"
    shop.settle()

    assert [shop.get(path).status_code for _ in range(3)] == [200, 200, 429]
    assert "etag" not in shop.get(path).headers


def test_a_probe_is_never_turned_away(strict: Strict) -> None:
    nobody = strict(reads=1, wider=1).nobody()

    for path in ("/livez", "/readyz"):
        for _ in range(3):
            answer = nobody.get(path)
            assert answer.status_code == 200
            assert "ratelimit" not in answer.headers


def test_what_a_role_may_not_do_counts_as_well(strict: Strict) -> None:
    shop = strict(writes=1)
    auditor = shop.as_("auditor")

    is_problem(auditor.post("/v1/customers", json={}), 403, "forbidden")
    _is_refused(auditor.post("/v1/customers", json={}), "writes")


def test_a_shop_without_limits_says_nothing_of_them(strict: Strict) -> None:
    shop = strict(reads=1, writes=1, logins=1, wider=1, settings={"rate_limit_enabled": False})
    _, email = shop.person()

    for _ in range(3):
        for answer in (shop.get("/v1/tickets"), _log_in(shop, email)):
            assert answer.status_code == 200
            assert not [name for name in answer.headers if name.startswith("ratelimit")]


def test_a_password_is_guessed_a_few_times_only(strict: Strict) -> None:
    shop = strict(logins=2)
    _, email = shop.person()

    for guess in ("one wrong guess", "another wrong guess"):
        is_problem(_log_in(shop, email, guess), 401, "unauthorized")

    _is_refused(_log_in(shop, email.upper()), "logins")
    assert _log_in(shop, email, peer="192.0.2.2").status_code == 200
    assert _log_in(shop, shop.person()[1]).status_code == 200


def test_an_unknown_email_counts_like_a_wrong_password(strict: Strict) -> None:
    shop = strict(logins=2)
    (_, known), unknown = shop.person(), shop.email("nobody")

    answers = [[_log_in(shop, email, "wrong") for _ in range(4)] for email in (known, unknown)]

    told = [[(a.status_code, left(a), a.json["detail"]) for a in one] for one in answers]
    assert told[0] == told[1]
    assert [status for status, *_ in told[0]] == [401, 401, 429, 429]


def test_many_emails_tried_from_one_address_share_its_budget(strict: Strict) -> None:
    shop = strict(logins=1, wider=3)

    for _ in range(3):
        is_problem(_log_in(shop, shop.email(), "wrong"), 401, "unauthorized")

    _is_refused(_log_in(shop, shop.email(), "wrong"), "logins-of-address")


def test_one_email_tried_from_everywhere_does_not_lock_its_owner_out(strict: Strict) -> None:
    shop = strict(logins=2, wider=2)
    _, email = shop.person()
    assert _log_in(shop, email, peer="192.0.2.100").status_code == 200

    guesses = [_log_in(shop, email, "wrong", peer=f"192.0.2.{n}") for n in range(6)]

    assert [one.status_code for one in guesses] == [401] * 3 + [429] * 3
    _is_refused(guesses[-1], "logins-of-email")
    at_home = _log_in(shop, email, peer="192.0.2.100")
    assert at_home.status_code == 200
    assert left(at_home) == ("logins", 0)
    _is_refused(_log_in(shop, email, peer="192.0.2.100"), "logins")


def test_one_address_alone_does_not_use_up_what_an_email_has_everywhere(strict: Strict) -> None:
    shop = strict(logins=2, wider=3)
    _, email = shop.person()

    guesses = [_log_in(shop, email, "wrong", peer="192.0.2.1") for _ in range(6)]

    assert [one.status_code for one in guesses] == [401] * 2 + [429] * 4
    assert _log_in(shop, email, peer="192.0.2.2").status_code == 200


def test_a_failed_login_makes_no_home(strict: Strict) -> None:
    shop = strict(logins=1, wider=1)
    _, email = shop.person()
    is_problem(_log_in(shop, email, "wrong", peer="192.0.2.1"), 401, "unauthorized")

    _is_refused(_log_in(shop, email, peer="192.0.2.2"), "logins-of-email")


PROXY, CLIENT = "10.0.0.1", "192.0.2.7"


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        (CLIENT, "203.0.113.5", CLIENT),
        (PROXY, "203.0.113.5", "203.0.113.5"),
        (PROXY, f"6.6.6.6, 203.0.113.5, {PROXY}", "203.0.113.5"),
        (PROXY, "203.0.113.5, nonsense", PROXY),
        (PROXY, None, PROXY),
        ("::ffff:10.0.0.1", "203.0.113.5", "203.0.113.5"),
        ("2001:db8::1", None, "2001:db8::ffff"),
    ],
)
def test_forwarded_addresses_count_where_the_proxy_is_trusted(
    strict: Strict, peer: str, forwarded: str | None, counted: str
) -> None:
    trusted = _settings(TRUSTED_PROXIES="10.0.0.0/8")
    shop = strict(reads=1, wider=1, settings=trusted)

    def ask(by: str, header: str | None = None) -> Result:
        headers = {"X-Forwarded-For": header}
        return shop.nobody().get("/openapi.json", headers=headers, remote_addr=by)

    assert ask(peer, forwarded).status_code == 200
    others = {CLIENT, "203.0.113.5", "6.6.6.6", PROXY, "2001:db8::ffff"} - {counted}
    for other in others:
        assert ask(other).status_code == 200, other
    _is_refused(ask(counted), "reads-of-address")


def _settings(**environ: str) -> dict[str, Any]:
    from infrastructure.settings import Settings

    read = Settings.read(environ)
    return {name.lower(): getattr(read, name.lower()) for name in environ}


def test_nobodys_email_is_in_redis(
    strict: Strict, runtime: Runtime, subtests: pytest.Subtests
) -> None:
    if runtime.redis is None:
        return
    shop = strict()
    _, email = shop.person()
    _log_in(shop, email)

    keys = [str(key) for key in runtime.redis.keys("LIMITS:*")]

    assert len(keys) >= 4
    assert not [key for key in keys if email in key or "@" in key]


def test_a_client_is_told_to_come_back_and_then_let_in(strict: Strict) -> None:
    """The window ends in Redis and in the process alike."""
    shop = strict(reads=1)
    assert shop.get("/v1/tickets").status_code == 200
    _is_refused(shop.get("/v1/tickets"), "reads")

    _end_windows(shop.runtime)

    assert shop.get("/v1/tickets").status_code == 200


def _end_windows(runtime: Runtime) -> None:
    if runtime.redis is not None:
        for key in runtime.redis.keys("LIMITS:*"):
            runtime.redis.pexpire(key, 0)
        return
    storage: Any = vars(runtime.rate_limits.counter)["_storage"]
    storage.expirations = dict.fromkeys(storage.expirations, 0.0)


def test_head_counts_like_get(strict: Strict) -> None:
    shop: Client = strict(reads=2)

    assert [shop.request("HEAD", "/v1/tickets").status_code for _ in range(3)] == [200, 200, 429]
