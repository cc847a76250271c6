"""Dataclasses as JSON, and back again by the types of their fields: for messages between processes and records on disk.

Known are dataclasses, tuples, lists, sets, mappings, unions, enumerations, paths and JSON's own types; `object` and
`Any` pass as they are. Fields are neither left out nor added: both ends are of one version.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import types
import typing
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

_Value = TypeVar("_Value")
_Reader = Callable[[Any], object]


class MisfitError(ValueError):
    """JSON that does not have the fields or types that were asked for; the text says where."""


def write_json(value: object) -> bytes:
    """JSON of dataclasses and what they hold, on one line without its end."""
    return json.dumps(value, default=_plain).encode()


def _plain(value: Any) -> object:
    if dataclasses.is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, enum.Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def read_as(kind: type[_Value], raw: object) -> _Value:
    """A value of type `kind` from parsed JSON. Raises MisfitError."""
    return cast(_Value, _reader_of(cast(Hashable, kind))(raw))


@functools.cache
def _reader_of(kind: Any) -> _Reader:
    if kind in (object, Any):
        return lambda raw: raw
    if dataclasses.is_dataclass(kind):
        return functools.partial(_read_fields, kind)
    if typing.is_typeddict(kind):
        return functools.partial(_checked, kind=dict)
    origin, parts = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return functools.partial(_read_one_of, [_reader_of(part) for part in parts])
    if origin is tuple and parts[1:] != (...,):
        return functools.partial(_read_each, [_reader_of(part) for part in parts])
    if origin in (tuple, list, Sequence, frozenset, set):
        item = _reader_of(parts[0])
        collect = list if origin is Sequence else origin
        return lambda raw: collect(item(each) for each in _checked(raw, list))
    if origin in (dict, Mapping):
        value = _reader_of(parts[1])
        return lambda raw: {key: value(each) for key, each in _checked(raw, dict).items()}
    if kind is Path or (isinstance(kind, type) and issubclass(kind, enum.Enum)):
        return functools.partial(_read_text_as, kind)
    return functools.partial(_checked, kind=kind)


def _checked(raw: Any, kind: type) -> Any:
    if isinstance(raw, kind) and (kind is not int or not isinstance(raw, bool)):
        return raw
    if kind is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    raise MisfitError(f"{kind.__name__} expected, {type(raw).__name__} found")


def _read_text_as(kind: Callable[[str], object], raw: Any) -> object:
    try:
        return kind(_checked(raw, str))
    except ValueError as error:
        raise MisfitError(str(error)) from error


def _read_one_of(readers: Sequence[_Reader], raw: Any) -> object:
    errors = []
    for reader in readers:
        try:
            return reader(raw)
        except MisfitError as error:
            errors.append(str(error))
    raise MisfitError("; ".join(errors))


def _read_each(readers: Sequence[_Reader], raw: Any) -> tuple[object, ...]:
    if len(_checked(raw, list)) != len(readers):
        raise MisfitError(f"{len(readers)} values expected, {len(raw)} found")
    return tuple(reader(each) for reader, each in zip(readers, raw, strict=True))


def _read_fields(kind: Any, raw: Any) -> object:
    readers = _field_readers_of(kind)
    if _checked(raw, dict).keys() != readers.keys():
        odd = ", ".join(sorted(map(str, raw.keys() ^ readers.keys())))
        raise MisfitError(f"{kind.__name__} has fields too few or too many: {odd}")
    values = {}
    for name, reader in readers.items():
        try:
            values[name] = reader(raw[name])
        except MisfitError as error:
            raise MisfitError(f"{name}: {error}") from None
    return kind(**values)


@functools.cache
def _field_readers_of(kind: Any) -> dict[str, _Reader]:
    hints = typing.get_type_hints(kind)
    return {each.name: _reader_of(hints[each.name]) for each in dataclasses.fields(kind)}
