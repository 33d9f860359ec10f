"""What proves a ticket's history, in one file."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import falcon
import msgspec
from msgspec import Meta

from api.history import PastResource
from api.log import AUDITORS, LogResource
from api.operation import operation
from api.resource import no_such
from api.validation import FieldError, InvalidFields
from infrastructure.transparency.evidence import Evidence, SinceBeyondLog


class Since(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`since`: the size of a checkpoint you hold; the bundle then proves to continue it."""

    since: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None


class TicketEvidence(LogResource, PastResource):
    @operation(AUDITORS, params=Since, returns=Evidence)
    def on_get(
        self, req: falcon.Request, resp: falcon.Response, ticket_id: UUID, query: Since
    ) -> None:
        """Take a ticket's whole history as evidence: events as stored, proofs, the signed
        checkpoint. `mechanic-shop audit verify` checks it offline; docs/auditing.md explains."""
        self.wait_for_log(req)
        try:
            found = self.runtime.evidence.of_ticket(ticket_id, query.since)
        except SinceBeyondLog as error:
            raise InvalidFields([FieldError("/since", f"Expected at most that: {error}")]) from None
        if found is None:
            raise no_such("ticket", ticket_id)
        evidence, head = found
        self.record(req, ticket_id, query)
        self.answer(req, resp, evidence, head.size)
