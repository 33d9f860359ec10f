"""People who use the shop from outside without a pause, and write down what they were told."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import httpx

PATIENCE_SECONDS = 90
"""How long somebody repeats a request that gets no answer; no fault lasts nearly as long."""
TIMEOUT_SECONDS = 12
PAUSE_SECONDS = 0.05


@dataclass
class Write:
    """One intention, however often it was sent. `done`: acknowledged; else it was refused."""

    request_id: str
    topic: str
    done: bool
    status: int


class Shopper(Thread):
    """Owns a customer and a ticket that nobody else changes, and takes parts that all want.

    A request without an answer is sent again, the same to the letter: until it has one.
    """

    def __init__(
        self,
        url: str,
        login: dict[str, str],
        items: Sequence[str],
        seed: int,
        pause_seconds: float = 0.0,
    ) -> None:
        super().__init__(name=f"shopper-{seed}", daemon=True)
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS)
        self._login, self._items, self._random = login, items, random.Random(seed)
        self.stopping, self._pause_seconds = Event(), pause_seconds
        self.rounds, self.requests = 0, 0
        self.failed = Counter[str]()
        self.writes, self.wrong = list[Write](), list[str]()
        self._name, self._position, self._lines = "", 0, list[str]()
        self._versions = dict[str, int]()
        self._begin(seed)

    def _begin(self, seed: int) -> None:
        who = f"{seed}-{uuid4().hex[:8]}"
        self._log_in()
        customer = self._made("customer.registered", "/v1/customers", email=f"{who}@mail.example")
        self._customer = f"/v1/customers/{customer}"
        vehicle = self._made(
            "vehicle.registered",
            "/v1/vehicles",
            customer_id=customer,
            vin=f"2T1BR32E{seed % 10}{self._random.randrange(10**8):08d}",
            make="Toyota",
            model="Corolla",
            year=2014,
        )
        given = dict(customer_id=customer, vehicle_id=vehicle, description="Brakes squeal")
        self._ticket = f"/v1/tickets/{self._made('ticket.opened', '/v1/tickets', **given)}"

    def _log_in(self) -> None:
        answer = self._http.post("/v1/auth/login", json=self._login).raise_for_status()
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def _made(self, topic: str, path: str, **body: str | int) -> str:
        if topic == "customer.registered":
            self._name = body["name"] = "0"
        answer = self._write(topic, "POST", path, json=body)
        assert answer.is_success, answer.text
        return str(answer.json()["id"])

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                self._round()
            except Exception as error:
                self.wrong.append(f"{type(error).__name__}: {error}")
                return
            self.rounds += 1
            self.stopping.wait(self._pause_seconds)

    def _round(self) -> None:
        self._rename()
        item = self._random.choice(self._items)
        wish = self._random.random()
        if wish < 0.3:
            body = {"quantity": self._random.randint(1, 3)}
            self._write("inventory.received", "POST", f"/v1/inventory/{item}/receipts", json=body)
        elif wish < 0.8 or not self._lines:
            self._take(item)
        else:
            line = self._lines.pop()
            answer = self._write("inventory.returned", "DELETE", f"{self._ticket}/parts/{line}")
            self._expect(answer.is_success or answer.status_code == 404, f"return: {answer.text}")
        self._look(f"/v1/inventory/{item}")
        self._look_at_mine()

    def _take(self, item: str) -> None:
        body = {"inventory_id": item, "quantity": self._random.randint(1, 3)}
        answer = self._write("inventory.issued", "POST", f"{self._ticket}/parts", json=body)
        self._expect(answer.is_success or answer.status_code == 409, f"issue: {answer.text}")
        if answer.is_success:
            lines = self._look(f"{self._ticket}/parts").json()["items"]
            self._expect(len(lines) == len(self._lines) + 1, "the line taken is not the only new")
            self._lines = [line["line_id"] for line in lines]

    def _rename(self) -> None:
        name = str(int(self._name) + 1)
        changed = "customer.details-changed"
        answer = self._write(changed, "PATCH", self._customer, json={"name": name})
        self._expect(answer.is_success, f"rename: {answer.text}")
        self._name = name

    def _look_at_mine(self) -> None:
        one = self._look(self._customer).json()
        self._expect(one["name"] == self._name, f"reads {one['name']} after {self._name}")
        page = self._look("/v1/customers?limit=50&sort=-updated_at", prefer="wait=10")
        listed = [each for each in page.json()["items"] if each["id"] == one["id"]]
        self._expect(listed == [one], "a list older than its token")
        position = int(page.headers["feed-position"])
        self._expect(position >= self._position, "a list of a position that goes back")
        self._position = position

    def _look(self, path: str, prefer: str = "") -> httpx.Response:
        """Never older than anything this person has seen."""
        answer = self._answered("GET", path, {"Prefer": prefer} if prefer else {})
        self._expect(answer.is_success, f"GET {path}: {answer.status_code} {answer.text}")
        version, seen = answer.json().get("version", 0), self._versions.get(path, 0)
        self._expect(version >= seen, f"{path} went back from version {seen} to {version}")
        self._versions[path] = version
        return answer

    def _write(self, topic: str, method: str, path: str, **sent: Any) -> httpx.Response:
        request_id = str(uuid4())
        headers = {"X-Request-Id": request_id}
        if method == "POST":
            headers["Idempotency-Key"] = request_id
        before = self.failed.total()
        answer = self._answered(method, path, headers, **sent)
        # Only this person changes the ticket: what is gone after a lost answer went with it.
        gone = method == "DELETE" and answer.status_code == 404 and self.failed.total() > before
        done = answer.is_success or gone
        self.writes.append(Write(request_id, topic, done, answer.status_code))
        return answer

    def _answered(
        self, method: str, path: str, headers: dict[str, str], **sent: Any
    ) -> httpx.Response:
        """The first answer that says what happened."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            self.requests += 1
            try:
                answer = self._http.request(method, path, headers=headers, **sent)
            except httpx.TimeoutException:
                self.failed["timeout"] += 1
                continue
            except httpx.TransportError:
                self.failed["cut off"] += 1
                time.sleep(PAUSE_SECONDS)
                continue
            if answer.status_code == 401:
                # As every client has to, sooner or later.
                self.failed["401 unauthorized"] += 1
                self._log_in()
                continue
            if answer.status_code < 500:
                if token := answer.headers.get("consistency-token"):
                    self._http.headers["Consistency-Token"] = token
                return answer
            said = answer.headers.get("content-type") == "application/problem+json"
            kind = answer.json()["type"].rpartition("/")[2] if said else "without a problem"
            self.failed[f"{answer.status_code} {kind}"] += 1
            self._expect(answer.status_code == 503, f"{method} {path}: {answer.text}")
            self._expect("retry-after" in answer.headers, "503 without Retry-After")
            time.sleep(PAUSE_SECONDS)
        raise AssertionError(f"{method} {path}: no answer in {PATIENCE_SECONDS} s")

    def _expect(self, is_so: bool, otherwise: str) -> None:
        if not is_so:
            self.wrong.append(otherwise)
