"""A person who is erased is nowhere any more, and everything else is as it was."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from commands.customers import ChangeCustomer, EraseCustomer
from commands.execution import execute
from commands.kernel import Context
from domain.customer import Customer
from domain.kernel import Refused
from infrastructure.preparing import rebuild
from infrastructure.redis_cache import LIFETIME_SECONDS
from projections.generations import Overtaken
from tests import builders as b
from tests.commands.rivals import Rivals
from tests.infrastructure.event_store.legs import on_mysql
from tests.plaintext import everywhere, found
from tests.projections.views import contents, record
from tests.shop import PASSWORD, Shop, done

FORMER = {
    "name": 'Customer "Größe" Before',
    "email": "Customer.Before@Mail.example",
    "phone": "+49 30 5550-1111 x1",
    "address": 'Straße "Before" 1\nÄußere Town',
}
PERSON = {
    "name": 'Customer "Größe" Erased',
    "email": "Customer.Erased@Mail.example",
    "phone": "+49 30 5550-2222 x2",
    "address": 'Straße "Erased" 2\nInnere Town',
}
PERSONAL = [*FORMER.values(), *PERSON.values()]
NOBODY = dict.fromkeys(PERSON)


class Filled:
    """A shop with a year behind it, in which somebody asks to be forgotten."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.person = done(shop.post("/v1/customers", json=FORMER, key="registers"))["id"]
        done(shop.patch(f"/v1/customers/{self.person}", json=PERSON))
        login = {"email": PERSON["email"], "password": PASSWORD, "role": "customer"}
        account = shop.post("/v1/accounts", json={**login, "customer_id": self.person})
        self.account = done(account)["id"]
        self.others = [shop.customer(name=f"Customer {n}", address="Elsewhere") for n in "AB"]
        mechanic, item = shop.mechanic(), shop.item(on_hand=40)
        self.tickets, self.vehicles = [], []
        for customer in (self.person, *self.others):
            vehicle = shop.vehicle(customer, plate="AB 123")
            ticket = shop.ticket(customer, vehicle)
            path = f"/v1/tickets/{ticket}"
            done(shop.put(f"{path}/mechanics/{mechanic}"))
            done(shop.post(f"{path}/parts", json={"inventory_id": item, "quantity": 2}))
            labor = {"description": "Brakes", "mechanic_id": mechanic, "minutes": 30}
            done(shop.post(f"{path}/labor", json=labor))
            self.tickets.append(ticket)
            self.vehicles.append(vehicle)
        done(shop.post(f"/v1/tickets/{self.tickets[0]}/close"))
        done(shop.post(f"/v1/tickets/{self.tickets[1]}/close"))
        self.moment = datetime.now(UTC).isoformat()
        self.paths = [
            *(f"/v1/customers/{id}" for id in self.others),
            *(f"/v1/vehicles/{id}" for id in self.vehicles),
            *(f"/v1/tickets/{id}{of}" for id in self.tickets for of in ("", "/history")),
            *(f"/v1/tickets/{id}?version=3" for id in self.tickets),
            *(f"/v1/customers/{id}?version=1" for id in self.others),
            *(f"/v1/customers/{id}/tickets" for id in (self.person, *self.others)),
            *(f"/v1/customers/{id}/vehicles" for id in (self.person, *self.others)),
            f"/v1/inventory/{item}/movements",
            f"/v1/mechanics/{mechanic}",
            "/v1/mechanics/leaderboard?by=labor",
            *("/v1/tickets", "/v1/vehicles", "/v1/inventory", "/v1/stock-levels"),
            *("/v1/mechanics", "/v1/assignments", "/v1/accounts?role=admin", "/v1/me"),
        ]

    def goes_through_many_hands(self) -> None:
        """Refusals, searches, bad requests: all that has the person's data in it."""
        shop, someone = self.shop, self.others[0]
        again = {**PERSON, "name": "Customer C"}
        assert shop.post("/v1/customers", json=again, key="again").status_code == 409
        assert shop.post("/v1/customers", json={**PERSON, "age": 1}).status_code == 422
        assert shop.post("/v1/customers", json={**PERSON, "phone": "?"}).status_code == 422
        taken = {"email": PERSON["email"]}
        assert shop.patch(f"/v1/customers/{someone}", json=taken).status_code == 409
        for path in ("/v1/customers?email=", "/v1/tickets?email="):
            assert done(shop.get(path + quote(PERSON["email"])))["items"]
        assert done(shop.get("/v1/customers?q=" + quote(PERSON["name"])))["items"]
        assert shop.get(f"/v1/nowhere/{quote(PERSON['name'])}").status_code == 404
        login = {"email": PERSON["email"], "password": "not the right one"}
        assert shop.post("/v1/auth/login", json=login).status_code == 401
        for query in ("", "?version=1", "?version=2"):
            done(shop.get(f"/v1/customers/{self.person}{query}"))
        done(shop.get(f"/v1/tickets/{self.tickets[0]}?expand=customer"))

    def served(self) -> dict[str, str]:
        bodies = {path: self.shop.get(path) for path in self.paths}
        assert {answer.status_code for answer in bodies.values()} == {200}
        return {path: answer.text for path, answer in bodies.items()}


