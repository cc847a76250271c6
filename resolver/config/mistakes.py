"""Turn pydantic's errors into sentences for admins, each with its key path."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from resolver.config.fields import not_text
from resolver.config.wording import KeyPath, nearest, shown

_SENTENCES = {
    "missing": "is missing: add it",
    "int_type": "should be a whole number, is {shown}",
    "int_parsing": "should be a whole number, is {shown}",
    "int_parsing_size": "should be a smaller number, is {shown}",
    "int_from_float": "should be a whole number, is {shown}",
    "float_type": "should be a number, is {shown}",
    "float_parsing": "should be a number, is {shown}",
    "finite_number": "should be a finite number, is {shown}",
    "greater_than": "should be above {gt:.10g}, is {shown}",
    "greater_than_equal": "should be at least {ge:.10g}, is {shown}",
    "less_than": "should be below {lt:.10g}, is {shown}",
    "less_than_equal": "should be at most {le:.10g}, is {shown}",
    "tuple_type": "should be a list, as in [one, two], is {shown}",
    "too_short": "should have at least {min_length} entry, has none",
    "string_too_long": "should be text of at most {max_length} characters",
    "model_type": "should be a section with keys below it, is {shown}",
    "model_attributes_type": "should be a section with keys below it, is {shown}",
    "path_type": "should be a path, is {shown}",
    "mistake": "{why}",
}
"""Pydantic's error types and what we say instead; `shown` is the value, the other words are pydantic's context."""


def sentences(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[KeyPath, str]]:
    """Each mistake as its key path and what is wrong; `model` is what was validated."""
    details = error.errors(include_url=False)
    for detail in details:
        path = detail["loc"]
        if detail["type"] == "too_short" and any(_is_below(other["loc"], path) for other in details):
            continue  # pydantic counts the good entries alone; the bad ones are told
        if detail["type"] == "extra_forbidden":
            yield path, unknown_key(str(path[-1]), _keys_at(model, path[:-1]))
        else:
            yield path, _sentence(detail)


def unknown_key(key: str, known: list[str]) -> str:
    """The sentence about a key that is not among the known ones."""
    meant = nearest(key, known)
    hint = f"did you mean {meant!r}?" if meant else f"known keys are {', '.join(known)}"
    return f"is not a known key: {hint}"


def _is_below(path: KeyPath, section: KeyPath) -> bool:
    return len(path) > len(section) and path[: len(section)] == section


def _sentence(detail: ErrorDetails) -> str:
    kind, value = detail["type"], detail["input"]
    if kind == "string_type":
        return not_text(value)
    form = _SENTENCES.get(kind)
    if form is None:
        return f"cannot be used: {detail['msg']}"
    return form.format(shown=shown(value), **detail.get("ctx", {}))


def _keys_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """The known keys of the section at `path` below `model`."""
    for part in path:
        if isinstance(part, str):
            model = _model_within(model.model_fields[part].annotation) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_within(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _model_within(part))), None)
