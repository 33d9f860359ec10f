"""How the command line speaks: what is asked for on stdout, what goes wrong on stderr."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TextIO

import click
from sqlalchemy.exc import DBAPIError

from api.validation import InvalidFields
from domain.kernel import Refused
from infrastructure import logs
from infrastructure.event_store.checks import Unfit
from infrastructure.event_store.faults import is_table_missing
from infrastructure.event_store.keyring import WrongMasterKey
from infrastructure.migrations import MigrationLocked
from infrastructure.preparing import BuiltWrong
from infrastructure.runtime import Runtime, open_runtime
from infrastructure.settings import Settings, WrongSetting
from infrastructure.transparency.log import BrokenLog
from infrastructure.transparency.signing import BrokenKeys
from projections.generations import NoViews, Overtaken
from projections.kernel import OtherFolds

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
    except OSError as error:
        _refuse(WrongSetting(f"DATA_DIR: {error}"))
    try:
        yield opened
    except DBAPIError as error:
        hint = "; run `mechanic-shop migrate`" if is_table_missing(error) else ""
        raise fail(f"the database: {error.orig}{hint}") from error
    except CANNOT as error:
        raise fail(str(error)) from error
    finally:
        opened.close()


def _refuse(wrong: WrongSetting) -> NoReturn:
    for line in wrong.lines:
        click.echo(line, err=True)
    sys.exit(WRONG_SETTING)


def fail(message: str) -> click.ClickException:
    """Raise it: the message on stderr, exit code 1."""
    return click.ClickException(message)


def say(found: Settings, message: str) -> None:
    """What a service has to say when it starts: for people, or a line among those it logs."""
    if found.log_format == "json":
        logging.getLogger("mechanic-shop").info(message)
    else:
        click.echo(message)


def warn(found: Settings, message: str) -> None:
    if found.log_format == "json":
        logging.getLogger("mechanic-shop").warning(message)
    else:
        click.echo(f"WARNING: {message}", err=True)