@pytest.fixture
def filled(shop: Shop, caplog: pytest.LogCaptureFixture, monkeypatch: Any) -> Filled:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(Customer, "snapshot_every", 1)
    filled = Filled(shop)
    shop.settle()
    return filled


def erase(filled: Filled) -> None:
    done(filled.shop.post(f"/v1/customers/{filled.person}/erase", key="erases"))
    filled.shop.settle()


def test_nothing_personal_is_left_anywhere(
    filled: Filled, caplog: pytest.LogCaptureFixture
) -> None:
    filled.goes_through_many_hands()
    readable = found(PERSON.values(), everywhere(filled.shop.runtime))
    assert {"customers_1.body", "customers_1.name", "customers_1.email"} < readable
    assert any("customer:" in where for where in readable), "the cache is looked into"

    erase(filled)

    assert found(PERSONAL, everywhere(filled.shop.runtime)) == set()
    assert found(PERSONAL, [("the log", caplog.text.encode())]) == set()


def test_nothing_personal_is_left_in_views_that_are_served_no_more(filled: Filled) -> None:
    runtime = filled.shop.runtime
    rebuild(runtime, runtime.generations.create())
    filled.shop.settle()

    erase(filled)
    runtime.chores.sweep()
    runtime.chores.sweep()

    left = found(PERSONAL, everywhere(runtime))
    if runtime.redis is not None:
        # Bodies that nobody asks for any more are gone within the hour.
        for kind, id in (("customer", filled.person), ("account", filled.account)):
            [key] = runtime.redis.scan_iter(f"*:1:{kind}:{UUID(id).hex}")
            assert 0 < runtime.redis.ttl(key) <= LIFETIME_SECONDS
            left.remove(f"redis {key!r}")
    assert left == set()


