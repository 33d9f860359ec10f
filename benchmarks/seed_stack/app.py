"""Its routes. SEED_CACHE_SECONDS keeps answers that long, however wrong they are by then; 0
keeps none."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

import jwt
from flask import Flask, Response, g, jsonify, request
from flask_caching import Cache
from flask_limiter import Limiter
from marshmallow import ValidationError
from sqlalchemy import func, select, update

from benchmarks.seed_stack.models import (
    Customer,
    Line,
    Mechanic,
    Part,
    Ticket,
    db,
    ticket_mechanics,
)
from benchmarks.seed_stack.schemas import (
    NewLineSchema,
    NewTicketSchema,
    PartSchema,
    TicketSchema,
    ma,
)

ALGORITHM = "HS256"
LIMIT = "1000000 per minute"
STAFF = ("admin", "mechanic")


def create_app() -> Flask:
    app = Flask(__name__)
    seconds = int(os.environ.get("SEED_CACHE_SECONDS", "0"))
    redis_url = os.environ["SEED_REDIS_URL"]
    app.config.update(
        SQLALCHEMY_DATABASE_URI=os.environ["SEED_DATABASE_URL"],
        SECRET_KEY=os.environ["SEED_SECRET_KEY"],
        CACHE_TYPE="RedisCache" if seconds else "NullCache",
        CACHE_NO_NULL_WARNING=True,
        CACHE_REDIS_URL=redis_url,
        CACHE_DEFAULT_TIMEOUT=seconds,
    )
    db.init_app(app)
    ma.init_app(app)
    cache = Cache(app)
    Limiter(_who, app=app, default_limits=[LIMIT], storage_uri=redis_url, headers_enabled=True)
    one, many = TicketSchema(), TicketSchema(many=True)
    parts, new_ticket, new_line = PartSchema(many=True), NewTicketSchema(), NewLineSchema()

    def authorized(roles: tuple[str, ...]) -> Callable[[Any], Any]:
        def decorate(view: Any) -> Any:
            @wraps(view)
            def checked(*args: Any, **kwargs: Any) -> Any:
                scheme, _, token = request.headers.get("Authorization", "").partition(" ")
                if scheme != "Bearer":
                    return _refused(401, "no token")
                try:
                    claims = jwt.decode(token, app.config["SECRET_KEY"], algorithms=[ALGORITHM])
                except jwt.InvalidTokenError as error:
                    return _refused(401, str(error))
                if claims["role"] not in roles:
                    return _refused(403, "not for your role")
                g.account = claims["sub"]
                return view(*args, **kwargs)

            return checked

        return decorate

    @app.get("/tickets/<int:ticket_id>")
    @authorized(STAFF)
    @cache.cached()
    def ticket(ticket_id: int) -> Any:
        found = db.session.get(Ticket, ticket_id)
        return jsonify(one.dump(found)) if found else _refused(404, "no such ticket")

    @app.get("/tickets")
    @authorized(STAFF)
    @cache.cached(query_string=True)
    def tickets() -> Any:
        limit = min(request.args.get("per_page", 50, type=int), 200)
        skip = (request.args.get("page", 1, type=int) - 1) * limit
        newest = select(Ticket).order_by(Ticket.created_at.desc(), Ticket.id.desc())
        page = db.session.scalars(newest.limit(limit).offset(skip)).all()
        return jsonify(items=many.dump(page))

    @app.get("/mechanics/ranking")
    @authorized(STAFF)
    @cache.cached()
    def ranking() -> Any:
        number = func.count(ticket_mechanics.c.ticket_id)
        ranked = (
            select(Mechanic, number)
            .outerjoin(ticket_mechanics)
            .group_by(Mechanic.id)
            .order_by(number.desc(), Mechanic.name)
        )
        rows = db.session.execute(ranked)
        return jsonify(items=[{"id": m.id, "name": m.name, "tickets": n} for m, n in rows])

    @app.get("/parts/levels")
    @authorized(STAFF)
    @cache.cached(query_string=True)
    def levels() -> Any:
        scarce = (Part.quantity - Part.reorder_point, Part.id)
        found = db.session.scalars(select(Part).order_by(*scarce).limit(50)).all()
        return jsonify(items=parts.dump(found))

    @app.post("/tickets")
    @authorized(STAFF)
    def open_ticket() -> Any:
        try:
            given = new_ticket.load(request.get_json())
        except ValidationError as error:
            return _refused(422, error.messages)
        if db.session.get(Customer, given["customer_id"]) is None:
            return _refused(422, "no such customer")
        made = Ticket(**given)
        db.session.add(made)
        db.session.commit()
        return jsonify(one.dump(made)), 201

    @app.post("/tickets/<int:ticket_id>/parts")
    @authorized(STAFF)
    def add_part(ticket_id: int) -> Any:
        try:
            given = new_line.load(request.get_json())
        except ValidationError as error:
            return _refused(422, error.messages)
        found, part = db.session.get(Ticket, ticket_id), db.session.get(Part, given["part_id"])
        if found is None or part is None:
            return _refused(404, "no such ticket or part")
        if found.status != "open":
            return _refused(409, "the ticket is closed")
        enough = (Part.id == part.id, Part.quantity >= given["quantity"])
        taken = update(Part).where(*enough).values(quantity=Part.quantity - given["quantity"])
        if not db.session.execute(taken).rowcount:
            db.session.rollback()
            return _refused(409, "not enough on the shelf")
        line = Line(ticket_id=found.id, unit_price_cents=part.unit_price_cents, **given)
        db.session.add(line)
        db.session.commit()
        return jsonify(id=line.id), 201

    @app.post("/tickets/<int:ticket_id>/close")
    @authorized(STAFF)
    def close(ticket_id: int) -> Any:
        found = db.session.get(Ticket, ticket_id)
        if found is None:
            return _refused(404, "no such ticket")
        if found.status != "open":
            return _refused(409, "the ticket is closed already")
        found.status = "closed"
        db.session.commit()
        return jsonify(one.dump(found))

    return app


def _who() -> str:
    return request.headers.get("Authorization") or request.remote_addr or ""


def _refused(status: int, why: Any) -> tuple[Response, int]:
    return jsonify(error=why), status
