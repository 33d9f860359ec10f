"""Accounts and logging in over HTTP. Their paths are in api/app.py."""

from __future__ import annotations

from typing import Annotated, Literal

import falcon
import msgspec
from msgspec import Meta

from api.answers import answer
from api.history import PastResource, difference_of, history_of, read_of
from api.operation import EVERYONE, any_of, operation, write
from api.resource import ByTime, Filters, Resource, sorted_by
from commands.accounts import (
    ChangeAccount,
    ChangeMe,
    DeactivateAccount,
    ReactivateAccount,
    RegisterAccount,
)
from domain.account import Role
from domain.text import folded
from infrastructure.access_tokens import InvalidAccess
from infrastructure.rate_limits import Passage
from infrastructure.sessions import Session
from projections.accounts import AccountView
from projections.listing import Listing

ADMIN, MECHANIC, AUDITOR = Role.ADMIN, Role.MECHANIC, Role.AUDITOR
READERS = any_of(ADMIN, MECHANIC, AUDITOR)
Secret = Annotated[str, Meta(min_length=1, max_length=200)]


class AccountFilters(Filters, kw_only=True):
    """`include=archived` shows deactivated accounts."""

    email: Annotated[str, Meta(min_length=1, max_length=254)] | None = None
    role: Role | None = None
    sort: ByTime = "-created_at"


class LoginRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    email: Annotated[str, Meta(min_length=1, max_length=254)]
    password: Secret


class RefreshRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    refresh_token: Secret


class LoginAnswer(msgspec.Struct):
    """`expires_in` is the access token's lifetime in seconds; a refresh token is good once."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    refresh_token: str


class Login(Resource):
    @operation(
        None, body=LoginRequest, returns=LoginAnswer, statuses=(401,), budget="logins", late=True
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: LoginRequest) -> None:
        """Log in with e-mail and password."""
        passage: Passage = req.context.passage
        passage.try_login(body.email)
        session = self.runtime.sessions.log_in(body.email, body.password)
        if session is None:
            raise InvalidAccess("e-mail and password do not match an active account")
        passage.logged_in(body.email)
        _give(resp, session)


class Refresh(Resource):
    @operation(None, body=RefreshRequest, returns=LoginAnswer, statuses=(401,))
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: RefreshRequest) -> None:
        """Get new tokens for a refresh token. One used twice ends all its successors."""
        session = self.runtime.sessions.refresh(body.refresh_token)
        if session is None:
            raise InvalidAccess("the refresh token is not valid; log in again")
        _give(resp, session)


class Logout(Resource):
    @operation(None, body=RefreshRequest, statuses=(204,))
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: RefreshRequest) -> None:
        """Log out: the refresh token and its successors end."""
        self.runtime.sessions.log_out(body.refresh_token)
        resp.status = falcon.HTTP_204


class Me(Resource):
    @operation(EVERYONE, returns=AccountView, late=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Read one's own account."""
        self.serve(req, resp, "account", req.context.actor.account_id)

    on_patch = write(ChangeMe, EVERYONE, of_actor="account_id")


class Accounts(Resource):
    @operation(READERS, params=AccountFilters, returns=list[AccountView], late=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: AccountFilters) -> None:
        """List accounts."""
        asked = {"email": query.email and folded(query.email), "role": query.role}
        listing = Listing(
            "accounts",
            **sorted_by(query.sort),
            limit=query.limit,
            where={name: value for name, value in asked.items() if value},
            updated_after=query.updated_after,
            archived=query.include == "archived",
        )
        self.serve_list(req, resp, listing, query)

    on_post = write(RegisterAccount, any_of(ADMIN))


class Account(PastResource):
    on_get = read_of("account", READERS, AccountView)
    on_patch = write(ChangeAccount, any_of(ADMIN))
    on_delete = write(DeactivateAccount, any_of(ADMIN))


class AccountHistory(PastResource):
    on_get = history_of("account")


class AccountDiff(PastResource):
    on_get = difference_of("account")


class AccountReactivate(Resource):
    on_post = write(ReactivateAccount, any_of(ADMIN))


def _give(resp: falcon.Response, session: Session) -> None:
    token = session.access_token
    answer(resp, LoginAnswer(token, "Bearer", session.expires_in, session.refresh_token))
