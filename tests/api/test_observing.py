"""What operators see of a request: a line in the log, and numbers."""

from __future__ import annotations

import json
import logging
import re
from io import StringIO
from uuid import UUID

import pytest
from falcon.testing import TestClient
from sqlalchemy.exc import OperationalError

from api.app import create_app
from api.pressure import WAITED_SECONDS_MAX, waited_seconds
from commands.store import Collision
from infrastructure import logs
from infrastructure.runtime import Runtime
from infrastructure.settings import Settings
from tests.shop import Shop, done


def line_of(caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    (record,) = [one for one in caplog.records if one.name == "access"]
    return record


def numbers(runtime: Runtime) -> dict[str, float]:
    """Every sample by its name and labels."""
    lines = runtime.metrics.exposed().decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


def test_a_request_leaves_one_line_that_says_who_and_what_and_how(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    ticket = shop.ticket()
    caplog.clear()

    with caplog.at_level(logging.INFO, "access"):
        shop.get(f"/v1/tickets/{ticket}", headers={"X-Request-Id": "asked-by-me"})

    record = line_of(caplog)
    assert record.__dict__["route"] == "/v1/tickets/{ticket_id}"
    assert (record.__dict__["method"], record.__dict__["status"]) == ("GET", 200)
    assert isinstance(record.__dict__["actor_id"], UUID)
    assert record.__dict__["duration_ms"] > 0


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/v1/tickets?limit=9999&q=secret", "/v1/tickets", 422),
        ("/v1/nowhere/secret", "(none)", 404),
        ("/v1/tickets/secret", "/v1/tickets/{ticket_id}", 404),
    ],
)
def test_a_line_says_nothing_of_what_was_sent(
    shop: Shop, caplog: pytest.LogCaptureFixture, path: str, route: str, status: int
) -> None:
    with caplog.at_level(logging.INFO, "access"):
        shop.get(path)

    record = line_of(caplog)
    assert (record.__dict__["route"], record.__dict__["status"]) == (route, status)
    assert "secret" not in str(record.__dict__)


def test_a_request_of_a_stranger_names_nobody(
    shop: Shop, runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "access"):
        TestClient(create_app(runtime)).simulate_get("/v1/tickets")

    assert line_of(caplog).__dict__["actor_id"] is None


def test_lines_are_json_and_carry_the_request_they_belong_to() -> None:
    stream, root = StringIO(), logging.getLogger()
    kept, root.handlers = root.handlers, []
    try:
        logs.configure(Settings(log_format="json"), stream)
        token = logs.request_id.set("r-1")
        logging.getLogger("somewhere").warning("a pen fell %s", "down", extra={"floor": 3})
        logs.request_id.reset(token)
        logging.getLogger("somewhere").warning("and another")
    finally:
        root.handlers = kept

    first, second = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", first.pop("time"))
    assert first.pop("pid") > 0
    assert first == {
        "level": "WARNING",
        "logger": "somewhere",
        "message": "a pen fell down",
        "floor": 3,
        "request_id": "r-1",
    }
    assert "request_id" not in second


def test_requests_are_counted_by_route_and_status(shop: Shop, runtime: Runtime) -> None:
    for path in ("/v1/mechanics", "/v1/mechanics", "/v1/mechanics?limit=0", "/v1/x", "/v1/y"):
        shop.get(path)

    name = "shop_http_request_duration_seconds_count"
    counted = {key: n for key, n in numbers(runtime).items() if key.startswith(name)}
    assert counted[f'{name}{{method="GET",route="/v1/mechanics",status="200"}}'] == 2
    assert counted[f'{name}{{method="GET",route="/v1/mechanics",status="422"}}'] == 1
    assert counted[f'{name}{{method="-",route="(none)",status="404"}}'] == 2


