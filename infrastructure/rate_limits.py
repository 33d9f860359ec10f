"""How often one may ask: budgets of accounts and of addresses, in windows of time.

A window begins with its first request.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from uuid import UUID

from limits import RateLimitItem, RateLimitItemPerDay

from commands.claims import normalised
from infrastructure.rate_counters import Count, Counter, Hit
from infrastructure.settings import Settings
from projections.cache import Looked

HOME = RateLimitItemPerDay(1, 30)
"""An address that logged in to an account is remembered for as long."""
HITS_MAX = 10_000
"""So many accounts and addresses are remembered with their keys."""


class TooManyRequests(Exception):
    """A budget is used up."""

    def __init__(self, count: Count) -> None:
        limit = count.hit.limit
        super().__init__(
            f"{count.hit.budget}: {limit.amount} in {count.hit.seconds} seconds are used up"
        )
        self.seconds = count.seconds


class RateLimits:
    """The budgets of the settings. An address, and an e-mail seen from all addresses, has
    RATE_LIMIT_WIDER times that of an account.

    `digest` keeps e-mails out of Redis.
    """

    def __init__(
        self, settings: Settings, counter: Counter, digest: Callable[[bytes], bytes]
    ) -> None:
        self.counter, self.enabled = counter, settings.rate_limit_enabled
        self._digest, self._wider = digest, settings.rate_limit_wider
        self._limits: dict[str, RateLimitItem] = {
            "reads": settings.rate_limit_reads,
            "writes": settings.rate_limit_writes,
            "logins": settings.rate_limit_logins,
        }
        self.of_account = lru_cache(HITS_MAX)(self._of_account)
        self.of_address = lru_cache(HITS_MAX)(self._of_address)

    def _of_account(self, budget: str, account_id: UUID) -> Hit:
        return Hit(budget, self._limits[budget], account_id.hex)

    def _of_address(self, budget: str, address: str) -> Hit:
        return Hit(f"{budget}-of-address", self._widened(budget), address)

    def of_login(self, email: str, address: str) -> Hit:
        return Hit("logins", self._limits["logins"], self._hidden(email, address))

    def of_email(self, email: str) -> Hit:
        return Hit("logins-of-email", self._widened("logins"), self._hidden(email))

    def of_home(self, email: str, address: str) -> Hit:
        return Hit("homes", HOME, self._hidden(email, address))

    def _widened(self, budget: str) -> RateLimitItem:
        limit = self._limits[budget]
        return type(limit)(limit.amount * self._wider, limit.multiples)

    def _hidden(self, email: str, address: str = "") -> str:
        return self._digest(f"{normalised(email)}\0{address}".encode()).hex()


class Passage:
    """One request on its way in: counted once, and with it its first look in the cache.

    `hits` are what it will count against. Until they are settled nothing may be read for it,
    and nothing done.
    """

    def __init__(self, limits: RateLimits, address: str) -> None:
        self._limits, self._address = limits, address
        self._hits: list[Hit] = []
        self.tightest: Count | None = None
        """Of the budgets counted against, the one with the least left."""

    def of_address(self, budget: str) -> None:
        self._hits.append(self._limits.of_address(budget, self._address))

    def of_account(self, budget: str, account_id: UUID) -> None:
        self._hits.append(self._limits.of_account(budget, account_id))

    def settle(self) -> None:
        """Count what is not counted yet. Raises `TooManyRequests`."""
        if hits := self._due():
            self._judge(self._limits.counter.count(hits))

    def look(self, generation: int, key: str) -> Looked:
        """A look in the cache, which settles in the same round trip. Raises
        `TooManyRequests`."""
        counts, looked = self._limits.counter.count_and_look(self._due(), generation, key)
        self._judge(counts)
        return looked

    def try_login(self, email: str) -> None:
        """Count an attempt. Raises `TooManyRequests`.

        Strangers who try one e-mail from everywhere use up its wide budget and shut each other
        out, not its owner: where somebody has logged in lately only the narrow one counts.
        What the narrow budgets refuse never reaches the wide one.
        """
        self._hits.append(self._limits.of_login(email, self._address))
        self.settle()
        narrow = self.tightest
        self._hits.append(self._limits.of_email(email))
        try:
            self.settle()
        except TooManyRequests:
            if not self._limits.counter.knows(self._limits.of_home(email, self._address)):
                raise
            self.tightest = narrow

    def logged_in(self, email: str) -> None:
        """Remember from where."""
        if self._limits.enabled:
            self._limits.counter.count([self._limits.of_home(email, self._address)])

    def _due(self) -> list[Hit]:
        hits, self._hits = self._hits, []
        return hits if self._limits.enabled else []

    def _judge(self, counts: list[Count]) -> None:
        for count in counts:
            known = self.tightest
            if known is None or (count.left, -count.seconds) < (known.left, -known.seconds):
                self.tightest = count
        if self.tightest is not None and self.tightest.left < 0:
            raise TooManyRequests(self.tightest)
