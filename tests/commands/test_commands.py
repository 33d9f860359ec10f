"""What holds for every command there is."""

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import Any
from uuid import UUID

import msgspec
import pytest

import commands
from commands import kernel
from commands.kernel import NEW_ID, Command, handles, outside_fields
from commands.tickets import IssuePart

for module in pkgutil.iter_modules(commands.__path__):
    importlib.import_module(f"commands.{module.name}")
COMMANDS = sorted(
    (kind for kind in Command.__subclasses__() if kind.__module__.startswith("commands.")),
    key=lambda kind: kind.__name__,
)
every_command = pytest.mark.parametrize("command", COMMANDS, ids=lambda kind: kind.__name__)


def test_every_command_has_exactly_one_handler() -> None:
    assert set(kernel._handlers) == set(COMMANDS)


def test_a_second_handler_is_refused() -> None:
    with pytest.raises(TypeError, match="has a handler already"):
        handles(COMMANDS[0])(lambda command, work: None)


@every_command
def test_the_handler_bears_the_name_of_its_command(command: type[Command]) -> None:
    words = re.findall(r"[A-Z][a-z]*", command.__name__)

    assert kernel._handlers[command].__name__ == "_".join(words).lower()


@every_command
def test_a_command_is_frozen_and_knows_its_fields(command: type[Command]) -> None:
    assert command.__struct_config__.frozen
    assert command.__struct_config__.forbid_unknown_fields


@every_command
def test_the_first_field_names_the_target(command: type[Command]) -> None:
    first = msgspec.structs.fields(command)[0]

    assert first.required
    described = msgspec.inspect.type_info(first.type)
    inner = described.type if isinstance(described, msgspec.inspect.Metadata) else described
    assert isinstance(inner, msgspec.inspect.UUIDType)


@every_command
def test_a_command_creates_one_thing_at_most(command: type[Command]) -> None:
    assert list(outside_fields(command).values()).count(NEW_ID) <= 1


@every_command
def test_a_command_says_what_it_does(command: type[Command]) -> None:
    assert (command.__doc__ or "").strip()


def kinds_of(field_type: Any) -> list[msgspec.inspect.Type]:
    described = msgspec.inspect.type_info(field_type)
    members = described.types if isinstance(described, msgspec.inspect.UnionType) else (described,)
    return [m.type if isinstance(m, msgspec.inspect.Metadata) else m for m in members]


@every_command
def test_what_clients_send_has_limits(command: type[Command]) -> None:
    """No text, list or number without an upper bound gets into an event."""
    boundless = []
    for field in msgspec.structs.fields(command):
        if field.name in outside_fields(command):
            continue
        for described in kinds_of(field.type):
            match described:
                case msgspec.inspect.StrType(max_length=limit, pattern=pattern):
                    bounded = limit is not None or (pattern or "").count("{17}") == 1
                case msgspec.inspect.ListType(max_length=limit):
                    bounded = limit is not None
                case msgspec.inspect.IntType(le=limit):
                    bounded = limit is not None
                case _:
                    bounded = True
            if not bounded:
                boundless.append(field.name)

    assert boundless == []


def test_an_unknown_field_is_refused() -> None:
    ids = dict.fromkeys(("ticket_id", "line_id", "inventory_id"), UUID(int=1))
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({**ids, "quantity": 1, "unit_price_cents": 1}, IssuePart)
