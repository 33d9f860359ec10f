"""Its tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Column, ForeignKey, Index, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)
Model: Any = db.Model

ticket_mechanics = Table(
    "ticket_mechanics",
    Base.metadata,
    Column("ticket_id", ForeignKey("tickets.id"), primary_key=True),
    Column("mechanic_id", ForeignKey("mechanics.id"), primary_key=True, index=True),
)


class Customer(Model):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(db.String(200))
    email: Mapped[str] = mapped_column(db.String(254), unique=True)
    phone: Mapped[str] = mapped_column(db.String(40))


class Mechanic(Model):
    __tablename__ = "mechanics"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(db.String(200))
    email: Mapped[str] = mapped_column(db.String(254), unique=True)


class Part(Model):
    __tablename__ = "parts"
    __table_args__ = (Index("ix_parts_quantity", "quantity", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    part_number: Mapped[str] = mapped_column(db.String(64), unique=True)
    name: Mapped[str] = mapped_column(db.String(200))
    unit_price_cents: Mapped[int]
    quantity: Mapped[int]
    reorder_point: Mapped[int]


class Line(Model):
    __tablename__ = "ticket_parts"
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"), index=True)
    part_id: Mapped[int] = mapped_column(ForeignKey("parts.id"), index=True)
    quantity: Mapped[int]
    unit_price_cents: Mapped[int]
    part: Mapped[Part] = relationship(lazy="joined")


class Ticket(Model):
    __tablename__ = "tickets"
    __table_args__ = (Index("ix_tickets_created_at", "created_at", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    vin: Mapped[str] = mapped_column(db.String(17), index=True)
    description: Mapped[str] = mapped_column(db.String(500))
    status: Mapped[str] = mapped_column(db.String(16), default="open")
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    customer: Mapped[Customer] = relationship(lazy="joined")
    mechanics: Mapped[list[Mechanic]] = relationship(secondary=ticket_mechanics, lazy="selectin")
    lines: Mapped[list[Line]] = relationship(lazy="selectin")
