"""A source as a person names it: where it is, its form, and where it is from."""

from __future__ import annotations

import datetime
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blocklists.gathering.client_list import read_client_list
from blocklists.gathering.filter_lists import read_adguard, read_v2fly
from blocklists.gathering.registers import Provenance, Provider, Register, RegisterForm, read_text
from blocklists.gathering.structured import read_catwalk, read_json, read_litellm, read_models_dev
from blocklists.gathering.tables import read_tables
from resolver.errors import CatalogueError

_READERS: Final[Mapping[RegisterForm, Callable[[Path], tuple[Provider, ...]]]] = {
    RegisterForm.MODELS_DEV: read_models_dev,
    RegisterForm.CLIENT_LIST: read_client_list,
    RegisterForm.CATWALK: read_catwalk,
    RegisterForm.LITELLM: read_litellm,
    RegisterForm.V2FLY: read_v2fly,
    RegisterForm.ADGUARD: read_adguard,
}
_NAMES: Final = {  # of the repository that each form comes from, unless told otherwise
    RegisterForm.MODELS_DEV: "anomalyco/models.dev",
    RegisterForm.CLIENT_LIST: "cline/cline",
    RegisterForm.CATWALK: "charmbracelet/catwalk",
    RegisterForm.LITELLM: "BerriAI/litellm",
    RegisterForm.V2FLY: "v2fly/domain-list-community",
    RegisterForm.ADGUARD: "AdguardTeam/HostlistsRegistry",
}
_LISTS: Final = frozenset((RegisterForm.V2FLY, RegisterForm.ADGUARD))
_SETTINGS: Final = ("form", "name", "revision", "date", "path")
_SETTING = re.compile(rf",({'|'.join(_SETTINGS)})=")
_REMOTE = re.compile(r"[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?\Z")
_GIT_SECONDS: Final = 20


@dataclass(frozen=True, slots=True)
class NamedSource:
    """A source of the command line: ``PATH[,form=…][,name=…][,path=…][,revision=…][,date=…]``."""

    path: Path
    settings: Mapping[str, str]

    @classmethod
    def parsed(cls, text: str) -> NamedSource:
        """Read a source. Raises CatalogueError."""
        where, *rest = _SETTING.split(text)
        settings = dict(zip(rest[::2], rest[1::2], strict=True))
        if not where or not Path(where).exists():
            raise CatalogueError(
                f"{where or text}: no such file or folder; behind its path may stand ,{'=…,'.join(_SETTINGS)}=…"
            )
        return cls(Path(where), settings)


def read_registers(text: str) -> list[Register]:
    """The registers of a source; a table may have several. Raises CatalogueError."""
    asked = NamedSource.parsed(text)
    form = _form(asked)
    if form is RegisterForm.TABLE:
        return read_tables(asked.path)
    providers = _READERS[form](asked.path)
    is_whole = form is not RegisterForm.ADGUARD and (
        asked.path.is_dir() or form not in (RegisterForm.MODELS_DEV, RegisterForm.CATWALK)
    )
    return [Register(_provenance(asked, form), providers, form in _LISTS, is_whole)]


def _form(asked: NamedSource) -> RegisterForm:
    if told := asked.settings.get("form"):
        if told not in list(RegisterForm):
            raise CatalogueError(f"{asked.path}: form={told}: known are {', '.join(RegisterForm)}")
        return RegisterForm(told)
    found = _form_of_folder(asked.path) if asked.path.is_dir() else _form_of_file(asked.path)
    if found is None:
        raise CatalogueError(
            f"{asked.path}: not the form of a known register; say it by ,form= ({', '.join(RegisterForm)})"
        )
    return found


def _form_of_folder(path: Path) -> RegisterForm | None:
    for form, patterns in (
        (RegisterForm.MODELS_DEV, ("providers/*/provider.toml", "*/provider.toml")),
        (RegisterForm.CATWALK, ("internal/providers/configs/*.json", "*.json")),
        (RegisterForm.ADGUARD, ("*.yml", "*.yaml")),
        (RegisterForm.V2FLY, ("category-ai-*",)),
    ):
        if any(next(path.glob(pattern), None) for pattern in patterns):
            return form
    return None


