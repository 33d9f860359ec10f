"""Logging in, staying logged in, and being put out, with real passwords and tokens."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from argon2 import PasswordHasher
from falcon.testing import Result

from domain.account import Role
from infrastructure import sessions
from infrastructure.credentials import InvalidToken
from tests.api.answers import is_problem
from tests.infrastructure.event_store.records import counted_statements
from tests.personal import NEW_PASSWORD, WRONG_PASSWORD
from tests.shop import PASSWORD, Client, Shop, done


def _log_in(shop: Shop, email: str, password: str = PASSWORD) -> Result:
    return shop.nobody().post("/v1/auth/login", json={"email": email, "password": password})


def _refresh(shop: Shop, session: dict[str, Any]) -> Result:
    sent = {"refresh_token": session["refresh_token"]}
    return shop.nobody().post("/v1/auth/refresh", json=sent)


def _using(shop: Shop, session: dict[str, Any]) -> Client:
    return shop.with_access_token(session["access_token"])


def test_a_login_gives_tokens_that_open(shop: Shop) -> None:
    account_id, email = shop.person()

    answer = _log_in(shop, email.upper())

    session = done(answer)
    assert session["token_type"] == "Bearer"
    assert session["expires_in"] == 900
    assert answer.headers["cache-control"] == "no-store"
    assert done(_using(shop, session).get("/v1/me"))["id"] == account_id


def test_a_login_that_fails_does_not_say_why(shop: Shop, at_once: None) -> None:
    _, email = shop.person()
    gone_id, gone = shop.person()
    done(shop.delete(f"/v1/accounts/{gone_id}"))

    answers = [
        _log_in(shop, email, WRONG_PASSWORD),
        _log_in(shop, "nobody@shop.example"),
        _log_in(shop, gone),
        _log_in(shop, "no e-mail at all"),
    ]

    for answer in answers:
        is_problem(answer, 401, "unauthorized")
    assert len({(answer.json["title"], answer.json["detail"]) for answer in answers}) == 1


def test_an_unknown_email_takes_as_much_work_as_a_wrong_password(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many statements, as many hashes: the clock does not tell one from the other."""
    _, email = shop.person()
    _log_in(shop, "nobody@shop.example")
    hashed, verify = list[str](), PasswordHasher.verify
    told = []

    def counted(self: PasswordHasher, hash: str, password: str) -> bool:
        hashed.append(hash)
        return bool(verify(self, hash, password))

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    for one in (email, "nobody@shop.example"):
        hashed.clear()
        with counted_statements() as statements:
            is_problem(_log_in(shop, one, WRONG_PASSWORD), 401, "unauthorized")
        told.append(
            (list(statements), [hash.rpartition("$")[0].rpartition("$")[0] for hash in hashed])
        )

    assert told[0] == told[1]
    assert len(told[0][1]) == 1


def test_a_refresh_token_is_good_once(shop: Shop) -> None:
    _, email = shop.person()
    first = done(_log_in(shop, email))

    second = done(_refresh(shop, first))
    third = done(_refresh(shop, second))

    assert len({one["refresh_token"] for one in (first, second, third)}) == 3
    assert _using(shop, third).get("/v1/me").status_code == 200


def test_a_refresh_token_used_twice_ends_its_successors(shop: Shop) -> None:
    _, email = shop.person()
    stolen, other = done(_log_in(shop, email)), done(_log_in(shop, email))
    successor = done(_refresh(shop, stolen))

    is_problem(_refresh(shop, stolen), 401, "unauthorized")

    is_problem(_refresh(shop, successor), 401, "unauthorized")
    assert _refresh(shop, other).status_code == 200


def test_logging_out_ends_the_session(shop: Shop) -> None:
    _, email = shop.person()
    session = done(_log_in(shop, email))
    sent = {"refresh_token": session["refresh_token"]}

    answer = shop.nobody().post("/v1/auth/logout", json=sent)

    assert answer.status_code == 204
    assert answer.content == b""
    is_problem(_refresh(shop, session), 401, "unauthorized")
    assert shop.nobody().post("/v1/auth/logout", json=sent).status_code == 204


