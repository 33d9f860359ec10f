"""A shop to talk to over HTTP: the whole service in this process, on the servers of the leg.

Nothing moves the views but `settle`, so a test knows what they show at every moment.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from argon2 import PasswordHasher
from falcon.testing import Result, TestClient

from api.app import create_app
from commands.accounts import RegisterAccount
from commands.kernel import Context
from domain.account import Role
from infrastructure import credentials
from infrastructure.access_tokens import AccessTokens
from infrastructure.preparing import prepare
from infrastructure.runtime import Runtime, open_runtime
from infrastructure.settings import Settings
from tests.personal import ADDRESS, CUSTOMER_NAME, MECHANIC_NAME, PHONE
from tests.personal import PASSWORD as PASSWORD
from tests.schema import Schema
from tests.servers import MariaDB

SECRETS: dict[str, Any] = {
    "jwt_secret_key": "a key for tests, and for tests only: it opens nothing else",
    "master_key": bytes(32),
}


@pytest.fixture
def runtime(
    leg: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Runtime]:
    """Embedded on SQLite, or MariaDB and Redis; prepared, and nothing runs by itself."""
    cheap = partial(PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(credentials, "PasswordHasher", cheap)
    settings = Settings(
        data_dir=tmp_path,
        database_url=_prepared(leg, tmp_path, request),
        redis_url=None if leg == "sqlite" else request.getfixturevalue("redis_url"),
        rate_limit_enabled=False,
        **SECRETS,
    )
    runtime = open_runtime(settings)
    yield runtime
    runtime.close()


@pytest.fixture(scope="session")
def prepared_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("prepared") / "shop.db"
    prepare_url(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def prepared_mysql(mariadb: MariaDB) -> Schema:
    return Schema(mariadb, prepare_url, name="prepared_shop")


@pytest.fixture(scope="session")
def prepared_mysql9(mysql9: MariaDB) -> Schema:
    return Schema(mysql9, prepare_url, name="prepared_shop")


def prepare_url(url: str) -> None:
    runtime = open_runtime(Settings(database_url=url, **SECRETS))
    prepare(runtime)
    runtime.close()


def _prepared(leg: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A database with empty views: making those takes longer than most tests."""
    prepared: Path | Schema = request.getfixturevalue(f"prepared_{leg}")
    if isinstance(prepared, Schema):
        return prepared.emptied()
    return f"sqlite:///{shutil.copy(prepared, tmp_path / 'shop.db')}"


@pytest.fixture
def shop(runtime: Runtime) -> Shop:
    return Shop(runtime)


class Client:
    """Asks with the access token of one account; a header given as `None` is left out.

    `json` is sent as the body, `token` as Consistency-Token, `key` as Idempotency-Key.
    """

    def __init__(self, http: TestClient, authorization: str | None) -> None:
        self._http, self._authorization = http, authorization

    @property
    def app(self) -> Any:
        return self._http.app

    @property
    def authorization_header(self) -> str:
        return self._authorization or ""

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str | None] | None = None,
        token: str | None = None,
        key: str | None = None,
        **sent: Any,
    ) -> Result:
        given: dict[str, str | None] = {
            "Authorization": self._authorization,
            "Consistency-Token": token,
            "Idempotency-Key": key,
            **(headers or {}),
        }
        said = {name: value for name, value in given.items() if value is not None}
        return self._http.simulate_request(method, path, headers=said, **sent)

    def get(self, path: str, **sent: Any) -> Result:
        return self.request("GET", path, **sent)

    def post(self, path: str, **sent: Any) -> Result:
        return self.request("POST", path, **sent)

    def patch(self, path: str, **sent: Any) -> Result:
        return self.request("PATCH", path, **sent)

    def put(self, path: str, **sent: Any) -> Result:
        return self.request("PUT", path, **sent)

    def delete(self, path: str, **sent: Any) -> Result:
        return self.request("DELETE", path, **sent)


