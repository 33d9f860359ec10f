"""How the command line speaks: what is asked for on stdout, what goes wrong on stderr."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TextIO

import click
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from api.validation import InvalidFields
from domain.kernel import Refused
from infrastructure import logs
from infrastructure.event_store.checks import Unfit
from infrastructure.event_store.keyring import WrongMasterKey
from infrastructure.migrations import MigrationLocked
from infrastructure.preparing import BuiltWrong
from infrastructure.runtime import Runtime, open_runtime
from infrastructure.settings import Settings, WrongSetting
from infrastructure.transparency.log import BrokenLog
from infrastructure.transparency.signing import BrokenKeys
from projections.generations import NoViews, Overtaken
from projections.kernel import OtherFolds

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

WRONG_SETTING = 2
CANNOT = (
    Unfit,
    NoViews,
    Overtaken,
    OtherFolds,
    BuiltWrong,
    MigrationLocked,
    WrongMasterKey,
    BrokenLog,
    BrokenKeys,
    Refused,
    InvalidFields,
)
"""Errors whose message is for whoever typed the command."""


def settings(log_to: TextIO = sys.stderr) -> Settings:
    """The settings, or one line for each that is wrong and exit code 2.

    A service logs to its standard output; commands keep that for what was asked.
    """
    try:
        found = Settings.read()
    except WrongSetting as wrong:
        _refuse(wrong)
    logs.configure(found, log_to)
    return found


@contextmanager
def runtime(found: Settings | None = None) -> Iterator[Runtime]:
    """A runtime for one command; what cannot work is one line and exit code 1."""
    try:
        opened = open_runtime(found or settings())
    except WrongSetting as wrong:
        _refuse(wrong)
    try:
        yield opened
    except DBAPIError as error:
        raise fail(f"the database: {error.orig}") from error
    except CANNOT as error:
        raise fail(str(error)) from error
    finally:
        opened.close()


def _refuse(wrong: WrongSetting) -> NoReturn:
    for line in wrong.lines:
        err.print(line, markup=False)
    sys.exit(WRONG_SETTING)


def fail(message: str) -> click.ClickException:
    """Raise it: the message on stderr, exit code 1."""
    return click.ClickException(message)


def say(found: Settings, message: str) -> None:
    """What a service has to say when it starts: for people, or a line among those it logs."""
    if found.log_format == "json":
        logging.getLogger("mechanic-shop").info(message)
    else:
        out.print(message, markup=False)


def warn(found: Settings, message: str) -> None:
    if found.log_format == "json":
        logging.getLogger("mechanic-shop").warning(message)
    else:
        err.print(f"WARNING: {message}", markup=False)
