"""Access tokens: what opens the door, and everything that does not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest

from api.app import operations
from domain.account import Role
from infrastructure import access_tokens
from infrastructure.access_tokens import AccessTokens, key_id
from tests.api.answers import is_problem, nothing_happens
from tests.shop import SECRETS, Shop, done

KEY: str = SECRETS["jwt_secret_key"]
OTHER_KEY = "somebody else's key, just as long"


def test_every_operation_but_the_public_ones_wants_a_token(
    shop: Shop, subtests: pytest.Subtests
) -> None:
    public = set()

    with nothing_happens(shop):
        for operation in operations():
            path = operation.path
            for name in operation.path_params:
                path = path.replace(f"{{{name}}}", str(uuid4()))
            with subtests.test(f"{operation.method} {operation.path}"):
                answer = shop.nobody().request(operation.method, path)
                if operation.allow is None:
                    public.add(operation.path)
                    assert answer.status_code != 401
                else:
                    is_problem(answer, 401, "unauthorized")
                    assert answer.headers["www-authenticate"] == "Bearer"

    assert public == {
        "/v1/auth/login",
        "/v1/auth/refresh",
        "/v1/auth/logout",
        "/livez",
        "/readyz",
        "/openapi.json",
        "/docs",
        "/metrics",
        "/docs/static/{name}",
        "/docs/problems",
        "/docs/problems/{slug}",
    }


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


def test_a_token_signed_here_opens(shop: Shop) -> None:
    answer = shop.get("/v1/me", headers={"Authorization": f"bearer {_signed(shop)}"})

    assert done(answer)["id"] == shop.admin_id


LATER, EARLIER = timedelta(minutes=1), timedelta(hours=-1)
FORGED: dict[str, Callable[[Shop], str | None]] = {
    "none": lambda shop: None,
    "empty": lambda shop: "",
    "another scheme": lambda shop: "Basic YTpi",
    "the scheme alone": lambda shop: "Bearer",
    "garbage": lambda shop: "Bearer x.y.z",
    "not even ASCII": lambda shop: "Bearer \xe9\xff",
    "very long": lambda shop: "Bearer " + "x" * 10_000,
    "expired": lambda shop: f"Bearer {_signed(shop, exp=shop.runtime.clock() + EARLIER)}",
    "not valid yet": lambda shop: f"Bearer {_signed(shop, nbf=shop.runtime.clock() + LATER)}",
    "signed by another": lambda shop: f"Bearer {_signed(shop, OTHER_KEY)}",
    "of another shop": lambda shop: (
        "Bearer "
        + AccessTokens([OTHER_KEY], shop.runtime.clock).issue(UUID(shop.admin_id), Role.ADMIN)
    ),
    "not signed": lambda shop: (
        "Bearer " + jwt.encode(_claims(shop), "", algorithm="none", headers={"kid": key_id(KEY)})
    ),
    "another algorithm": lambda shop: f"Bearer {_signed(shop, algorithm='HS384')}",
    "for somebody else": lambda shop: f"Bearer {_signed(shop, aud='another-service')}",
    "from somebody else": lambda shop: f"Bearer {_signed(shop, iss='another-service')}",
    "without an end": lambda shop: f"Bearer {_signed(shop, exp=None)}",
    "without a role": lambda shop: f"Bearer {_signed(shop, role=None)}",
    "with a role there is not": lambda shop: f"Bearer {_signed(shop, role='owner')}",
    "of an account that is no UUID": lambda shop: f"Bearer {_signed(shop, sub='admin')}",
    "of an account that does not exist": lambda shop: f"Bearer {_signed(shop, sub=str(uuid4()))}",
}


def test_no_forged_token_opens(shop: Shop, subtests: pytest.Subtests) -> None:
    for name, forge in FORGED.items():
        authorization = forge(shop)
        with subtests.test(name), nothing_happens(shop):
            answer = shop.post(
                "/v1/customers",
                json={"name": "A", "email": "a@shop.example"},
                headers={"Authorization": authorization},
            )

            is_problem(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"


def test_the_role_of_the_account_counts_not_the_one_in_the_token(shop: Shop) -> None:
    auditor = shop.account(Role.AUDITOR)
    token = _signed(shop, sub=auditor, role="admin")

    answer = shop.post(
        "/v1/customers",
        json={"name": "A", "email": "a@shop.example"},
        headers={"Authorization": f"Bearer {token}"},
    )

    is_problem(answer, 403, "forbidden")
