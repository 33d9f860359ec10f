"""The same shop the usual way, to be measured beside: Flask, Flask-SQLAlchemy, Marshmallow,
Flask-Caching, Flask-Limiter and PyJWT on one set of tables that are changed in place.

Small, and fair: indexes where it filters and sorts, relations loaded in one statement each,
stock taken by one guarded UPDATE, budgets and cache in Redis.
"""
