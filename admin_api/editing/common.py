"""Validation and version checks that the editing of all kinds shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.editing.errors import Invalid, raise_invalid
from admin_api.store.errors import OwnedByFile, StaleVersion
from admin_api.store.groups import GroupRow
from admin_api.store.lists import ListRow
from admin_api.store.policy import read_file_policy
from resolver.config import fields
from resolver.config.mistakes import sentences
from resolver.config.wording import KeyPath, shown
from resolver.errors import RuleError
from resolver.policy.groups import parse_client
from resolver.system.safe_text import refuse_acting, refuse_acting_in_prose

Row = TypeVar("Row")
Model = TypeVar("Model", bound=BaseModel)


class Ending(Protocol):
    """A body that says when something ends: then, or after so long."""

    @property
    def expires_at(self) -> datetime | None:
        """A time to come."""

    @property
    def duration_seconds(self) -> int | None:
        """For how long, at least one."""


Merge = Callable[[Mapping[str, object]], Mapping[str, Any]]
"""Gives what a thing is to be, from what it is: run within the transaction, so that nobody's change is lost."""


@dataclass(frozen=True, slots=True)
class Written(Generic[Row]):
    """A row that was written, and the policy revision that has it."""

    row: Row
    revision: int


def validated(model: type[Model], body: Mapping[str, Any]) -> Model:
    """The body as a model of the config. Raises Invalid with all mistakes."""
    raise_invalid(_unwritable(body))
    try:
        return model.model_validate(dict(body))
    except ValidationError as error:
        raise_invalid(sentences(error, model))
        raise


def read_address(text: str) -> str:
    """An address in its one normal form. Raises RuleError."""
    try:
        return str(parse_client(text))
    except ValueError:
        raise RuleError(f"{shown(text)} is not an IP address") from None


def end_of(wanted: Ending, starts: datetime, at: datetime, longest_seconds: int, setting: str) -> datetime:
    """The end that was asked for, if the setting of the config allows it to last so long. Raises Invalid."""
    where = "/expires_at" if wanted.expires_at is not None else "/duration_seconds"
    most = timedelta(seconds=longest_seconds)
    too_long = Invalid([(where, f"lets it last longer than the maximum, {most}: see {setting}")])
    if (wanted.duration_seconds or 0) > longest_seconds:
        raise too_long
    ends = wanted.expires_at or starts + timedelta(seconds=wanted.duration_seconds or 0)
    if ends <= at:
        raise Invalid([(where, "is already past: use a future time")])
    if ends <= starts:
        raise Invalid([(where, "is not after starts_at")])
    if ends - starts > most + timedelta(seconds=1):
        raise too_long
    return ends


def read_said(text: str) -> str:
    """A text that says something. Raises RuleError."""
    if text.strip():
        return text.strip()
    raise RuleError("is empty: auditors need it")


Said = Annotated[str, fields.reading(read_said), Field(max_length=1000)]
"""Why, or by whom: what an auditor reads."""

_PROSE: KeyPath = ("description",)
"""A note for people, of several lines where they like; all other text is one line: a log and a terminal show it so."""

_HAVE_READERS = frozenset({"block", "allow"})  # rules, which are read letter by letter anyway

NOT_WRITABLE = "contains a character that is not allowed in text: remove NUL and lone surrogates"


def is_writable(text: str) -> bool:
    """Whether both engines take the text: JSON's strings may hold what they do not."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text))


def _unwritable(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        if not is_writable(value):
            yield path, NOT_WRITABLE
        elif not _HAVE_READERS.intersection(path):
            try:
                (refuse_acting_in_prose if path[-1:] == _PROSE else refuse_acting)(value)
            except RuleError as error:
                yield path, str(error)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _unwritable(part, (*path, key))
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _unwritable(part, (*path, index))


async def check_mine(
    conn: AsyncConnection, what: str, section: str, row: ListRow | GroupRow, expected_version: int | None
) -> None:
    """Raise StaleVersion when it changed since the caller looked, OwnedByFile when the API cannot change it."""
    if expected_version is not None and expected_version != row.version:
        raise StaleVersion(what)
    if row.origin == "file":
        source = (await read_file_policy(conn)).get("source")
        raise OwnedByFile(what, f"edit {section} in {source}" if source else f"edit {section} there")
