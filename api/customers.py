"""Customers over HTTP. Their paths are in api/app.py."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import falcon
from msgspec import Meta

from api.history import At, PastResource, difference_of, history_of
from api.operation import any_of, operation, own, write
from api.resource import ByTimeOrName, Filters, Resource, owner, sorted_by
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
from projections.listing import Listing

ADMIN, MECHANIC, CUSTOMER, AUDITOR = Role.ADMIN, Role.MECHANIC, Role.CUSTOMER, Role.AUDITOR
READERS = any_of(ADMIN, MECHANIC, AUDITOR) | own(CUSTOMER)


class CustomerFilters(Filters, kw_only=True):
    """`q` is the beginning of a name."""

    q: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    email: Annotated[str, Meta(min_length=1, max_length=254)] | None = None
    sort: ByTimeOrName = "-created_at"


class Customers(Resource):
    @operation(READERS, params=CustomerFilters, returns=list[CustomerView], late=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: CustomerFilters) -> None:
        """List customers; a customer sees themselves only."""
        where = owner(req) | ({"email": folded(query.email)} if query.email else {})
        listing = Listing(
            "customers",
            **sorted_by(query.sort),
            limit=query.limit,
            where=where,
            prefix={"name": folded(query.q)} if query.q else {},
            updated_after=query.updated_after,
            archived=query.include == "archived",
        )
        self.serve_list(req, resp, listing, query)

    on_post = write(RegisterCustomer, any_of(ADMIN, MECHANIC))


class Customer(PastResource):
    @operation(READERS, params=At, returns=CustomerView, late=True)
    def on_get(
        self, req: falcon.Request, resp: falcon.Response, customer_id: UUID, query: At
    ) -> None:
        """Read a customer, now or as it was."""
        self.serve_at(req, resp, "customer", customer_id, query)

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