def _form_of_file(path: Path) -> RegisterForm | None:
    suffixes = {
        ".toml": RegisterForm.MODELS_DEV,
        ".ts": RegisterForm.CLIENT_LIST,
        ".js": RegisterForm.CLIENT_LIST,
        ".mjs": RegisterForm.CLIENT_LIST,
        ".yml": RegisterForm.ADGUARD,
        ".yaml": RegisterForm.ADGUARD,
        ".tsv": RegisterForm.TABLE,
    }
    if path.suffix == ".json":
        return _form_of_json(read_json(path)[1])
    if path.suffix in suffixes:
        return suffixes[path.suffix]
    first = next((line for line in read_text(path).splitlines() if line.strip() and not line.startswith("#")), "")
    return RegisterForm.V2FLY if re.match(r"(include:|full:|domain:|keyword:|regexp:)?[\w.!-]+(\s|\Z)", first) else None


def _form_of_json(data: object) -> RegisterForm | None:
    if not isinstance(data, dict):
        return None
    if "blocked_services" in data:
        return RegisterForm.ADGUARD
    if "api_endpoint" in data or ("id" in data and "models" in data):
        return RegisterForm.CATWALK
    values = [value for value in data.values() if isinstance(value, dict)]
    return (
        RegisterForm.LITELLM
        if any(value.keys() & {"litellm_provider", "base_url", "api_base"} for value in values)
        else None
    )


def _provenance(asked: NamedSource, form: RegisterForm) -> Provenance:
    """Provenance of the register: as the person says, and as git says where no person does."""
    settings = {**_git(asked.path), **asked.settings}
    missing = [key for key in ("revision", "date") if key not in settings]
    if missing:
        raise CatalogueError(
            f"{asked.path}: {' and '.join(missing)} unknown: give a git checkout of the register, or "
            f"{asked.path}" + "".join(f",{key}=…" for key in missing)
        )
    try:
        date = datetime.date.fromisoformat(settings["date"])
    except ValueError as error:
        raise CatalogueError(f"{asked.path}: date={settings['date']}: expected a date such as 2026-11-01") from error
    patterns = {
        RegisterForm.MODELS_DEV: "providers/*/provider.toml",
        RegisterForm.CATWALK: "internal/providers/configs/*.json",
    }
    path = settings.get("path") or patterns.get(form, asked.path.name)
    if form is RegisterForm.V2FLY:
        path = f"data/{asked.path.name}"
    if bad := next(
        (text for text in (settings["revision"], settings.get("name", ""), path) if not _is_plain(text)), None
    ):
        raise CatalogueError(f"{asked.path}: {json.dumps(bad[:60])}: expected up to 200 printable characters")
    return Provenance(settings.get("name") or _NAMES[form], path, settings["revision"], date)


def _is_plain(text: str) -> bool:
    return text.isprintable() and len(text) <= 200


def _git(path: Path) -> dict[str, str]:
    """Name, revision and date of the checkout that a path is in; nothing where it is in none, or in moatdns' own."""
    folder = path if path.is_dir() else path.parent
    git = shutil.which("git")
    if git is None:
        return {}

    def asked(*words: str) -> str:
        done = subprocess.run(  # noqa: S603  a fixed program, and a folder behind -C
            [git, "-C", str(folder), *words], capture_output=True, text=True, timeout=_GIT_SECONDS, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    top = asked("rev-parse", "--show-toplevel")
    if not top or (Path(top) / "blocklists" / "gathering").is_dir():
        return {}
    revision, _, date = asked("log", "-1", "--format=%h %cs").partition(" ")
    remote = _REMOTE.search(asked("config", "--get", "remote.origin.url"))
    found = {"revision": revision[:8], "date": date} if date else {}
    return {**found, **({"name": remote.group(1)} if remote else {})}
