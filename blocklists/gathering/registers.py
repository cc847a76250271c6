"""A register of providers, as far as a catalogue of names needs it: who is in it, and with which hosts."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from resolver.errors import CatalogueError

MOST_OCTETS: Final = 16 * 1024 * 1024
"""Size of a file up to which it is read; LiteLLM's, the largest, has 2 MB."""

MOST_FILES: Final = 20_000
"""Files up to which a folder is read; models.dev has 10,000, most of them of models."""

MOST_PROVIDERS: Final = 20_000
"""Providers (or services of a list) that a register may have; the largest has 300."""

MOST_NAMES: Final = 100_000
"""Addresses and names that a register may have."""

MOST_YAML_OCTETS: Final = 4 * 1024 * 1024
"""Size up to which YAML is read, which takes ten seconds a megabyte; AdGuard's files have 2 KB."""

MOST_TOML_OCTETS: Final = 64 * 1024
"""Size up to which TOML is read, whose reader takes minutes over a key of a megabyte; models.dev's files have 1 KB."""

_LONGEST: Final = 4_000  # of a text of a register


class RegisterForm(enum.StrEnum):
    """Form of a register's files."""

    MODELS_DEV = "models.dev"  # providers/*/provider.toml
    CLIENT_LIST = "client-list"  # a client's source in TypeScript, as Cline's providers.generated.ts
    CATWALK = "catwalk"  # one JSON file a provider
    LITELLM = "litellm"  # model_prices_and_context_window.json, or providers.json
    V2FLY = "v2fly"  # data/NAME
    ADGUARD = "adguard"  # services.json, or one YAML file a service
    TABLE = "table"  # columns with tabs between


class ToldReach(enum.StrEnum):
    """Names that an address or a line stands for."""

    HOST = "host"  # that of an address, or of a line that means only this name
    BELOW = "below"  # the name and all below
    PATTERN = "pattern"  # an expression or a part of a name: no rule follows from it
    TRACKING = "tracking"  # a list says that it measures or advertises


@dataclass(frozen=True, slots=True)
class Told:
    """A name or an address as a register tells it. `at` is file and line."""

    text: str
    at: str
    reach: ToldReach = ToldReach.HOST


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider in a register. `documents` are addresses that tell about it, and that nobody's client calls."""

    id: str
    name: str
    addresses: tuple[Told, ...]
    documents: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a register is from. `path` is that within its repository; `date` is the revision's."""

    name: str
    path: str
    revision: str
    date: datetime.date

    @property
    def source(self) -> str:
        """The text of an entry's `source`."""
        return f"{self.name} {self.path} @{self.revision}"


@dataclass(frozen=True, slots=True)
class Register:
    """All of a register. `is_list`: it was made to filter, so it says nothing of whose a name is.

    `is_whole`: what it does not have, it has no more; else only a part was read.
    """

    provenance: Provenance
    providers: tuple[Provider, ...]
    is_list: bool
    is_whole: bool


def read_text(path: Path, called: str | None = None, most: int | None = None) -> str:
    """The text of a file. Raises CatalogueError with the file if it is too large, no UTF-8, or not to be read."""
    where = called or str(path)
    limit = most or MOST_OCTETS
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise CatalogueError(f"{where}: cannot be read: {error.strerror}") from error
    if len(content) > limit:
        raise CatalogueError(f"{where}: more than {limit} octets: name the file of the register itself")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise CatalogueError(f"{where}:{line}: no UTF-8: name the file of the register, not an archive") from error


def bounded(providers: list[Provider], where: str) -> tuple[Provider, ...]:
    """The providers. Raises CatalogueError if there are none, or too many of them or of their addresses."""
    if not providers:
        raise CatalogueError(f"{where}: no provider in it: is it the right file?")
    names = sum(len(one.addresses) + len(one.documents) for one in providers)
    if len(providers) > MOST_PROVIDERS or names > MOST_NAMES:
        raise CatalogueError(
            f"{where}: {len(providers)} providers, {names} names: at most {MOST_PROVIDERS} and {MOST_NAMES} are read"
        )
    return tuple(
        Provider(_plain(one.id), _plain(one.name), _plain_told(one.addresses), _plain_told(one.documents))
        for one in providers
    )


def _plain(text: str) -> str:
    """A text that can be shown and written: what cannot (control characters, half of a pair) is replaced."""
    short = text[:_LONGEST]
    return short if short.isprintable() else "".join(one if one.isprintable() else "\ufffd" for one in short)


def _plain_told(told: tuple[Told, ...]) -> tuple[Told, ...]:
    return tuple(Told(_plain(one.text), _plain(one.at), one.reach) for one in told)


def line_of(text: str, needle: str) -> int:
    """The line on which a text first stands, from 1; 1 where it does not."""
    at = text.find(needle)
    return text.count("\n", 0, at) + 1 if at >= 0 else 1