class Shop(Client):
    """The shop as its first admin uses it; `as_` gives everybody else."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._tokens = AccessTokens(runtime.settings.jwt_keys, runtime.clock)
        self._numbers = count(1)
        self._clients: dict[str, Client] = {}
        self.admin_id = self.account(Role.ADMIN)
        http = TestClient(create_app(runtime))
        super().__init__(http, self.authorization(self.admin_id, Role.ADMIN))

    def settle(self) -> None:
        """Until the views show everything that happened."""
        while self.runtime.advance():
            continue

    def position(self) -> int:
        """How much has happened; the same before and after what changed nothing."""
        while self.runtime.sequencer.step():
            continue
        return self.runtime.feed.position()

    def account(self, role: Role, **whom: UUID | str) -> str:
        """The id of a new account with PASSWORD; `whom` it stands for."""
        given = {name: UUID(str(id)) for name, id in whom.items()}
        command = self.runtime.build(
            RegisterAccount,
            dict(email=self.email(role), password=PASSWORD, role=role, **given),
        )
        context = Context(actor=None, role="system", correlation_id="tests")
        return str(self.runtime.execute(command, context).id)

    def authorization(self, account_id: str, role: Role) -> str:
        return f"Bearer {self._tokens.issue(UUID(account_id), role)}"

    def as_(self, role: str, **whom: UUID | str) -> Client:
        """Somebody in that role; `mechanic_id` or `customer_id` says for whom they stand."""
        known = f"{role} {whom}"
        if known not in self._clients:
            if role == Role.CUSTOMER and not whom:
                whom = {"customer_id": self.customer()}
            account_id = self.account(Role(role), **whom)
            self._clients[known] = self.as_account(account_id, role)
        return self._clients[known]

    def as_account(self, account_id: str, role: str) -> Client:
        return Client(self._http, self.authorization(account_id, Role(role)))

    def with_access_token(self, access_token: str) -> Client:
        return Client(self._http, f"Bearer {access_token}")

    def nobody(self) -> Client:
        """A client without an access token."""
        return Client(self._http, None)

    def email(self, of: str = "person") -> str:
        """One that nobody has."""
        return f"{of}-{next(self._numbers)}@shop.example"

    def vin(self) -> str:
        """One that no vehicle has."""
        return f"2T1BR32E{next(self._numbers):09d}"

    def person(self, role: str = "mechanic") -> tuple[str, str]:
        """Somebody who logs in with PASSWORD: the id and the e-mail of the account."""
        email = self.email(role)
        body = {"email": email, "password": PASSWORD, "role": role}
        return done(self.post("/v1/accounts", json=body))["id"], email

    def customer(self, **fields: Any) -> str:
        given = {"name": CUSTOMER_NAME, "email": self.email(), "phone": PHONE, "address": ADDRESS}
        return self._made("/v1/customers", given | fields)

    def vehicle(self, customer_id: str | None = None, **fields: Any) -> str:
        given = {
            "customer_id": customer_id or self.customer(),
            "vin": self.vin(),
            "make": "Toyota",
            "model": "Corolla",
            "year": 2014,
        }
        return self._made("/v1/vehicles", given | fields)

    def mechanic(self, **fields: Any) -> str:
        given = {
            "name": MECHANIC_NAME,
            "email": self.email(),
            "phone": PHONE,
            "address": ADDRESS,
            "labor_rate_cents": 9000,
        }
        return self._made("/v1/mechanics", given | fields)

    def item(self, on_hand: int = 10, **fields: Any) -> str:
        number = next(self._numbers)
        given = {"part_number": f"PART-{number}", "name": "A part", "unit_price_cents": 1500}
        id = self._made("/v1/inventory", given | fields)
        if on_hand:
            done(self.post(f"/v1/inventory/{id}/receipts", json={"quantity": on_hand}))
        return id

    def ticket(
        self, customer_id: str | None = None, vehicle_id: str | None = None, **fields: Any
    ) -> str:
        customer_id = customer_id or self.customer()
        given = {
            "customer_id": customer_id,
            "vehicle_id": vehicle_id or self.vehicle(customer_id),
            "description": "Brakes squeal",
        }
        return self._made("/v1/tickets", given | fields)

    def _made(self, path: str, fields: dict[str, Any]) -> str:
        return str(done(self.post(path, json=fields))["id"])


def done(result: Result) -> Any:
    """What a request that went well answered."""
    assert result.status_code in (200, 201), f"{result.status} {result.text}"
    return result.json
