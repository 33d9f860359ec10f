"""What it shows and accepts."""

from __future__ import annotations

from flask_marshmallow import Marshmallow
from marshmallow import fields, validate

ma = Marshmallow()


class CustomerSchema(ma.Schema):
    id = fields.Integer()
    name = fields.String()
    email = fields.Email()
    phone = fields.String()


class MechanicSchema(ma.Schema):
    id = fields.Integer()
    name = fields.String()
    email = fields.Email()


class LineSchema(ma.Schema):
    id = fields.Integer()
    part_id = fields.Integer()
    part_number = fields.String(attribute="part.part_number")
    name = fields.String(attribute="part.name")
    quantity = fields.Integer()
    unit_price_cents = fields.Integer()


class TicketSchema(ma.Schema):
    id = fields.Integer()
    customer_id = fields.Integer()
    vin = fields.String()
    description = fields.String()
    status = fields.String()
    created_at = fields.DateTime()
    customer = fields.Nested(CustomerSchema)
    mechanics = fields.List(fields.Nested(MechanicSchema))
    lines = fields.List(fields.Nested(LineSchema))


class PartSchema(ma.Schema):
    id = fields.Integer()
    part_number = fields.String()
    name = fields.String()
    quantity = fields.Integer()
    reorder_point = fields.Integer()


class NewTicketSchema(ma.Schema):
    customer_id = fields.Integer(required=True)
    vin = fields.String(required=True, validate=validate.Length(equal=17))
    description = fields.String(required=True, validate=validate.Length(1, 500))


class NewLineSchema(ma.Schema):
    part_id = fields.Integer(required=True)
    quantity = fields.Integer(required=True, validate=validate.Range(1, 1000))
