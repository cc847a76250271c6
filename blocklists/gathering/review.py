"""The review file: findings for a person to decide, as YAML."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from blocklists.catalogue import SERVICE_KINDS, SURFACES
from blocklists.gathering.findings import Comparison, RegisterChange, RegisterFinding, Seen
from blocklists.gathering.registers import MOST_YAML_OCTETS, Register, read_text
from resolver.errors import CatalogueError

FOLDERS: Final = ("vendors", "resellers", "clouds")
_DECISIONS: Final = ("accept", "decline")
_MOST_FINDINGS: Final = 20_000
_HEAD: Final = """\
# What registers of providers say and the catalogue does not. Set `decision:` of each finding to accept or decline; one
# without a decision is asked again. Before you accept, look whose the name is, and mend what is proposed:
#   rule      wider (foo.ai) where the whole domain is this service, narrower (=api.foo.ai) where others stand below it
#   vendor    of an entry that is new: that of a file in `folder` (vendors, resellers, clouds), or a new one
#   confirmed where the owner says so; needed if the name stands only in lists that were made to filter
# new: a provider that the catalogue does not have. moved: a host of one that it has. gone: an entry that its register
# has no more; accept takes it out, decline keeps it. Then: python -m blocklists.gather --accept THIS-FILE
"""


@dataclass(frozen=True, slots=True)
class DecidedFinding:
    """One finding as a person left it. `decision` is accept, decline or empty; `why` is for what is declined."""

    at: str
    decision: str
    change: RegisterChange
    host: str
    rule: str
    folder: str
    vendor: str
    service: str
    name: str
    kind: str
    surface: str
    is_listed_only: bool
    confirmed: str
    why: str
    seen_in: tuple[Seen, ...]


def review_text(comparison: Comparison, registers: Iterable[Register], today: datetime.date) -> str:
    """The review file's text."""
    origins = [
        {**dataclasses.asdict(register.provenance), "providers": len(register.providers)} for register in registers
    ]
    findings = [_plain(finding) for finding in comparison.findings]
    left_out = [{**dataclasses.asdict(one), "why": one.why.value} for one in comparison.left_out]
    data = {"made": today, "registers": origins, "findings": findings, "left_out": left_out}
    return _HEAD + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1_000)


def _plain(finding: RegisterFinding) -> dict[str, object]:
    proposed: dict[str, object] = {"change": finding.change.value, "host": finding.host, "decision": ""}
    proposed["rule"] = finding.rule
    if finding.change is RegisterChange.NEW:
        proposed["folder"] = "resellers"
    proposed |= {"vendor": finding.vendor, "service": finding.service, "name": finding.name}
    if finding.change is RegisterChange.NEW:
        proposed["kind"] = "model-api"
    proposed["surface"] = finding.surface
    if finding.is_listed_only:
        proposed |= {"listed_only": True, "confirmed": ""}
    proposed["why"] = ""
    proposed["seen_in"] = [dataclasses.asdict(seen) for seen in finding.seen_in]
    return proposed


def read_review(path: Path) -> list[DecidedFinding]:
    """The findings of a review file. Raises CatalogueError with file and line."""
    text = read_text(path, most=MOST_YAML_OCTETS)
    try:
        loader = _Loader(text)
        try:
            data = loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise CatalogueError(f"{path}:{line}: not readable as YAML: {getattr(error, 'problem', error)}") from error
    findings = data.get("findings") if isinstance(data, dict) else None
    if not isinstance(findings, list) or len(findings) > _MOST_FINDINGS:
        raise CatalogueError(f"{path}:1: expected a review file, with at most {_MOST_FINDINGS} 'findings'")
    return [_decided(path, one) for one in findings]


_LINE: Final = "__line__"


class _Loader(yaml.SafeLoader):
    """SafeLoader that notes each mapping's line."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        return {**super().construct_mapping(node, deep), _LINE: node.start_mark.line + 1}


def _decided(path: Path, one: object) -> DecidedFinding:
    if not isinstance(one, dict):
        raise CatalogueError(
            f"{path}: findings: expected mappings with 'change', 'host' and 'decision', not {one!r:.60}"
        )
    at = f"{path}:{one[_LINE]}"

    def text(key: str, known: Iterable[str] = ()) -> str:
        value = one.get(key)
        if value is None:
            value = ""
        if not isinstance(value, str) or (known and value not in known):
            raise CatalogueError(f"{at}: {key}: {value!r:.60}: expected {', '.join(known) or 'text'}")
        return " ".join(value.split())

    decision = text("decision", ("", *_DECISIONS))
    change = RegisterChange(text("change", list(RegisterChange)))
    is_new = change is RegisterChange.NEW
    seen_in = one.get("seen_in")
    if not isinstance(seen_in, list) or not seen_in:
        raise CatalogueError(f"{at}: seen_in: expected a list of the places in registers")
    decided = DecidedFinding(
        at=at,
        decision=decision,
        change=change,
        host=text("host"),
        rule=text("rule"),
        folder=text("folder", FOLDERS) if is_new else "",
        vendor=text("vendor"),
        service=text("service"),
        name=text("name"),
        kind=text("kind", SERVICE_KINDS) if is_new else "",
        surface=text("surface", SURFACES),
        is_listed_only=one.get("listed_only") is True,
        confirmed=text("confirmed"),
        why=text("why"),
        seen_in=tuple(_seen(at, place) for place in seen_in),
    )
    if missing := next((key for key in ("host", "rule", "vendor", "service") if not getattr(decided, key)), None):
        raise CatalogueError(f"{at}: {missing}: expected text")
    if decision == "accept" and decided.is_listed_only and not decided.confirmed:
        raise CatalogueError(
            f"{at}: {decided.host}: stands only in lists that were made to filter: say under 'confirmed' where its "
            "owner names it, or decline it"
        )
    return decided


def _seen(at: str, place: object) -> Seen:
    fields = [field.name for field in dataclasses.fields(Seen)]
    if not isinstance(place, dict):
        raise CatalogueError(f"{at}: seen_in: expected mappings with {', '.join(fields)}")
    date = place.get("date")
    if not isinstance(date, datetime.date) or isinstance(date, datetime.datetime):
        raise CatalogueError(f"{at}: seen_in: date: expected a date such as 2026-11-01")
    texts = {key: place.get(key) for key in fields if key != "date"}
    if bad := next((key for key, value in texts.items() if not isinstance(value, str)), None):
        raise CatalogueError(f"{at}: seen_in: {bad}: expected text")
    return Seen(date=date, **{key: str(value) for key, value in texts.items()})
