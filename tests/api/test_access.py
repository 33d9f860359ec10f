"""Access tokens: what opens the door, and everything that does not."""

from __future__ import annotations

from uuid import uuid4

import pytest

from api.app import operations
from tests.api.answers import is_problem, nothing_happens
from tests.shop import SECRETS, Shop

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