def test_nothing_personal_is_left_in_a_build_that_was_killed(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = filled.shop.runtime
    killed = runtime.generations.create()
    while runtime.runner.step(killed):
        continue
    erase(filled)
    runtime.chores.sweep()
    runtime.chores.sweep()
    left = {where.partition(".")[0] for where in found(PERSONAL, everywhere(runtime))}
    assert f"customers_{killed}" in left, "a build of today goes on"

    monkeypatch.setattr("projections.generations.BUILD_MAX", timedelta(0))
    runtime.chores.sweep()
    runtime.chores.sweep()

    assert found(PERSONAL, everywhere(runtime)) == set()


def test_a_build_that_was_overtaken_and_dropped_is_not_switched_to(filled: Filled) -> None:
    runtime = filled.shop.runtime
    overtaken = runtime.generations.create()
    served = rebuild(runtime, runtime.generations.create())
    runtime.chores.sweep()
    runtime.chores.sweep()

    with pytest.raises(Overtaken):
        rebuild(runtime, overtaken)

    assert runtime.generations.live() == served


def test_the_person_reads_null_also_in_the_past(filled: Filled) -> None:
    path = f"/v1/customers/{filled.person}"
    erase(filled)
    erased_at = done(filled.shop.get(path))["version"]

    queries = ["", *(f"?version={n}" for n in range(1, erased_at + 1))]
    queries.append(f"?as_of={quote(filled.moment)}")
    for query in queries:
        body = done(filled.shop.get(path + query))
        assert {name: body[name] for name in PERSON} == NOBODY
    assert done(filled.shop.get(f"{path}?version={erased_at}"))["erased"]
    told = done(filled.shop.get(f"{path}/history"))["items"]
    assert len(told) == erased_at
    assert not [entry for entry in told if PERSON.keys() & entry["changes"].keys()]
    ticket = done(filled.shop.get(f"/v1/tickets/{filled.tickets[0]}?expand=customer"))
    assert {name: ticket["customer"][name] for name in PERSON} == NOBODY
    for search in ("email=" + quote(PERSON["email"]), "q=" + quote(PERSON["name"])):
        assert done(filled.shop.get(f"/v1/customers?include=archived&{search}"))["items"] == []


def test_everything_else_is_served_as_before(filled: Filled) -> None:
    before = filled.served()
    everybody = "/v1/customers?include=archived"
    known = {body["id"]: body for body in done(filled.shop.get(everybody))["items"]}

    erase(filled)

    assert filled.served() == before
    known[filled.person] |= NOBODY | {"erased": True}
    after = {body["id"]: body for body in done(filled.shop.get(everybody))["items"]}
    for moving in ("version", "updated_at"):
        known[filled.person][moving] = after[filled.person][moving]
    assert after == known
    total = done(filled.shop.get(f"/v1/tickets/{filled.tickets[0]}"))["total_cents"]
    assert total == 2 * 1500 + 30 * 9000 // 60


def test_the_addresses_of_the_erased_are_free_again(filled: Filled) -> None:
    erase(filled)

    for email in (FORMER["email"], PERSON["email"].upper()):
        filled.shop.customer(email=email)


def test_nobody_logs_in_for_the_erased(filled: Filled) -> None:
    login = {"email": PERSON["email"], "password": PASSWORD}
    session = done(filled.shop.nobody().post("/v1/auth/login", json=login))

    erase(filled)

    assert filled.shop.nobody().post("/v1/auth/login", json=login).status_code == 401
    refresh = {"refresh_token": session["refresh_token"]}
    assert filled.shop.nobody().post("/v1/auth/refresh", json=refresh).status_code == 401
    account = done(filled.shop.get(f"/v1/accounts/{filled.account}"))
    assert (account["email"], account["active"], account["erased"]) == (None, False, True)
    path = f"/v1/accounts/{filled.account}/reactivate"
    assert filled.shop.post(path).json["detail"].endswith("this one is erased")
    done(filled.shop.post("/v1/accounts", json={**login, "role": "auditor"}))


@on_mysql
def test_whoever_changes_a_person_who_is_erased_at_that_moment_is_refused(filled: Filled) -> None:
    runtime = filled.shop.runtime
    context = Context(actor=None, role="system", correlation_id="race")
    id = UUID(filled.person)

    def erased() -> None:
        runtime.execute(EraseCustomer(customer_id=id), context)

    store = Rivals(runtime.store, [erased])
    with pytest.raises(Refused, match="this one is erased"):
        execute(
            ChangeCustomer(customer_id=id, phone="+49 30 5550"),
            context,
            store=store,
            clock=runtime.clock,
        )

    assert store.attempts == 2


def test_an_error_of_the_database_does_not_tell_what_was_written(filled: Filled) -> None:
    database = filled.shop.runtime.database

    with pytest.raises(DBAPIError) as error, database.transaction() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (:name)"), [PERSON])

    assert found([PERSON["name"]], [("the error", str(error.value).encode())]) == set()


def test_a_broken_history_does_not_tell_what_was_in_it(
    filled: Filled, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = filled.shop.runtime
    broken = b.customer_changed(name=PERSON["name"], email=PERSON["email"])
    record(runtime.store, {b.CUSTOMER_ID: [broken]})

    filled.shop.settle()

    letters = contents(runtime.database)["dead_letters"]
    assert [letter["stream_id"] for letter in letters] == [b.CUSTOMER_ID]
    places = [("the letter", letters[0]["error"].encode()), ("the log", caplog.text.encode())]
    assert found(PERSONAL, places) == set()
