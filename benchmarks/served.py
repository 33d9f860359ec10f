"""This service's application for any gunicorn, set up by the environment."""

from __future__ import annotations

from typing import Any

from api import app
from infrastructure.runtime import open_runtime
from infrastructure.settings import Settings


def create_app() -> Any:
    return app.create_app(open_runtime(Settings.read()))
