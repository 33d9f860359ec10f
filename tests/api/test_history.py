"""The past: who did what and when, and everything as it was served at the time."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

from falcon.testing import Result

from tests.api.answers import is_problem, items
from tests.shop import Shop, done


def _worked_on(shop: Shop) -> tuple[str, list[Result]]:
    """A ticket after some work, and how it was served after each step."""
    item, mechanic = shop.item(), shop.mechanic()
    ticket = shop.ticket()
    at = f"/v1/tickets/{ticket}"
    part = {"inventory_id": item, "quantity": 2}
    labor = {"description": "Pads", "minutes": 40, "mechanic_id": mechanic}
    steps: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", at, {"description": "Brakes squeal and pull to the left"}),
        ("PUT", f"{at}/mechanics/{mechanic}", {}),
        ("POST", f"{at}/start", {}),
        ("POST", f"{at}/parts", part),
        ("POST", f"{at}/labor", labor),
        ("POST", f"{at}/hold", {"hold_reason": "waiting_parts"}),
        ("POST", f"{at}/resume", {}),
        ("POST", f"{at}/complete", {}),
        ("POST", f"{at}/close", {"odometer_out": 91_000}),
        ("POST", f"{at}/reopen", {"reason": "noise is back"}),
    ]
    shop.settle()
    served = [shop.get(at)]
    for method, path, body in steps:
        done(shop.request(method, path, json=body))
        shop.settle()
        served.append(shop.get(at))
    return ticket, served


def test_a_version_reads_byte_for_byte_as_it_was_served(shop: Shop) -> None:
    ticket, served = _worked_on(shop)

    for version, then in enumerate(served, start=1):
        now = shop.get(f"/v1/tickets/{ticket}?version={version}")
        assert done(now)["version"] == version
        assert now.text == then.text
        assert now.headers["etag"] == then.headers["etag"]
    is_problem(shop.get(f"/v1/tickets/{ticket}?version=99"), 404, "not-found", "/version")
    is_problem(shop.get(f"/v1/tickets/{ticket}?version=0"), 422, "invalid-fields", "/version")


def test_a_moment_reads_as_it_was_recorded(shop: Shop) -> None:
    ticket, served = _worked_on(shop)
    at = f"/v1/tickets/{ticket}"

    for then in served:
        moment = done(then)["updated_at"]
        assert shop.get(f"{at}?as_of={quote(moment)}").text == then.text
        elsewhere = datetime.fromisoformat(moment).astimezone(timezone(timedelta(hours=-7)))
        assert shop.get(f"{at}?as_of={quote(elsewhere.isoformat())}").text == then.text
    before = datetime.fromisoformat(done(served[0])["created_at"]) - timedelta(microseconds=1)
    is_problem(shop.get(f"{at}?as_of={quote(before.isoformat())}"), 404, "not-found")
    between = datetime.fromisoformat(done(served[3])["updated_at"]) - timedelta(microseconds=1)
    assert shop.get(f"{at}?as_of={quote(between.isoformat())}").text == served[2].text


def test_every_resource_has_a_past(shop: Shop) -> None:
    customer, item = shop.customer(name="Before"), shop.item(on_hand=3)
    vehicle, mechanic = shop.vehicle(), shop.mechanic(name="Before")
    done(shop.patch(f"/v1/customers/{customer}", json={"name": "After"}))
    done(shop.patch(f"/v1/vehicles/{vehicle}", json={"color": "red"}))
    done(shop.patch(f"/v1/mechanics/{mechanic}", json={"name": "After"}))

    def first(path: str) -> Any:
        return done(shop.get(f"{path}?version=1"))

    assert first(f"/v1/customers/{customer}")["name"] == "Before"
    assert first(f"/v1/vehicles/{vehicle}")["color"] is None
    assert first(f"/v1/mechanics/{mechanic}")["name"] == "Before"
    assert first(f"/v1/inventory/{item}")["quantity_on_hand"] == 0


def test_history_says_who_did_what_when_and_what_it_changed(shop: Shop) -> None:
    ticket, served = _worked_on(shop)

    entries: list[Any] = items(shop.get(f"/v1/tickets/{ticket}/history"))

    assert [entry["version"] for entry in entries] == list(range(1, len(served) + 1))
    assert [entry["type"] for entry in entries] == [
        "ticket.opened",
        "ticket.details-changed",
        "ticket.mechanic-assigned",
        "ticket.started",
        "ticket.part-issued",
        "ticket.labor-added",
        "ticket.put-on-hold",
        "ticket.resumed",
        "ticket.completed",
        "ticket.closed",
        "ticket.reopened",
    ]
    email = done(shop.get(f"/v1/accounts/{shop.admin_id}"))["email"]
    admin = {"id": shop.admin_id, "role": "admin", "email": email}
    assert all(entry["actor"] == admin for entry in entries)
    times = [entry["recorded_at"] for entry in entries]
    assert times == [done(then)["updated_at"] for then in served]
    assert times == sorted(set(times))
    assert entries[-1]["reason"] == "noise is back"
    assert entries[0]["reason"] is None


def test_history_shows_each_field_before_and_after(shop: Shop) -> None:
    ticket, served = _worked_on(shop)

    entries: list[Any] = items(shop.get(f"/v1/tickets/{ticket}/history"))

    assert entries[1]["changes"] == {
        "description": {"before": "Brakes squeal", "after": "Brakes squeal and pull to the left"}
    }
    assert entries[3]["changes"] == {"status": {"before": "open", "after": "in_progress"}}
    line = done(served[4])["parts"][0]
    assert entries[4]["changes"] == {
        f"parts/{line['line_id']}": {"before": None, "after": line},
        "parts_total_cents": {"before": 0, "after": 3000},
        "total_cents": {"before": 0, "after": 3000},
    }


def test_history_names_the_person_and_the_request(shop: Shop) -> None:
    ticket = shop.ticket()
    mechanic_id = shop.mechanic()
    mechanic = shop.as_("mechanic", mechanic_id=mechanic_id)
    shop.settle()

    answer = mechanic.post(f"/v1/tickets/{ticket}/start", headers={"X-Request-Id": "bay-2"})

    last: Any = items(mechanic.get(f"/v1/tickets/{ticket}/history"))[-1]
    assert answer.headers["x-request-id"] == "bay-2"
    assert last["request_id"] == "bay-2"
    assert last["command"] == "StartTicket"
    me = done(mechanic.get("/v1/me"))
    assert last["actor"] == {"id": me["id"], "role": "mechanic", "email": me["email"]}


def test_a_voided_ticket_keeps_its_history(shop: Shop) -> None:
    ticket = shop.ticket()
    done(shop.delete(f"/v1/tickets/{ticket}?reason=opened%20twice"))

    last: Any = items(shop.get(f"/v1/tickets/{ticket}/history"))[-1]
    assert (last["type"], last["reason"]) == ("ticket.voided", "opened twice")
    assert done(shop.get(f"/v1/tickets/{ticket}"))["status"] == "voided"


def test_an_erased_person_reads_null_in_the_past_too(shop: Shop) -> None:
    email = shop.email()
    customer = shop.customer(name="A Person", email=email, phone="555 0100")
    done(shop.patch(f"/v1/customers/{customer}", json={"address": "A street"}))
    shop.settle()

    done(shop.post(f"/v1/customers/{customer}/erase"))
    shop.settle()

    for query in ("", "?version=1", "?version=2", "?version=3"):
        shown = done(shop.get(f"/v1/customers/{customer}{query}"))
        fields = ("name", "email", "phone", "address")
        assert [shown[name] for name in fields] == [None] * 4, query
    listed = shop.get("/v1/customers?include=archived").text
    assert "A Person" not in listed
    assert email not in listed
