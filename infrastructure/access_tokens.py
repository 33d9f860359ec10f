"""Access tokens: who asks and as what, signed (JWT, RFC 7519, HS256)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import jwt

from domain.account import Role

LIFETIME = timedelta(minutes=15)
AUDIENCE = ISSUER = "mechanic-shop"
ALGORITHM = "HS256"
REQUIRED = ["exp", "iat", "nbf", "sub", "aud", "iss", "role"]
LEEWAY = timedelta(seconds=5)
VERIFIED_MAX = 10_000
"""A signature is checked once; so many tokens are remembered until they expire."""


class InvalidAccess(Exception):
    """A token that opens nothing; the message says why, without quoting it."""


class Access(NamedTuple):
    """What a token says. `era`: that of its account when it was signed; 0 where it says none."""

    account_id: UUID
    role: Role
    era: int


class AccessTokens:
    """The first key signs; every key verifies, found by the `kid` in the token's header.

    So a key is rotated by putting a new one first, and nobody is logged out.
    """

    def __init__(self, keys: Sequence[str], clock: Callable[[], datetime]) -> None:
        self._keys = {key_id(key): key for key in keys}
        self._signing, self._clock = key_id(keys[0]), clock
        self._verified: dict[str, tuple[float, Access]] = {}

    def issue(self, account_id: UUID, role: Role, era: int = 0) -> str:
        now = self._clock()
        claims = dict(
            sub=str(account_id),
            role=role.value,
            era=era,
            aud=AUDIENCE,
            iss=ISSUER,
            iat=now,
            nbf=now,
            exp=now + LIFETIME,
            jti=str(uuid4()),
        )
        key = self._keys[self._signing]
        return jwt.encode(claims, key, ALGORITHM, headers={"kid": self._signing})

    def read(self, token: str) -> Access:
        """Raises `InvalidAccess`."""
        until, access = self._verified.get(token, _NEVER)
        if access is None or until < time.time():
            until, access = self._verify(token)
            if len(self._verified) >= VERIFIED_MAX:
                self._verified = {}
            self._verified[token] = until, access
        return access

    def _verify(self, token: str) -> tuple[float, Access]:
        """What it says, and until when."""
        try:
            key = self._keys.get(jwt.get_unverified_header(token).get("kid", ""))
            if key is None:
                raise InvalidAccess("the token is not valid")
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=LEEWAY,
                options={"require": REQUIRED},
            )
            access = Access(UUID(claims["sub"]), Role(claims["role"]), int(claims.get("era", 0)))
            return int(claims["exp"]) + LEEWAY.total_seconds(), access
        except jwt.ExpiredSignatureError:
            raise InvalidAccess("the token has expired") from None
        except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError, OverflowError):
            raise InvalidAccess("the token is not valid") from None


def key_id(key: str) -> str:
    """Names a key without giving it away."""
    return hashlib.sha256(b"kid:" + key.encode()).hexdigest()[:16]


_NEVER: tuple[float, Access | None] = (0.0, None)
