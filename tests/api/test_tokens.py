"""Attacks on tokens: each is answered alike, tells nothing, and changes nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from falcon.testing import Result

from domain.account import Role
from infrastructure import access_tokens, sessions
from infrastructure.access_tokens import AccessTokens, key_id
from tests.api.answers import is_problem, nothing_happens
from tests.shop import PASSWORD, SECRETS, Shop, done

KEY: str = SECRETS["jwt_secret_key"]
OTHER_KEY = "somebody else's key, just as long"
LATER, EARLIER = timedelta(minutes=1), timedelta(hours=-1)


def _claims(shop: Shop, **changes: Any) -> dict[str, Any]:
    now = shop.runtime.clock()
    claims = dict(
        sub=shop.admin_id,
        role="admin",
        aud=access_tokens.AUDIENCE,
        iss=access_tokens.ISSUER,
        iat=now,
        nbf=now,
        exp=now + timedelta(minutes=5),
    )
    return {name: value for name, value in (claims | changes).items() if value is not None}


def _signed(shop: Shop, key: str = KEY, algorithm: str = "HS256", **changes: Any) -> str:
    return jwt.encode(_claims(shop, **changes), key, algorithm, headers={"kid": key_id(KEY)})


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _by_hand(header: Any, payload: Any, key: str = KEY) -> str:
    """A token that no library would make, with the signature that HS256 asks for."""
    head, body = (
        _base64(one if isinstance(one, bytes) else json.dumps(one).encode())
        for one in (header, payload)
    )
    digest = hmac.new(key.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{_base64(digest)}"


def _with_header(key: str = KEY, **changes: Any) -> Callable[[Shop], str]:
    header = {"alg": "HS256", "typ": "JWT", "kid": key_id(KEY), **changes}
    return lambda shop: _by_hand(header, _seconds(_claims(shop)), key)


def _with_claims(**changes: Any) -> Callable[[Shop], str]:
    """Signed as ours are, so that the claim alone is wrong."""
    header = {"alg": "HS256", "typ": "JWT", "kid": key_id(KEY)}
    return lambda shop: _by_hand(header, _seconds(_claims(shop)) | changes)


def _seconds(claims: dict[str, Any]) -> dict[str, Any]:
    return {n: int(v.timestamp()) if hasattr(v, "timestamp") else v for n, v in claims.items()}


def _changed(part: int, shop: Shop) -> str:
    """A token of ours with one bit turned over, in its header, its claims or its signature."""
    parts = _signed(shop).split(".")
    data = bytearray(base64.urlsafe_b64decode(parts[part] + "=" * (-len(parts[part]) % 4)))
    data[len(data) // 2] ^= 1
    parts[part] = _base64(bytes(data))
    return ".".join(parts)


UNSIGNED: dict[str, Callable[[Shop], str]] = {
    "garbage": lambda shop: "x.y.z",
    "not even ASCII": lambda shop: "\xe9\xff",
    "very long": lambda shop: "x" * 100_000,
    "many parts": lambda shop: "." * 10_000,
    "signed by another": lambda shop: _signed(shop, OTHER_KEY),
    "signed by another, and expired": lambda shop: _signed(
        shop, OTHER_KEY, exp=shop.runtime.clock() + EARLIER
    ),
    "of another shop": lambda shop: AccessTokens([OTHER_KEY], shop.runtime.clock).issue(
        UUID(shop.admin_id), Role.ADMIN
    ),
    "not signed": lambda shop: jwt.encode(
        _claims(shop), "", algorithm="none", headers={"kid": key_id(KEY)}
    ),
    "alg None, with a signature": _with_header(alg="None"),
    "no alg": _with_header(alg=None),
    "signed by a stronger algorithm": lambda shop: _signed(shop, algorithm="HS384"),
    "RS256 with our key for a public one": _with_header(alg="RS256"),
    "ES256": _with_header(alg="ES256"),
    "no kid": lambda shop: jwt.encode(_claims(shop), KEY, "HS256"),
    "another kid": _with_header(kid="0" * 16),
    "a kid that is a path": _with_header("", kid="../../../../dev/null"),
    "a kid that is SQL": _with_header(kid="' UNION SELECT 'x' -- "),
    "a kid that is a number": _with_header(kid=1),
    "a kid that is a list": _with_header(kid=[key_id(KEY)]),
    "a kid that is nothing": _with_header(kid=None),
    "a key of its own": _with_header(OTHER_KEY, jwk={"kty": "oct", "k": _base64(b"k" * 32)}),
    "a place to get its key": _with_header(OTHER_KEY, jku="http://127.0.0.1:9/keys"),
    "an extension that must be known": _with_header(crit=["exp"]),
    "a header that is no object": lambda shop: _by_hand([], _seconds(_claims(shop))),
    "a header that is no JSON": lambda shop: _by_hand(b"\xff", _seconds(_claims(shop))),
    "claims that are no object": lambda shop: _by_hand({"alg": "HS256", "kid": key_id(KEY)}, [1]),
    "claims that are no JSON": lambda shop: _by_hand({"alg": "HS256", "kid": key_id(KEY)}, b"{"),
    "cut off": lambda shop: _signed(shop)[:-5],
    "without its signature": lambda shop: _signed(shop).rpartition(".")[0] + ".",
    "its header changed": lambda shop: _changed(0, shop),
    "its claims changed": lambda shop: _changed(1, shop),
    "its signature changed": lambda shop: _changed(2, shop),
    "two at once": lambda shop: f"{_signed(shop)} {_signed(shop)}",
    # As gunicorn hands on two lines of one name.
    "the header sent twice": lambda shop: f"{_signed(shop)},Bearer {_signed(shop)}",
    "its header changed, then joined": lambda shop: f"{_changed(0, shop)}, {_signed(shop)}",
}
"""Not ours: whoever sends one holds no key."""

SIGNED: dict[str, Callable[[Shop], str]] = {
    "expired": lambda shop: _signed(shop, exp=shop.runtime.clock() + EARLIER),
    "not valid yet": lambda shop: _signed(shop, nbf=shop.runtime.clock() + LATER),
    "for somebody else": lambda shop: _signed(shop, aud="another-service"),
    "from somebody else": lambda shop: _signed(shop, iss="another-service"),
    "without an end": lambda shop: _signed(shop, exp=None),
    "without an audience": lambda shop: _signed(shop, aud=None),
    "without an issuer": lambda shop: _signed(shop, iss=None),
    "without a role": lambda shop: _signed(shop, role=None),
    "with a role there is not": lambda shop: _signed(shop, role="owner"),
    "with a list of roles": _with_claims(role=["admin"]),
    "with an end that is no number": _with_claims(exp="tomorrow"),
    "with an end that is not finite": _with_claims(exp=float("inf")),
    "with a beginning that is not finite": _with_claims(nbf=float("inf")),
    "made at no finite time": _with_claims(iat=float("inf")),
    "with an era that is not finite": _with_claims(era=float("inf")),
    "with an end past all counting": _with_claims(exp=float("nan")),
    "with an era that is no number": _with_claims(era={}),
    "with an era to come": _with_claims(era=2**31),
    "with an era before all": _with_claims(era=-1),
    "of an account that is no UUID": lambda shop: _signed(shop, sub="admin"),
    "of an account that is a number": _with_claims(sub=1),
    "of an account that does not exist": lambda shop: _signed(shop, sub=str(uuid4())),
    "of a customer, who is no account": lambda shop: _signed(shop, sub=shop.customer()),
}
"""Signed by our key, and yet not what opens: our own, once; or what a flaw elsewhere would make."""

HEADERS = {
    "none": None,
    "empty": "",
    "another scheme": "Basic YTpi",
    "the scheme alone": "Bearer",
    "the scheme and nothing": "Bearer  ",
}


def _try(shop: Shop, authorization: str | None) -> Result:
    """To change something, with that header."""
    return shop.post(
        "/v1/customers",
        json={"name": "A Person", "email": "a.person@shop.example"},
        headers={"Authorization": authorization},
    )


def _is_turned_away(answer: Result) -> str:
    """With what words."""
    is_problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    return str(answer.json["detail"])


def test_a_token_signed_here_opens(shop: Shop) -> None:
    """However it is made: what the forged ones below lack is what their names say."""
    for token in (_signed(shop), _with_header()(shop), _with_claims()(shop)):
        answer = shop.get("/v1/me", headers={"Authorization": f"bearer {token}"})

        assert done(answer)["id"] == shop.admin_id


def test_no_forged_token_opens(shop: Shop, subtests: pytest.Subtests) -> None:
    for name, forge in (UNSIGNED | SIGNED).items():
        token = forge(shop)
        with subtests.test(name), nothing_happens(shop):
            detail = _is_turned_away(_try(shop, f"Bearer {token}"))
            if name in UNSIGNED:
                assert detail == "the token is not valid"


def test_a_token_that_opened_expires(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though its signature is remembered."""
    bearer = {"Authorization": f"Bearer {_signed(shop)}"}
    assert shop.get("/v1/me", headers=bearer).status_code == 200
    later = shop.runtime.clock() + timedelta(hours=1)

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return later

    monkeypatch.setattr(jwt.api_jwt, "datetime", Later)
    monkeypatch.setattr(access_tokens, "time", SimpleNamespace(time=later.timestamp))

    _is_turned_away(shop.get("/v1/me", headers=bearer))


