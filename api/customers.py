"""Customers over HTTP. Their paths are in api/app.py."""

from __future__ import annotations

from typing import Annotated

import falcon
from msgspec import Meta

from api.history import PastResource, difference_of, history_of, read_of
from api.operation import any_of, operation, own, write
from api.resource import NamedFilters, Resource, owner
from commands.customers import (
    ArchiveCustomer,
    ChangeCustomer,
    EraseCustomer,
    RegisterCustomer,
    RestoreCustomer,
)
from domain.account import Role
from domain.text import folded
from projections.customers import CustomerView

ADMIN, MECHANIC, CUSTOMER, AUDITOR = Role.ADMIN, Role.MECHANIC, Role.CUSTOMER, Role.AUDITOR
READERS = any_of(ADMIN, MECHANIC, AUDITOR) | own(CUSTOMER)


class CustomerFilters(NamedFilters, kw_only=True):
    """`q` is the beginning of a name."""

    email: Annotated[str, Meta(min_length=1, max_length=254)] | None = None


class Customers(Resource):
    @operation(READERS, params=CustomerFilters, returns=list[CustomerView], late=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: CustomerFilters) -> None:
        """List customers; a customer sees themselves only."""
        where = owner(req) | ({"email": folded(query.email)} if query.email else {})
        self.serve_list(req, resp, query.listing("customers", where), query)

    on_post = write(RegisterCustomer, any_of(ADMIN, MECHANIC))


class Customer(PastResource):
    on_get = read_of("customer", READERS, CustomerView)
    on_patch = write(ChangeCustomer, any_of(ADMIN, MECHANIC))
    on_delete = write(ArchiveCustomer, any_of(ADMIN))


class CustomerHistory(PastResource):
    on_get = history_of("customer")


class CustomerDiff(PastResource):
    on_get = difference_of("customer")


class CustomerRestore(Resource):
    on_post = write(RestoreCustomer, any_of(ADMIN))


class CustomerErase(Resource):
    on_post = write(EraseCustomer, any_of(ADMIN))
