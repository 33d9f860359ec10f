"""One example of every event, made from its fields: the same one on every day and machine."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any, get_args
from uuid import UUID

from msgspec import inspect

from domain.kernel import Recorded

FIRST_INSTANT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def examples(event_type: Any) -> list[Recorded[Any]]:
    """A record of each event of the union, in the order of their tags.

    Every field is filled, optional ones too; numbers, ids and instants count up.
    """
    recorded: Any = Recorded
    kinds = sorted(get_args(event_type), key=lambda kind: str(kind.__struct_config__.tag))
    return [Maker().value("record", inspect.type_info(recorded[kind])) for kind in kinds]


class Maker:
    def __init__(self) -> None:
        self._count = count(1)

    def value(self, name: str, described: inspect.Type) -> Any:
        match described:
            case inspect.Metadata(type=inner):
                return self.value(name, inner)
            case inspect.UnionType(types=types):
                given = (inner for inner in types if not isinstance(inner, inspect.NoneType))
                return self.value(name, next(given))
            case inspect.StrType():
                return f"{name} é {next(self._count)}"
            case inspect.BoolType():
                return True
            case inspect.IntType():
                return next(self._count)
            case inspect.UUIDType():
                return UUID(int=next(self._count))
            case inspect.DateTimeType():
                return FIRST_INSTANT + timedelta(seconds=next(self._count))
            case inspect.DateType():
                return date(2026, 1, 1) + timedelta(days=next(self._count))
            case inspect.EnumType(cls=enum):
                return next(iter(enum))
            case inspect.LiteralType(values=values):
                return values[0]
            case inspect.ListType(item_type=item):
                return [self.value(name, item), self.value(name, item)]
            case inspect.VarTupleType(item_type=item):
                return (self.value(name, item), self.value(name, item))
            case inspect.DictType(key_type=key, value_type=item):
                return {self.value(name, key): self.value(name, item)}
            case inspect.StructType(cls=kind, fields=fields):
                return kind(**{field.name: self.value(field.name, field.type) for field in fields})
            case _:
                raise TypeError(f"field {name}: say how an example of {described} looks")