def test_no_other_header_opens(shop: Shop, subtests: pytest.Subtests) -> None:
    for name, authorization in HEADERS.items():
        with subtests.test(name), nothing_happens(shop):
            _is_turned_away(_try(shop, authorization))


def test_a_token_is_taken_from_the_header_alone(shop: Shop) -> None:
    """Not from the query or the body, where logs and other pages would see it."""
    token = _signed(shop)

    for name in ("access_token", "token", "authorization"):
        _is_turned_away(shop.nobody().get(f"/v1/tickets?{name}={token}"))
        _is_turned_away(shop.nobody().post("/v1/customers", json={name: token}))
        cookie = {"Cookie": f"{name}={token}"}
        _is_turned_away(shop.nobody().get("/v1/tickets", headers=cookie))


def test_the_role_of_the_account_counts_not_the_one_in_the_token(shop: Shop) -> None:
    auditor = shop.account(Role.AUDITOR)

    with nothing_happens(shop):
        token = _signed(shop, sub=auditor, role="admin")
        is_problem(_try(shop, f"Bearer {token}"), 403, "forbidden")


def _session(shop: Shop, role: str = "mechanic") -> tuple[str, dict[str, Any]]:
    """The id of a new account, and what its login gave."""
    login = {"email": shop.email(), "password": PASSWORD}
    account_id = done(shop.post("/v1/accounts", json={**login, "role": role}))["id"]
    return account_id, done(shop.nobody().post("/v1/auth/login", json=login))


