"""Reports over HTTP, for programs as JSON and for spreadsheets as CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import falcon
import msgspec

from api.operation import any_of, operation
from api.periods import Period, check
from api.resource import Resource
from domain.account import Role
from projections import daily_figures, reports
from projections.queries import Made, Plan
from projections.reports import DailyReport, MechanicFigures, MechanicReport, ValuedItem
from projections.spreadsheet import MEDIA_CSV, table

READERS = any_of(Role.ADMIN, Role.MECHANIC, Role.AUDITOR, Role.REPORTER)
DAYS_MAX = 366


class NotAcceptable(Exception):
    """There is no form of the answer that the client accepts."""

    def __init__(self, offered: Sequence[str]) -> None:
        super().__init__(f"this is answered as {' or '.join(offered)}")


class Report(NamedTuple):
    """`name` says which one, with everything that makes it another; `kinds` of streams it is
    made of; `line` is the type of its items."""

    name: str
    kinds: tuple[str, ...]
    line: type[msgspec.Struct]
    query: Callable[[int], Any]
    made: Callable[[Sequence[Any]], Any]


class Days(NamedTuple):
    """Of the shop, the first and the last included."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def name(self) -> str:
        return f"{self.first}:{self.last}:{self.zone.key}"


class ReportResource(Resource):
    def days(self, query: Period) -> Days:
        """Raises `InvalidFields`."""
        check(query.first, query.last, DAYS_MAX)
        return Days(query.first, query.last, self.runtime.settings.shop_timezone)

    def report(self, req: falcon.Request, resp: falcon.Response, report: Report) -> None:
        offered = [falcon.MEDIA_JSON, MEDIA_CSV]
        media = req.client_prefers(offered)
        if media is None:
            raise NotAcceptable(offered)
        as_csv = media == MEDIA_CSV
        resp.set_header("Vary", "Accept")

        def make(generation: int) -> Made:
            queries = self.runtime.queries
            position = queries.position()  # First, so that the rows are at least as fresh.
            shown = report.made(queries.rows(report.query(generation)))
            if as_csv:
                lines = (msgspec.to_builtins(item) for item in shown.items)
                return Made(table(report.line.__struct_fields__, lines), None, position)
            return Made(msgspec.json.encode(shown), None, position)

        self.serve_page(req, resp, Plan(f"report:{media}:{report.name}", report.kinds, make))
        if as_csv and resp.data is not None:
            resp.content_type = f"{MEDIA_CSV}; charset=utf-8"
            resp.downloadable_as = f"{report.name.partition(':')[0]}.csv"


class Daily(ReportResource):
    @operation(
        READERS,
        params=Period,
        returns=DailyReport,
        late=True,
        media_types=(MEDIA_CSV,),
        asks=("AcceptReport",),
        refusals=("not-acceptable",),
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: Period) -> None:
        """Report each day: tickets opened and closed, what was sold and what it had cost. At most
        366 days."""
        days = self.days(query)
        report = Report(
            f"daily:{days.name}",
            ("ticket",),
            daily_figures.Day,
            lambda generation: daily_figures.query(generation, *days),
            lambda rows: DailyReport(days.zone.key, daily_figures.days(rows, *days)),
        )
        self.report(req, resp, report)


class StockValuation(ReportResource):
    @operation(
        READERS,
        returns=reports.StockValuation,
        late=True,
        media_types=(MEDIA_CSV,),
        asks=("AcceptReport", "PreferWait"),
        refusals=("not-acceptable", "projection-behind"),
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Report what the stock is worth, item by item, at cost and at price. The CSV has the
        items alone."""
        report = Report(
            "stock-valuation",
            ("inventory",),
            ValuedItem,
            reports.stock_query,
            reports.stock_valuation,
        )
        self.report(req, resp, report)


class Mechanics(ReportResource):
    @operation(
        READERS,
        params=Period,
        returns=MechanicReport,
        late=True,
        media_types=(MEDIA_CSV,),
        asks=("AcceptReport",),
        refusals=("not-acceptable",),
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: Period) -> None:
        """Report what each mechanic did on tickets closed in the period. At most 366 days."""
        days = self.days(query)
        report = Report(
            f"mechanics:{days.name}",
            ("mechanic", "ticket"),
            MechanicFigures,
            lambda generation: reports.mechanics_query(generation, *days),
            lambda rows: MechanicReport(days.zone.key, reports.mechanic_figures(rows)),
        )
        self.report(req, resp, report)
