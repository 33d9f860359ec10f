"""The approved copy of the OpenAPI document: what clients rely on, in a form that reads well."""

from __future__ import annotations

from pathlib import Path

import msgspec

from api.docs import openapi_json

APPROVED = Path(__file__).parents[1] / "approved" / "openapi.json"


def todays_document() -> str:
    return msgspec.json.format(openapi_json()).decode() + "\n"


def approve_openapi() -> None:
    APPROVED.write_text(todays_document())
