"""Everything one process needs, wired once from the settings.

Embedded and distributed differ here and nowhere else: with DATABASE_URL and REDIS_URL the
views are built by workers that are nudged through RQ and bodies are cached in Redis; without
them a thread of this process does both.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError
from redis.retry import Retry

from commands import execution
from commands.claims import normalised
from commands.kernel import (
    NEW_ID,
    ODOMETER_UNIT,
    PASSWORD_HASH,
    RUNNING_NUMBER,
    Command,
    Context,
    Receipt,
    outside_fields,
)
from domain.vehicle import OdometerUnit
from infrastructure.access_tokens import AccessTokens
from infrastructure.accesses import Accesses
from infrastructure.advancing import Advance, BackgroundAdvance
from infrastructure.audit_index import BATCH as INDEXED_AT_ONCE
from infrastructure.audit_index import AuditIndex
from infrastructure.chores import PERIOD_SECONDS, Chores
from infrastructure.consumers import Consumers
from infrastructure.credentials import Credentials
from infrastructure.database import Database
from infrastructure.event_store.feed import Feed
from infrastructure.event_store.keyring import KeyRing
from infrastructure.event_store.mapper import EventMapper
from infrastructure.event_store.sequencer import Sequencer
from infrastructure.event_store.store import EventStore
from infrastructure.event_store.streams import Streams
from infrastructure.exported_events import EventExports
from infrastructure.exporting import Exporter
from infrastructure.exports import Exports
from infrastructure.feed_cursors import FeedCursors
from infrastructure.feed_pages import FeedPages
from infrastructure.ids import uuid7
from infrastructure.metrics import Metrics
from infrastructure.periodic import Periodic
from infrastructure.queue import EXPORTS, VIEWS, Nudge
from infrastructure.rate_counters import Counter, LocalCounter, RedisCounter
from infrastructure.rate_limits import RateLimits
from infrastructure.redis_cache import RedisCache
from infrastructure.redis_link import Link
from infrastructure.sessions import Sessions
from infrastructure.settings import Settings
from infrastructure.tailing import Tailer
from infrastructure.transparency.evidence import EvidenceRoom
from infrastructure.transparency.log import BATCH as LOGGED_AT_ONCE
from infrastructure.transparency.log import TransparencyLog
from projections.cache import Cache, LocalCache
from projections.dead_letters import DeadLetters
from projections.generations import Generations
from projections.queries import Queries
from projections.runner import Runner

REDIS_TIMEOUT_SECONDS = 1.0


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Runtime:
    settings: Settings
    database: Database
    redis: Redis | None
    link: Link | None
    keyring: KeyRing
    store: EventStore
    feed: Feed
    feed_cursors: FeedCursors
    feed_pages: FeedPages
    tailer: Tailer
    consumers: Consumers
    exports: Exports
    exporter: Exporter
    sequencer: Sequencer
    generations: Generations
    runner: Runner
    dead_letters: DeadLetters
    advance: Advance
    background: BackgroundAdvance | None
    chores: Chores
    transparency_log: TransparencyLog
    periodic: tuple[Periodic, ...]
    evidence: EvidenceRoom
    queries: Queries
    audit_index: AuditIndex
    accesses: Accesses
    credentials: Credentials
    sessions: Sessions
    rate_limits: RateLimits
    nudge: Callable[[], object]
    nudge_exports: Callable[[], object]
    metrics: Metrics
    clock: Callable[[], datetime]

    def execute(self, command: Command, context: Context) -> Receipt:
        """Carry out a command, and let the views know. Raises what `execution.execute` does."""
        with self.metrics.command(command) as retried:
            receipt = execution.execute(
                command, context, store=self.store, clock=self.clock, retried=retried
            )
        if receipt.commit_id is not None:
            self.nudge()
        return receipt

    def build(self, command: type[Command], given: dict[str, Any]) -> Command:
        """A command from what a client sent, and what is filled in here: ids, running
        numbers, the shop's unit, a hash in the place of a password."""
        filled = dict(given)
        for name, what in outside_fields(command).items():
            if what == NEW_ID:
                filled[name] = uuid7()
            elif what == RUNNING_NUMBER:
                filled[name] = self.store.next_number(name)
            elif what == ODOMETER_UNIT:
                filled[name] = OdometerUnit(self.settings.odometer_unit)
            elif what == PASSWORD_HASH and isinstance(filled.get(name), str):
                filled[name] = self.credentials.hashed(filled[name])
        return command(**filled)

    def start(self) -> None:
        """Begin what this process does by itself. Once, and after a fork."""
        if self.background is not None:
            self.background.start()
            self.exporter.start()
            for follower in self.periodic:
                follower.start()

    def close(self) -> None:
        if self.background is not None:
            self.background.stop()
            self.exporter.stop()
            for follower in self.periodic:
                follower.stop()
        self.database.close()
        if self.link is not None:
            self.link.close()
        if self.redis is not None:
            self.redis.close()


