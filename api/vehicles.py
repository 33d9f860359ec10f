"""Vehicles over HTTP. Their paths are in api/app.py."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import falcon
from msgspec import Meta

from api.history import PastResource, difference_of, history_of, read_of
from api.operation import any_of, operation, own, write
from api.resource import NamedFilters, Resource, narrowed, owner, parse_token
from commands.vehicles import (
    ArchiveVehicle,
    ChangeVehicle,
    RecordOdometer,
    RegisterVehicle,
    RestoreVehicle,
    TransferVehicle,
)
from domain import vin
from domain.account import Role
from domain.text import folded
from projections.listing import Listing
from projections.vehicles import VehicleView

ADMIN, MECHANIC, CUSTOMER, AUDITOR = Role.ADMIN, Role.MECHANIC, Role.CUSTOMER, Role.AUDITOR
READERS = any_of(ADMIN, MECHANIC, AUDITOR) | own(CUSTOMER)


class VehicleFilters(NamedFilters, kw_only=True):
    """`q` is the beginning of make and model."""

    vin: Annotated[str, Meta(min_length=1, max_length=17)] | None = None
    plate: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    customer_id: UUID | None = None


def listing(query: VehicleFilters, **where: Any) -> Listing:
    asked = {
        "vin": query.vin and vin.normalised(query.vin),
        "plate": query.plate and folded(query.plate),
        "owner_id": query.customer_id,
    }
    asked = {name: value for name, value in asked.items() if value}
    return query.listing("vehicles", narrowed(asked, where))


class Vehicles(Resource):
    @operation(READERS, params=VehicleFilters, returns=list[VehicleView], late=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: VehicleFilters) -> None:
        """List vehicles; a customer sees their own only."""
        self.serve_list(req, resp, listing(query, **owner(req)), query)

    on_post = write(RegisterVehicle, any_of(ADMIN, MECHANIC))


class CustomerVehicles(Resource):
    @operation(READERS, params=VehicleFilters, returns=list[VehicleView], late=True)
    def on_get(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        customer_id: UUID,
        query: VehicleFilters,
    ) -> None:
        """List the vehicles of a customer."""
        self.find(req, "customer", customer_id, parse_token(req))
        self.serve_list(req, resp, listing(query, owner_id=customer_id), query)


class Vehicle(PastResource):
    on_get = read_of("vehicle", READERS, VehicleView)
    on_patch = write(ChangeVehicle, any_of(ADMIN, MECHANIC))
    on_delete = write(ArchiveVehicle, any_of(ADMIN))


class VehicleHistory(PastResource):
    on_get = history_of("vehicle")


class VehicleDiff(PastResource):
    on_get = difference_of("vehicle")


class VehicleTransfer(Resource):
    on_post = write(TransferVehicle, any_of(ADMIN, MECHANIC))


class VehicleOdometer(Resource):
    on_post = write(RecordOdometer, any_of(ADMIN, MECHANIC))


class VehicleRestore(Resource):
    on_post = write(RestoreVehicle, any_of(ADMIN))