def test_each_token_opens_what_it_is_for(shop: Shop) -> None:
    _, session = _session(shop)
    access, refresh = session["access_token"], session["refresh_token"]

    _is_turned_away(_try(shop, f"Bearer {refresh}"))
    for way in ("refresh", "logout"):
        answer = shop.nobody().post(f"/v1/auth/{way}", json={"refresh_token": access})
        is_problem(answer, 422, "invalid-fields", "/refresh_token")
        assert access not in answer.text

    assert shop.with_access_token(access).get("/v1/me").status_code == 200
    sent = {"refresh_token": refresh}
    assert shop.nobody().post("/v1/auth/refresh", json=sent).status_code == 200


def test_no_forged_refresh_token_opens(shop: Shop, subtests: pytest.Subtests) -> None:
    _, session = _session(shop)
    real: str = session["refresh_token"]
    flipped = ("B" if real[0] != "B" else "C") + real[1:]
    told = set()

    for name, forged in {
        "garbage": "x",
        "cut off": real[:-1],
        "too long": real + "A",
        "with one letter changed": flipped,
        "in another case": real.swapcase(),
        "not even ASCII": "\u00e9" * 43,
        "SQL": "' OR 1=1 -- ",
        "as it is stored": hashlib.sha256(real.encode()).hexdigest(),
    }.items():
        with subtests.test(name):
            answer = shop.nobody().post("/v1/auth/refresh", json={"refresh_token": forged})
            told.add(_is_turned_away(answer))

    assert len(told) == 1
    sent = {"refresh_token": real}
    assert shop.nobody().post("/v1/auth/refresh", json=sent).status_code == 200


def test_a_refresh_token_used_again_is_answered_like_any_wrong_one(shop: Shop) -> None:
    """And ends its successors: see test_sessions.py. Who is deactivated hears the same."""
    _, session = _session(shop)
    account_id, other = _session(shop)
    sent = {"refresh_token": session["refresh_token"]}
    done(shop.nobody().post("/v1/auth/refresh", json=sent))
    done(shop.delete(f"/v1/accounts/{account_id}"))

    told = {
        _is_turned_away(shop.nobody().post("/v1/auth/refresh", json={"refresh_token": token}))
        for token in (session["refresh_token"], other["refresh_token"], "x")
    }

    assert len(told) == 1


@pytest.mark.parametrize(
    ("change", "body"),
    [("PATCH", {"role": "auditor"}), ("PATCH", {"password": PASSWORD + "!"}), ("DELETE", None)],
)
def test_who_was_an_admin_is_none_any_more(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, change: str, body: dict[str, str] | None
) -> None:
    """Demoted, given a new password or deactivated: the token from before opens nothing, not
    even what the account may still do, and its refresh token is no way round that."""
    monkeypatch.setattr(sessions, "STANDING_SECONDS", -1.0)
    account_id, session = _session(shop, "admin")
    bearer = f"Bearer {session['access_token']}"
    assert shop.get("/v1/tickets", headers={"Authorization": bearer}).status_code == 200
    answer = shop.request(change, f"/v1/accounts/{account_id}", json=body)
    assert answer.status_code == 200

    with nothing_happens(shop):
        _is_turned_away(_try(shop, bearer))
        _is_turned_away(shop.get("/v1/tickets", headers={"Authorization": bearer}))
        sent = {"refresh_token": session["refresh_token"]}
        answer = shop.nobody().post("/v1/auth/refresh", json=sent)
        if body and "role" in body:
            is_problem(_try(shop, f"Bearer {done(answer)['access_token']}"), 403, "forbidden")
        else:
            _is_turned_away(answer)
