"""A shop in which this and that happens, to things of every kind, and how they were served."""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import Any

from falcon.testing import Result

from domain.account import Role
from tests.shop import Shop, done

Bodies = dict[str, dict[int, Result]]
"""By path and version, the answers of live reads."""
LINES = ("parts", "labor")


class Busy:
    """One thing of each kind, and what may be done to them; some of it is refused."""

    def __init__(self, shop: Shop, random: Random) -> None:
        self.shop, self.random = shop, random
        self.customers = [shop.customer(), shop.customer()]
        self.vehicle = f"/v1/vehicles/{shop.vehicle(self.customers[0])}"
        self.customer = f"/v1/customers/{self.customers[0]}"
        mechanic, item = shop.mechanic(), shop.item()
        self.mechanic, self.item = f"/v1/mechanics/{mechanic}", f"/v1/inventory/{item}"
        self.account = f"/v1/accounts/{shop.account(Role.AUDITOR)}"
        vehicle_id = self.vehicle.rpartition("/")[2]
        self.ticket = f"/v1/tickets/{shop.ticket(self.customers[0], vehicle_id)}"
        self.paths = [self.ticket, self.customer, self.vehicle, self.mechanic, self.item]
        self.paths.append(self.account)
        ticket = self.ticket
        self.deeds: list[tuple[str, str, dict[str, Any]]] = [
            ("PUT", f"{ticket}/mechanics/{mechanic}", {}),
            ("DELETE", f"{ticket}/mechanics/{mechanic}", {}),
            ("POST", f"{ticket}/parts", {"inventory_id": item, "quantity": 1}),
            ("POST", f"{ticket}/parts", {"inventory_id": item, "quantity": 2}),
            (
                "POST",
                f"{ticket}/labor",
                {"description": "W", "minutes": 5, "mechanic_id": mechanic},
            ),
            ("POST", f"{ticket}/start", {}),
            ("POST", f"{ticket}/hold", {"hold_reason": "waiting_parts"}),
            ("POST", f"{ticket}/resume", {}),
            ("POST", f"{ticket}/complete", {}),
            ("POST", f"{ticket}/close", {}),
            ("POST", f"{ticket}/reopen", {"reason": "noise is back"}),
            ("POST", f"{self.vehicle}/odometer", {"value": 90_000, "unit": "mi"}),
            ("POST", f"{self.vehicle}/odometer", {"value": 80_000, "unit": "km"}),
            ("POST", f"{self.vehicle}/transfer", {"customer_id": self.customers[1]}),
            ("DELETE", self.mechanic, {}),
            ("POST", f"{self.mechanic}/rehire", {}),
            ("POST", f"{self.item}/receipts", {"quantity": 3, "unit_cost_cents": 70}),
            ("POST", f"{self.item}/adjustments", {"quantity_delta": -1, "reason": "damage"}),
            ("DELETE", self.item, {}),
            ("POST", f"{self.item}/reinstate", {}),
            ("DELETE", self.account, {}),
            ("POST", f"{self.account}/reactivate", {}),
            ("PATCH", self.account, {"role": "reporter"}),
            ("PATCH", self.account, {"role": "auditor"}),
        ]

    def do_something(self) -> None:
        words = self.random.choice(["one", "two", "three"])
        phone = self.random.choice([None, "555 0100"])
        changes: list[tuple[str, str, dict[str, Any]]] = [
            ("PATCH", self.ticket, {"description": words, "customer_concerns": [words]}),
            (
                "PATCH",
                self.customer,
                {"name": words, "phone": phone},
            ),
            ("PATCH", self.vehicle, {"color": words}),
            ("PATCH", self.mechanic, {"certifications": [words], "labor_rate_cents": 100}),
            ("PATCH", self.item, {"name": words, "unit_price_cents": len(words)}),
            *self._removals(),
        ]
        what = self.random.choice(self.paths)
        known = [deed for deed in (*self.deeds, *changes) if deed[1].startswith(what)]
        method, path, body = self.random.choice(known)
        sent: dict[str, Any] = {} if method == "DELETE" else {"json": body}
        answer = self.shop.request(method, path, **sent)
        assert answer.status_code in (200, 201, 409), answer.text

    def _removals(self) -> list[tuple[str, str, dict[str, Any]]]:
        body = done(self.shop.get(self.ticket))
        return [
            ("DELETE", f"{self.ticket}/{name}/{line['line_id']}", {})
            for name in LINES
            for line in body[name]
        ]

    def served(self, times: int) -> Bodies:
        """What everything looked like after each of so many deeds."""
        found: Bodies = defaultdict(dict)
        for _ in range(times):
            self.do_something()
            self.shop.settle()
            for path in self.paths:
                answer = self.shop.get(path)
                found[path][done(answer)["version"]] = answer
        return found


def flat(body: dict[str, Any]) -> dict[str, Any]:
    """The fields of a body, with each line of a ticket as one; not what every event changes."""
    fields = {name: v for name, v in body.items() if name not in ("version", "updated_at", *LINES)}
    lines = {f"{n}/{line['line_id']}": line for n in LINES for line in body.get(n, [])}
    return {name: value for name, value in (fields | lines).items() if value is not None}
