"""Inventory over HTTP. Its paths are in api/app.py."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import falcon
from msgspec import Meta

from api.history import PastResource, difference_of, history_of, read_of
from api.operation import any_of, operation, write
from api.resource import ListParams, NamedFilters, Resource, parse_token
from commands.inventory import (
    AddItem,
    AdjustStock,
    ChangeItem,
    DiscontinueItem,
    ReceiveStock,
    ReinstateItem,
)
from domain.account import Role
from domain.text import folded
from projections.inventory import ItemView, Movement, StockLevel
from projections.listing import Listing

ADMIN, MECHANIC, AUDITOR, REPORTER = Role.ADMIN, Role.MECHANIC, Role.AUDITOR, Role.REPORTER
READERS = any_of(ADMIN, MECHANIC, AUDITOR, REPORTER)


class ItemFilters(NamedFilters, kw_only=True):
    """`q` is the beginning of a name; `include=archived` shows discontinued items."""

    part_number: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class LevelFilters(ListParams, kw_only=True):
    """`low=true`: only what is at or below its reorder point."""

    low: bool | None = None


class Inventory(Resource):
    @operation(READERS, params=ItemFilters, returns=list[ItemView], late=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: ItemFilters) -> None:
        """List inventory items."""
        where = {"part_number": folded(query.part_number)} if query.part_number else {}
        self.serve_list(req, resp, query.listing("inventory", where), query)

    on_post = write(AddItem, any_of(ADMIN))


class Item(PastResource):
    on_get = read_of("inventory", READERS, ItemView)
    on_patch = write(ChangeItem, any_of(ADMIN))
    on_delete = write(DiscontinueItem, any_of(ADMIN))


class ItemHistory(PastResource):
    on_get = history_of("inventory")


class ItemDiff(PastResource):
    on_get = difference_of("inventory")


class ItemReceipts(Resource):
    on_post = write(ReceiveStock, any_of(ADMIN))


class ItemAdjustments(Resource):
    on_post = write(AdjustStock, any_of(ADMIN))


class ItemReinstate(Resource):
    on_post = write(ReinstateItem, any_of(ADMIN))


class ItemMovements(Resource):
    @operation(READERS, params=ListParams, returns=list[Movement], late=True)
    def on_get(
        self, req: falcon.Request, resp: falcon.Response, inventory_id: UUID, query: ListParams
    ) -> None:
        """List every change of quantity of an item, the latest first."""
        self.find(req, "inventory", inventory_id, parse_token(req))
        listing = Listing(
            "stock_movements",
            sort="version",
            tie="inventory_id",
            descending=True,
            limit=query.limit,
            where={"inventory_id": inventory_id},
        )
        self.serve_list(req, resp, listing, query)


class StockLevels(Resource):
    @operation(READERS, params=LevelFilters, returns=list[StockLevel], late=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: LevelFilters) -> None:
        """List what is on the shelf, the scarcest first."""
        listing = Listing(
            "stock_levels",
            sort="spare",
            limit=query.limit,
            where={} if query.low is None else {"low": query.low},
        )
        self.serve_list(req, resp, listing, query)
