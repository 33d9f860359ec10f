"""What follows from an operation's declaration: its name, who may call it, how it ends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import get_origin

import falcon

from api.operation import Operation, Scope
from api.problems import KINDS, OF_STATUS
from domain.account import Role

SERVICE = "service"
"""The tag of what is not the shop's business: health, documentation."""
UNIQUE = {"email", "vin", "part_number"}
"""Fields whose values may be taken."""


def operation_id(one: Operation) -> str:
    """The method and the words of the path: `post_tickets_parts`, `get_tickets_by_ticket_id`."""
    parts = one.path.removeprefix("/v1").strip("/").split("/")
    words = [part for part in parts if not part.startswith("{")]
    if parts[-1].startswith("{"):
        words.append(f"by_{parts[-1][1:-1]}")
    return re.sub(r"\W", "_", "_".join([one.method.lower(), *words]))


def tag(one: Operation) -> str:
    return one.path.split("/")[2] if one.path.startswith("/v1/") else SERVICE


def roles(one: Operation) -> dict[str, str]:
    """Role -> how far it may reach."""
    allow = one.allow or {}
    return {role.value: allow[role].value for role in Role if role in allow}


def who(one: Operation) -> str:
    if one.allow is None:
        return "Needs no token."
    told = [
        f"{role} (what is theirs)" if scope == Scope.OWN else role
        for role, scope in roles(one).items()
    ]
    return f"For: {', '.join(told)}."


def reads(one: Operation) -> bool:
    """Whether it shows what the views hold, with all the headers that come with that."""
    shown = one.of_views and one.media_type == falcon.MEDIA_JSON
    return one.method == "GET" and one.allow is not None and shown


def waits(one: Operation) -> bool:
    """Whether it is made of many streams, so that it waits for the views, not for one stream."""
    many = one.params is not None and not one.path.endswith("}")
    return reads(one) and many and not one.fresh


def conditional(one: Operation) -> bool:
    """Whether it writes to something that has a version already, which If-Match may name."""
    return one.command is not None and (bool(one.path_params) or one.method != "POST")


def shows_many(one: Operation) -> bool:
    """Whether it answers with a page of what has a URL of its own."""
    return reads(one) and get_origin(one.returns) is list


def leads_to(one: Operation, others: Sequence[Operation]) -> list[Operation]:
    """What can be done next with the thing it made, or to read one of those it lists."""
    if not (one.creates or shows_many(one)):
        return []
    inner = re.compile(re.escape(one.path) + r"/\{(\w+_id)\}(/|$)")
    return [
        other
        for other in others
        if (found := inner.match(other.path))
        and other.path_params == (*one.path_params, found[1])
        and (one.creates or other.method == "GET")
    ]


def successes(one: Operation) -> list[int]:
    whole = [201] if one.creates else [s for s in one.statuses if 200 <= s < 300] or [200]
    return [*whole, 206] if "Range" in one.asks else whole


def may_be_unchanged(one: Operation) -> bool:
    """Whether If-None-Match may spare the client the body."""
    return reads(one) or not {"IfNoneMatch", "IfNoneMatchPage"}.isdisjoint(one.asks)


def told(one: Operation) -> str:
    """How the answer is described."""
    if one.command is None:
        return "A page of them." if get_origin(one.returns) is list else "As asked."
    return "Made." if one.creates else "Done, or it was so already."


def headers_given(one: Operation) -> list[str]:
    """The headers of an answer that is no problem."""
    names = ["X-Request-Id", *one.tells]
    names += ["RateLimit-Policy", "RateLimit"] if one.budget else []
    if one.command is not None:
        names += ["ETag", "Consistency-Token", "Preference-Applied"]
        names += ["Location"] if one.creates else []
    elif reads(one):
        names += ["ETag", "Consistency-Token", "Feed-Position"]
        names += ["Link"] if "limit" in getattr(one.params, "__struct_fields__", ()) else []
    return names


def headers_unchanged(one: Operation) -> list[str]:
    """The headers of a 304: those a body would have come with, but for the next page."""
    return [name for name in headers_given(one) if name != "Link" or name in one.tells]


def own_statuses(one: Operation) -> list[int]:
    """Failures that are told in the answer's own body: health, outside the shop's business."""
    return [s for s in one.statuses if s >= 500] if tag(one) == SERVICE else []


def problems(one: Operation) -> dict[int, list[str]]:
    """What it may refuse with: status -> types of problem. Declared statuses count where
    nothing here implies them."""
    found = {"invalid-fields", *one.refusals}
    found |= {OF_STATUS[status] for status in one.statuses if status in (401, 403, 429)}
    if tag(one) != SERVICE:
        found |= {"too-many-requests", "unavailable"}
    if one.allow is not None:
        limited = set(one.allow) != set(Role) or Scope.OWN in one.allow.values()
        found |= {"unauthorized", "forbidden"} if limited else {"unauthorized"}
    if one.path_params:
        found.add("not-found")
    # One stream is waited for as well, where it has an event that cannot be shown.
    if waits(one) or (reads(one) and one.path_params):
        found.add("projection-behind")
    if one.body is not None:
        found |= {"unreadable", "too-large", "unsupported-media-type"}
    if one.command is not None:
        found |= {"refused", "conflict"}
        found |= {"version-mismatch"} if conditional(one) else set()
        found |= {"key-reused"} if one.method == "POST" else set()
        found |= {"taken"} if UNIQUE & set(one.command.__struct_fields__) else set()
    by_status: dict[int, list[str]] = {}
    for slug in sorted(found):
        by_status.setdefault(KINDS[slug].status, []).append(slug)
    return dict(sorted(by_status.items()))