def open_runtime(settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> Runtime:
    """Connects lazily: nothing is reached before the first use. Embedded, DATA_DIR is made."""
    if settings.embedded:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    settings = settings.with_secrets()
    url = settings.database_url or f"sqlite:///{settings.data_dir / 'shop.db'}"
    metrics = Metrics()
    database = Database(
        url,
        pool_size=settings.web_threads + 3,
        read_seconds=settings.read_seconds,
        lock_wait_seconds=settings.lock_wait_seconds,
        use=metrics,
    )
    redis = _redis(settings.redis_url) if settings.redis_url else None
    keyring = KeyRing(database, settings.master_keys)
    mapper = EventMapper(keyring)
    credentials = Credentials(database, clock)
    store = EventStore(database, mapper, keyring, credentials, clock=clock)
    feed = Feed(database, mapper)
    cache, counter, link = _beside(redis, keyring)
    feed_pages, feed_cursors = FeedPages(database, mapper), FeedCursors(keyring)
    sequencer = Sequencer(database)
    generations = Generations(database, clock)
    runner = Runner(database, feed, cache, clock)
    index = AuditIndex(database)
    accesses = Accesses(database, clock, timedelta(days=settings.access_log_days))
    advance = Advance(sequencer, generations, runner, index)
    background = BackgroundAdvance(advance)
    queries = Queries(
        database,
        generations,
        cache,
        store,
        feed.position_of,
        waiting_max=max(1, settings.web_threads // 2),
        told=lambda outcome: metrics.cache_looks(outcome).inc(),
    )
    transparency_log = TransparencyLog(database, keyring, clock)

    exports = Exports(database, clock, timedelta(hours=settings.export_hours))

    chores = Chores(store, credentials, generations, accesses, exports)

    def claim_id(kind: str, value: str) -> UUID:
        return keyring.claim_id(kind, normalised(value))

    sessions = Sessions(store, claim_id, credentials, AccessTokens(settings.jwt_keys, clock))
    events = EventExports(database, feed_pages, feed_cursors, index, sessions.standing)
    exporter = Exporter(database, exports, generations, events, settings.shop_timezone)

    return Runtime(
        settings=settings,
        database=database,
        redis=redis,
        link=link,
        keyring=keyring,
        store=store,
        feed=feed,
        feed_cursors=feed_cursors,
        feed_pages=feed_pages,
        tailer=Tailer(feed_pages, places=settings.feed_places),
        consumers=Consumers(database, clock),
        exports=exports,
        exporter=exporter,
        sequencer=sequencer,
        generations=generations,
        runner=runner,
        dead_letters=DeadLetters(database, Streams(database, mapper), cache, clock),
        advance=advance,
        background=background if redis is None else None,
        chores=chores,
        transparency_log=transparency_log,
        periodic=(
            Periodic("audit index", index.step, INDEXED_AT_ONCE),
            Periodic("transparency log", transparency_log.extend, LOGGED_AT_ONCE),
            Periodic("sweep", chores.sweep, sys.maxsize, tick_seconds=PERIOD_SECONDS),
        ),
        evidence=EvidenceRoom(database, transparency_log, queries),
        queries=queries,
        audit_index=index,
        accesses=accesses,
        credentials=credentials,
        sessions=sessions,
        rate_limits=RateLimits(settings, counter, keyring.digest),
        nudge=Nudge(link, VIEWS) if link is not None else background.wake,
        nudge_exports=Nudge(link, EXPORTS) if link is not None else exporter.wake,
        metrics=metrics,
        clock=clock,
    )


def _beside(redis: Redis | None, keyring: KeyRing) -> tuple[Cache, Counter, Link | None]:
    """What may be lost: in Redis, or in this process."""
    if redis is None:
        local = LocalCache()
        return local, LocalCounter(local), None
    link = Link(redis)
    cache = RedisCache(link, lambda: keyring.digest(b"cache")[:8].hex())
    return cache, RedisCounter(link, cache), link


def _redis(url: str) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        # A connection that broke while nobody used it is made anew; a server that says nothing
        # is not asked twice.
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
        health_check_interval=30,
    )
