"""Logging in, staying logged in, and what an account may do at this moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple
from uuid import UUID

from domain.account import Account, Role
from domain.claim import Claim, ClaimKind
from domain.kernel import A, replay
from infrastructure.access_tokens import LIFETIME, AccessTokens, InvalidAccess
from infrastructure.credentials import Credentials, InvalidToken
from infrastructure.event_store.application import own_history
from infrastructure.event_store.store import EventStore

STANDING_SECONDS = 5.0
"""How long an account's standing is believed: within this time a deactivated one is out, and
so is every token from before a new password or role."""
STANDINGS_MAX = 10_000


class Session(NamedTuple):
    """What a login gives."""

    access_token: str
    refresh_token: str
    expires_in: int


class Standing(NamedTuple):
    """An account as it stands now: its role, and whom it stands for."""

    account_id: UUID
    role: Role
    mechanic_id: UUID | None
    customer_id: UUID | None
    active: bool
    era: int


class Sessions:
    """Accounts are read from their events, so a new or changed one counts at once."""

    def __init__(
        self,
        store: EventStore,
        claim_id: Callable[[str, str], UUID],
        credentials: Credentials,
        tokens: AccessTokens,
    ) -> None:
        self._store, self._claim_id = store, claim_id
        self._credentials, self._tokens = credentials, tokens
        self._standings: dict[UUID, tuple[float, Standing | None]] = {}
        self._lock = Lock()

    def log_in(self, email: str, password: str) -> Session | None:
        """`None` when e-mail and password do not open an active account, whichever is wrong;
        it takes as long either way."""
        claim = self._now(Claim, self._claim_id(ClaimKind.ACCOUNT_EMAIL, email))
        verified = self._credentials.verified(claim.owner_id, password)
        if claim.owner_id is None or verified is None:
            return None
        account = self._now(Account, claim.owner_id)
        if not account.active:
            return None
        # The account was read first: a password that changes from here on ends what is signed.
        try:
            return self._session(account, self._credentials.issue(account.id, verified))
        except InvalidToken:
            return None

    def refresh(self, refresh_token: str) -> Session | None:
        # The account is read first here too. A token that is used already is rotated as well:
        # that is how its successors end.
        owner = self._credentials.owner(refresh_token)
        if owner is None:
            return None
        account = self._now(Account, owner)
        if not account.active:
            self._credentials.revoke(refresh_token)
            return None
        try:
            return self._session(account, self._credentials.rotate(refresh_token))
        except InvalidToken:
            return None

    def log_out(self, refresh_token: str) -> None:
        self._credentials.revoke(refresh_token)

    def who(self, access_token: str) -> Standing:
        """The account as it stands, at most STANDING_SECONDS ago. Raises `InvalidAccess`."""
        access, now = self._tokens.read(access_token), time.monotonic()
        until, standing = self._standings.get(access.account_id, _UNKNOWN)
        # A token of a later era than ours knows more than we do.
        if standing is None or until < now or standing.era < access.era:
            standing = self.standing(access.account_id)
            with self._lock:
                if len(self._standings) >= STANDINGS_MAX:
                    self._standings.clear()
                self._standings[access.account_id] = now + STANDING_SECONDS, standing
        if not standing.active:
            raise InvalidAccess("the account is deactivated")
        if standing.era != access.era:
            raise InvalidAccess("the account has a new password or role; log in again")
        return standing

    def standing(self, account_id: UUID) -> Standing:
        """As it is in the store. Raises `InvalidAccess` where the id is that of something else,
        or of nothing."""
        account = self._now(Account, account_id)
        if account.version == 0:
            raise InvalidAccess("the token is not an account's")
        return Standing(
            account.id,
            account.role,
            account.mechanic_id,
            account.customer_id,
            account.active,
            account.era,
        )

    def _session(self, account: Account, refresh_token: str) -> Session:
        access = self._tokens.issue(account.id, account.role, account.era)
        return Session(access, refresh_token, int(LIFETIME.total_seconds()))

    def _now(self, kind: type[A], id: UUID) -> A:
        return replay(kind(id=id), own_history(kind, self._store.events(id)))


_UNKNOWN: tuple[float, Standing | None] = (0.0, None)