def test_commands_are_counted_by_their_outcome(
    shop: Shop, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = shop.item(on_hand=1)

    def adjust(by: int) -> int:
        asked = {"quantity_delta": by, "reason": "loss"}
        return shop.post(f"/v1/inventory/{item}/adjustments", json=asked).status_code

    assert [adjust(-1), adjust(-1)] == [200, 409]
    transaction = runtime.store.transaction

    def lose(times: list[None]) -> object:
        if times:
            times.pop()
            raise Collision
        return transaction()

    lost = [None, None]
    monkeypatch.setattr(runtime.store, "transaction", lambda: lose(lost))
    done(shop.post(f"/v1/inventory/{item}/receipts", json={"quantity": 5}))
    always = [None] * 1000
    monkeypatch.setattr(runtime.store, "transaction", lambda: lose(always))
    monkeypatch.setattr("commands.execution.BACKOFF_MAX_SECONDS", 0.0)
    assert adjust(-1) == 409

    counted = numbers(runtime)
    outcome = 'shop_commands_total{{command="AdjustStock",outcome="{}"}}'
    assert counted[outcome.format("done")] == 1
    assert counted[outcome.format("refused")] == 1
    assert counted[outcome.format("conflict")] == 1
    assert counted['shop_command_retries_total{command="ReceiveStock"}'] == 2


def test_connections_in_use_are_given_back(shop: Shop, runtime: Runtime) -> None:
    in_use = 'shop_database_connections_in_use{pool="writes"}'

    with runtime.database.transaction():
        assert numbers(runtime)[in_use] == 1

    assert numbers(runtime)[in_use] == 0


def test_the_oldest_snapshot_is_told(shop: Shop, runtime: Runtime) -> None:
    began = "shop_oldest_read_snapshot_started_timestamp_seconds"
    assert numbers(runtime)[began] == float("inf")

    with runtime.metrics.snapshot():
        oldest = numbers(runtime)[began]
        with runtime.metrics.snapshot():
            assert numbers(runtime)[began] == oldest

    assert oldest < float("inf")
    assert numbers(runtime)[began] == float("inf")


def test_numbers_are_for_the_bearer_of_the_token_where_there_is_one(runtime: Runtime) -> None:
    from dataclasses import replace

    token = "a token of sixteen"
    client = TestClient(
        create_app(replace(runtime, settings=replace(runtime.settings, metrics_token=token)))
    )

    def asked(authorization: str | None) -> int:
        headers = {} if authorization is None else {"Authorization": authorization}
        return client.simulate_get("/metrics", headers=headers).status_code

    assert [asked(None), asked("Bearer no"), asked(token), asked(f"Bearer {token}")] == [
        401,
        401,
        401,
        200,
    ]
    assert TestClient(create_app(runtime)).simulate_get("/metrics").status_code == 200


def test_a_request_that_waited_too_long_is_turned_away_before_it_does_anything(
    shop: Shop, runtime: Runtime
) -> None:
    runtime.sequencer.step()
    before = runtime.feed.position()
    token = waited_seconds.set(WAITED_SECONDS_MAX * 1.01)
    try:
        refused = shop.post("/v1/customers", json={"name": "A", "email": shop.email()})
        alive = shop.get("/livez")
    finally:
        waited_seconds.reset(token)

    runtime.sequencer.step()
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert refused.json["type"] == "/docs/problems/overloaded"
    assert alive.status_code == 200
    assert runtime.feed.position() == before
    assert shop.get("/v1/mechanics").status_code == 200


def test_looks_in_the_cache_are_counted(shop: Shop, runtime: Runtime) -> None:
    ticket = shop.ticket()
    shop.settle()
    path, name = f"/v1/tickets/{ticket}", 'shop_cache_looks_total{{outcome="{}"}}'
    shop.get(path)

    def looks() -> dict[str, float]:
        found = numbers(runtime)
        return {one: found.get(name.format(one), 0) for one in ("hit", "stale", "miss")}

    before = looks()
    shop.get(path)
    shop.get("/v1/mechanics")
    shop.get("/v1/mechanics")
    token = done(shop.patch(path, json={"key_tag": "7"}))["token"]
    shop.get(path, token=token)

    assert {one: n - before[one] for one, n in looks().items()} == {"hit": 2, "stale": 1, "miss": 1}


def test_numbers_of_the_shop_are_read_when_asked_for(shop: Shop, runtime: Runtime) -> None:
    shop.customer()
    shop.settle()
    done(shop.put("/v1/consumers/warehouse", json={}))
    shop.ticket()
    runtime.transparency_log.extend()

    found = asked(runtime)

    recorded, shown = runtime.feed.position(), runtime.queries.position()
    assert found["shop_feed_position"] == recorded
    assert found["shop_projection_position"] == shown
    assert found["shop_projection_lag_events"] == found["shop_sequencer_pending_events"] + (
        recorded - shown
    )
    assert found["shop_projection_lag_events"] > 0
    assert found["shop_projection_lag_seconds"] > 0
    assert (found["shop_dead_letters"], found["shop_view_generation"]) == (0, 1)
    assert found['shop_follower_lag_events{follower="transparency log"}'] == 0
    assert found['shop_consumer_lag_events{consumer="warehouse"}'] == recorded
    assert found['shop_up{server="database"}'] == 1
    if runtime.redis is not None:
        waiting = found['shop_queue_depth{queue="views"}']
        runtime.redis.lpush("rq:queue:views", "a job")
        found = asked(runtime)
        assert found['shop_queue_depth{queue="views"}'] == waiting + 1
        assert found['shop_up{server="redis"}'] == 1


def test_a_database_that_is_away_is_told_and_hides_no_other_number(
    shop: Shop, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OperationalError("SELECT", {}, OSError("gone"))

    monkeypatch.setattr(runtime.generations, "all", away)

    found = asked(runtime)

    assert found['shop_up{server="database"}'] == 0
    assert "shop_feed_position" not in found
    assert 'shop_database_connections_in_use{pool="reads"}' in found


def asked(runtime: Runtime) -> dict[str, float]:
    """As Prometheus asks."""
    text = TestClient(create_app(runtime)).simulate_get("/metrics").text
    pairs = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}
