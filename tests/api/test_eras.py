"""A new password, a new role or a deactivation ends what was signed before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from falcon.testing import TestClient

from api.app import create_app
from domain.account import Role
from infrastructure.runtime import Runtime, open_runtime
from tests.api.answers import is_problem
from tests.personal import NEW_PASSWORD
from tests.shop import PASSWORD, Client, Shop, done


def _session(shop: Shop, email: str, password: str = PASSWORD) -> dict[str, Any]:
    sent = {"email": email, "password": password}
    session: dict[str, Any] = done(shop.nobody().post("/v1/auth/login", json=sent))
    return session


def _refreshed(shop: Shop, session: dict[str, Any]) -> Client:
    sent = {"refresh_token": session["refresh_token"]}
    again = done(shop.nobody().post("/v1/auth/refresh", json=sent))
    return shop.with_access_token(again["access_token"])


def test_a_new_password_ends_the_access_tokens_too(shop: Shop, at_once: None) -> None:
    _, email = shop.person()
    mine, stolen = (shop.with_access_token(_session(shop, email)["access_token"]) for _ in "ab")

    done(mine.patch("/v1/me", json={"password": NEW_PASSWORD}))

    for client in (mine, stolen):
        is_problem(client.get("/v1/tickets"), 401, "unauthorized")
    again = _session(shop, email, NEW_PASSWORD)
    assert shop.with_access_token(again["access_token"]).get("/v1/tickets").status_code == 200


def test_an_admin_who_sets_a_password_ends_the_access_tokens_too(shop: Shop, at_once: None) -> None:
    id, email = shop.person()
    client = shop.with_access_token(_session(shop, email)["access_token"])

    done(shop.patch(f"/v1/accounts/{id}", json={"password": NEW_PASSWORD}))

    is_problem(client.get("/v1/tickets"), 401, "unauthorized")


def test_a_new_email_ends_nothing(shop: Shop, at_once: None) -> None:
    _, email = shop.person()
    client = shop.with_access_token(_session(shop, email)["access_token"])

    done(client.patch("/v1/me", json={"email": shop.email()}))

    assert client.get("/v1/tickets").status_code == 200


def test_a_new_role_is_taken_up_with_the_refresh_token(shop: Shop, at_once: None) -> None:
    id, email = shop.person()
    session, customer = _session(shop, email), shop.customer()
    client = shop.with_access_token(session["access_token"])
    done(client.patch(f"/v1/customers/{customer}", json={"name": "B"}))

    done(shop.patch(f"/v1/accounts/{id}", json={"role": "auditor"}))

    answer = client.patch(f"/v1/customers/{customer}", json={"name": "C"})
    is_problem(answer, 401, "unauthorized")
    client = _refreshed(shop, session)
    answer = client.patch(f"/v1/customers/{customer}", json={"name": "C"})
    is_problem(answer, 403, "forbidden")
    assert client.get(f"/v1/customers/{customer}").status_code == 200


def test_a_reactivated_account_logs_in_anew(shop: Shop, at_once: None) -> None:
    id, email = shop.person()
    client = shop.with_access_token(_session(shop, email)["access_token"])
    done(shop.delete(f"/v1/accounts/{id}"))
    done(shop.post(f"/v1/accounts/{id}/reactivate"))

    is_problem(client.get("/v1/tickets"), 401, "unauthorized")
    again = _session(shop, email)
    assert shop.with_access_token(again["access_token"]).get("/v1/tickets").status_code == 200


def test_who_logs_in_anew_is_let_in_though_the_standing_remembered_is_older(shop: Shop) -> None:
    """Another process changed the password: this one remembers the account as it was."""
    id, email = shop.person()
    old = shop.with_access_token(_session(shop, email)["access_token"])
    assert old.get("/v1/tickets").status_code == 200

    done(shop.patch(f"/v1/accounts/{id}", json={"password": NEW_PASSWORD}))
    new = shop.with_access_token(_session(shop, email, NEW_PASSWORD)["access_token"])

    assert new.get("/v1/tickets").status_code == 200
    is_problem(old.get("/v1/tickets"), 401, "unauthorized")


@pytest.mark.parametrize("way", ["issue", "rotate"])
def test_a_session_that_the_password_change_overtakes_opens_nothing(
    shop: Shop, at_once: None, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The password changes after the last look at the secrets, before the signature."""
    id, email = shop.person()
    session = _session(shop, email)
    credentials = shop.runtime.credentials
    original = getattr(credentials, way)

    def overtaken(*given: Any) -> Any:
        made = original(*given)
        done(shop.patch(f"/v1/accounts/{id}", json={"password": NEW_PASSWORD}))
        return made

    monkeypatch.setattr(credentials, way, overtaken)
    client = (
        shop.with_access_token(_session(shop, email)["access_token"])
        if way == "issue"
        else _refreshed(shop, session)
    )

    is_problem(client.get("/v1/tickets"), 401, "unauthorized")


def test_a_signed_token_of_something_that_is_no_account_opens_nothing(
    shop: Shop, subtests: pytest.Subtests
) -> None:
    for id in (shop.customer(), shop.mechanic(), shop.item(), shop.ticket()):
        with subtests.test(id):
            client = shop.as_account(id, Role.ADMIN)

            is_problem(client.get("/v1/tickets"), 401, "unauthorized")


def test_a_key_that_signed_before_is_accepted_until_it_is_taken_out(
    shop: Shop, runtime: Runtime
) -> None:
    old, new = runtime.settings.jwt_keys[0], "the key that takes the place of the first one"
    before = shop.authorization(shop.admin_id, Role.ADMIN)

    def status(**keys: Any) -> int:
        rotated = open_runtime(replace(runtime.settings, **keys))
        http = TestClient(create_app(rotated))
        answer = http.simulate_get("/v1/tickets", headers={"Authorization": before})
        rotated.close()
        return answer.status_code

    assert status(jwt_secret_key=new, jwt_previous_secret_keys=(old,)) == 200
    assert status(jwt_secret_key=new) == 401