def test_a_new_password_ends_the_sessions(shop: Shop) -> None:
    _, email = shop.person()
    session = done(_log_in(shop, email))

    done(_using(shop, session).patch("/v1/me", json={"password": NEW_PASSWORD}))

    is_problem(_refresh(shop, session), 401, "unauthorized")
    is_problem(_log_in(shop, email, PASSWORD), 401, "unauthorized")
    assert _log_in(shop, email, NEW_PASSWORD).status_code == 200


def test_an_admin_sets_a_new_password(shop: Shop) -> None:
    account_id, email = shop.person()
    session = done(_log_in(shop, email))

    done(shop.patch(f"/v1/accounts/{account_id}", json={"password": NEW_PASSWORD}))

    is_problem(_refresh(shop, session), 401, "unauthorized")
    assert _log_in(shop, email, NEW_PASSWORD).status_code == 200


def test_a_deactivated_account_is_out(shop: Shop, at_once: None) -> None:
    account_id, email = shop.person()
    session = done(_log_in(shop, email))
    assert _using(shop, session).get("/v1/tickets").status_code == 200

    done(shop.delete(f"/v1/accounts/{account_id}"))

    is_problem(_using(shop, session).get("/v1/tickets"), 401, "unauthorized")
    is_problem(_refresh(shop, session), 401, "unauthorized")
    is_problem(_log_in(shop, email), 401, "unauthorized")
    done(shop.post(f"/v1/accounts/{account_id}/reactivate"))
    assert _log_in(shop, email).status_code == 200


def test_standing_is_believed_for_some_seconds_only(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of somebody who asks all the time."""
    account_id, email = shop.person()
    session = done(_log_in(shop, email))
    clock = SimpleNamespace(now=time.monotonic())
    monkeypatch.setattr(sessions, "time", SimpleNamespace(monotonic=lambda: clock.now))
    assert _using(shop, session).get("/v1/tickets").status_code == 200

    done(shop.delete(f"/v1/accounts/{account_id}"))

    answers = []
    for _ in range(7):
        clock.now += 1.0
        answers.append(_using(shop, session).get("/v1/tickets").status_code)
    assert answers[:2] == [200, 200]
    assert answers[-2:] == [401, 401]


def test_admins_cannot_lock_themselves_out(shop: Shop) -> None:
    is_problem(shop.delete(f"/v1/accounts/{shop.admin_id}"), 409, "refused")
    answer = shop.patch(f"/v1/accounts/{shop.admin_id}", json={"role": Role.AUDITOR})
    is_problem(answer, 409, "refused")


def test_passwords_are_long_enough_and_never_shown(shop: Shop) -> None:
    body = {"email": shop.email(), "password": "short", "role": "mechanic"}
    is_problem(shop.post("/v1/accounts", json=body), 422, "invalid-fields", "/password")
    body |= {"password": "x" * 201}
    is_problem(shop.post("/v1/accounts", json=body), 422, "invalid-fields", "/password")

    account_id, email = shop.person()
    answers = [
        _log_in(shop, email),
        shop.get(f"/v1/accounts/{account_id}", token=None),
        shop.patch(
            f"/v1/accounts/{account_id}",
            json={"password": NEW_PASSWORD},
            headers={"Prefer": "return=representation"},
        ),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        for secret in (PASSWORD, NEW_PASSWORD, "argon2", "password"):
            assert secret not in answer.text


def test_a_login_that_the_password_change_overtakes_gives_no_session(shop: Shop) -> None:
    """The old password was right when it was looked at, and is not when the token is made."""
    id, _ = shop.person()
    credentials = shop.runtime.credentials
    verified = credentials.verified(UUID(id), PASSWORD)
    assert verified is not None
    done(shop.patch(f"/v1/accounts/{id}", json={"password": NEW_PASSWORD}))

    with pytest.raises(InvalidToken):
        credentials.issue(UUID(id), verified)

    again = credentials.verified(UUID(id), NEW_PASSWORD)
    assert again is not None
    assert credentials.owner(credentials.issue(UUID(id), again)) == UUID(id)
