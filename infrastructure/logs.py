"""What is logged, and how: one JSON object a line, or text for people.

A line says which request it belongs to. It never carries a body, a parameter, a token or
anything personal: who asked is named by the id of an account.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TextIO

from pythonjsonlogger.msgspec import MsgspecFormatter

from infrastructure.settings import Settings

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request this thread works for, if it works for one."""

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
NAMES = {"levelname": "level", "name": "logger", "exc_info": "exception", "process": "pid"}
QUIET = ("alembic", "rq.worker", "rq.queue")
"""Loggers of libraries whose everyday news is nobody's."""


class RequestId(logging.Filter):
    """Adds `request_id` to what is logged on behalf of a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        if (known := request_id.get()) is not None:
            record.request_id = known
        return True


def configure(settings: Settings, stream: TextIO) -> None:
    """Everything that is logged in this process goes to that stream. Once."""
    handler = logging.StreamHandler(stream)
    handler.addFilter(RequestId())
    handler.setFormatter(_formatter(settings.log_format))
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    # What no line tells need not be found out for each: where it was written, by which thread.
    logging._srcfile = None
    logging.logThreads = logging.logMultiprocessing = False
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _formatter(log_format: str) -> logging.Formatter:
    if log_format == "text":
        return logging.Formatter(TEXT)
    fields = ["levelname", "name", "message", "process"]
    return MsgspecFormatter(fields, rename_fields=NAMES, timestamp="time")
