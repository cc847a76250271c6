"""Standing openings: ways in which groups, lists and the config let more through than the built-in default, over time.

One that stood before the period begins is told with its own beginning, as far back as the audit trail is looked at.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from admin_api.evidence.allowed import Allowed, some_of
from admin_api.evidence.deeds import Deed
from admin_api.evidence.in_force import ForceHistory
from admin_api.evidence.lines import Period, StandingLine, text_of
from admin_api.second_owner.groups import CLOSED, Facts, opened
from admin_api.second_owner.local_names import LocalFacts, local_opened
from admin_api.store.policy import DEFAULT_BLOCK, DEFAULT_RESPONSE
from admin_api.store.rules import AllowRules
from admin_api.store.states import UNWATCHED
from resolver.config.local_schema import record_of
from resolver.config.own_names import OwnNames
from resolver.policy.snapshot import PolicySnapshot
from resolver.wire.local_records import BY_API, LocalRecord

GROUP, LIST, LOCAL, CONFIG = "group", "list", "local", "config"

State = Mapping[str, Any]
Phrases = Callable[[State], Iterable[str]]

_DEFAULT: Final = "default"
_UNSAID: Final[State] = {"networks": [], "client_names": [], "exempt": False, "mode": "enforce", "block": None}
_STRICT: Final[State] = {"schedule": None, "allow": [], "response": None, **UNWATCHED, **_UNSAID}
"""A group of which nothing is said, as what an earlier version of moatdns left out of its rows."""


@dataclass(frozen=True, slots=True)
class StandingRecords:
    """Groups, lists, local names and the config file's policy as they are now, and the rows that tell of them.

    `before` are rows of before the period, as many as are looked at; `deeds` are all since its beginning.
    """

    groups: Mapping[str, State]
    lists: Mapping[str, State]
    local: Mapping[str, State]
    local_of_config: Sequence[LocalRecord]
    file_policy: State
    before: Sequence[Deed]
    deeds: Sequence[Deed]
    allowing: Sequence[AllowRules]
    allowed_of: Callable[[str], Allowed | None]  # allow rules of a content file; None: it is no longer there
    policy: PolicySnapshot | None  # of now, by which local names are judged; None: in doubt each opens something
    own: OwnNames  # of now: the API's local names outside are others'


@dataclass(frozen=True, slots=True)
class _Stood:
    """Something that stood for a while; `began` None: since before what is looked at."""

    name: str
    phrase: str
    began: datetime | None
    ended: datetime | None
    deed: Deed | None


def standing_lines(
    records: StandingRecords, known: ForceHistory, facts: Facts, period: Period, group: str | None
) -> Iterator[StandingLine]:
    """All of them, of one group (and, where it blocks what `default` does, of that one), or of all."""
    stood = _Standing(records, known, period)
    wanted = None if group is None else _concerned(records, group)
    # What a group says for itself alone: lists, exemptions and pauses have lines of their own.
    alone = dataclasses.replace(
        facts,
        response=DEFAULT_RESPONSE,
        opening_lists=frozenset(),
        exempt_groups=frozenset(),
        paused_groups=frozenset(),
        all_paused=False,
    )
    for one in stood.of("groups", records.groups, lambda state: group_phrases(state, alone)):
        if wanted is None or one.name in wanted:
            yield from _line(GROUP, one.name, f"group {one.name!r} {one.phrase}", one, period)
    for one in stood.of("lists", records.lists, lambda state: _list_phrases(state, records.allowed_of)):
        yield from _line(LIST, None, f"list {one.name!r} {one.phrase}", one, period)
    judge = LocalFacts(policy=records.policy, own=records.own)
    for one in stood.of("local", records.local, lambda state: local_phrases(state, judge)):
        yield from _line(LOCAL, None, one.phrase, one, period)
    by_root = LocalFacts(policy=records.policy)  # who may call any domain his own, in the same file
    for phrase in local_opened({one.name: None for one in records.local_of_config}, records.local_of_config, by_root):
        yield StandingLine(CONFIG, None, f"the config: {phrase}", None, None, None, None, "the config file of now")
    for one in stood.of("policy", {"": records.file_policy}, _config_phrases):
        yield from _line(CONFIG, None, one.phrase, one, period)
    for one in stood.allowing():
        yield from _line(LIST, None, f"list {one.name!r} {one.phrase}", one, period)


def group_phrases(state: State, facts: Facts) -> Iterator[str]:
    """Openings of a group by itself, held against one that blocks all that the built-in default does."""
    will = {**_STRICT, **state}
    if will["block"] is None:
        will["block"] = list(facts.default_block)  # what `default` leaves open is told of that group
    strict = {**_STRICT, "name": will["name"], "block": list(DEFAULT_BLOCK)}
    yield from opened(strict, will, {}, {}, facts)
    if will["monitor"] and will["mode"] != "monitor":
        until = f" until {will['monitor_until']}" if will["monitor_until"] else ""
        yield f"only watches {some_of(will['monitor'])}{until}, unless blocked otherwise"


def local_phrases(state: State, judge: LocalFacts) -> list[str]:
    """Openings by a local name by itself: where it is others', or the policy has rules for it or its target."""
    given = tuple(state["addresses"]) if state["alias"] is None else (state["alias"],)
    return local_opened({state["name"]: None}, [record_of(state["name"], given, BY_API)], judge)


def _list_phrases(state: State, allowed_of: Callable[[str], Allowed | None]) -> Iterator[str]:
    if not state.get("enabled"):
        yield "is disabled: its rules do not count"
        return
    content = state.get("content")
    if state.get("kind") == "subscription":
        if content is None:
            yield "blocks nothing: no copy of it has been fetched"
    elif content is not None:
        allowed = allowed_of(str(content))
        if allowed is None:
            yield f"of the config file has {state.get('rules')} rules that are not kept: which allow, is not known"
        elif allowed.count:
            yield f"of the config file allows {some_of(allowed.names, allowed.count)}"


def local_phrase(state: State) -> str:
    """The answer to a local name, in a phrase: before the policy, whichever rules there are for it."""
    return f"is answered by {state['alias'] or some_of(state['addresses'])}, whatever the policy says"


def _config_phrases(state: State) -> Iterator[str]:
    if vendors := state.get("own_vendors"):
        yield f"own_vendors: catalogue and fetched lists do not block {some_of(sorted(vendors))}"
    mode = (state.get("response") or DEFAULT_RESPONSE)["mode"]
    if mode not in CLOSED:
        yield f"blocked names are answered by {mode}, where a group says nothing else"


def _concerned(records: StandingRecords, group: str) -> set[str]:
    then = [state for deed in records.deeds if deed.kind == "groups" and deed.name == group for state in _states(deed)]
    states = [records.groups.get(group), *then]
    return {group} | ({_DEFAULT} if any(state and state.get("block") is None for state in states) else set())


def _states(deed: Deed) -> tuple[State | None, State | None]:
    return deed.before, deed.after


class _Standing:
    """Openings that stood, by the rows of the trail."""

    def __init__(self, records: StandingRecords, known: ForceHistory, period: Period) -> None:
        self._records = records
        self._known = known
        self._start = period.start
        of_lists = [deed for deed in records.deeds if _is_state(deed, "lists")]
        states = [*records.lists.items(), *((deed.name, state) for deed in of_lists for state in _states(deed))]
        # Lists that are enabled, or were at some time of the period.
        self._counted = {name for name, state in states if state is not None and state.get("enabled")}

    def of(self, kind: str, now: Mapping[str, State], phrases: Phrases) -> Iterator[_Stood]:
        """Everything of a kind of object that its states say, from when to when."""
        deeds = [deed for deed in self._records.deeds if _is_state(deed, kind)]
        at_start = _undone(now, deeds)
        stands = self._before(kind, at_start, phrases)
        for deed in deeds:
            had = stands.pop(deed.name, {})
            said = list(phrases(deed.after)) if deed.after is not None else []
            at = self._known.begins(deed.at)
            for phrase, (began, by) in had.items():
                if phrase not in said:
                    yield _Stood(deed.name, phrase, began, at if began is None else max(at, began), by)
            stands[deed.name] = {phrase: had.get(phrase, (at, deed)) for phrase in said}
        for name, said_now in stands.items():
            for phrase, (began, by) in said_now.items():
                yield _Stood(name, phrase, began, None, by)

    def _before(
        self, kind: str, at_start: Mapping[str, State], phrases: Phrases
    ) -> dict[str, dict[str, tuple[datetime | None, Deed | None]]]:
        """Openings that stand when the period begins, each with its own begin and the row that made it."""
        said = {name: list(phrases(state)) for name, state in at_start.items()}
        found: dict[str, dict[str, tuple[datetime | None, Deed | None]]] = {}
        for deed in self._records.before:
            if not _is_state(deed, kind) or not said.get(deed.name):
                continue
            was = found.get(deed.name)
            if was is None:
                was = dict.fromkeys(phrases(deed.before), (None, None)) if deed.before is not None else {}
            after = phrases(deed.after) if deed.after is not None else ()
            found[deed.name] = {phrase: was.get(phrase, (deed.at, deed)) for phrase in after}
        return {
            name: {phrase: found.get(name, {}).get(phrase, (None, None)) for phrase in some}
            for name, some in said.items()
        }

    def allowing(self) -> Iterator[_Stood]:
        """Allow rules of lists that the API owns, from before the period: those that are there, and those that went."""
        rows = {row.revision: row for row in self._known.stored}
        deeds = {deed.request_id: deed for deed in self._records.before if deed.request_id}
        for one in self._records.allowing:
            row = rows.get(one.revision)  # of an earlier one nothing is kept
            if one.name in self._counted and (row is None or row.at < self._start):
                phrase = f"allows {some_of(one.names, one.count)}"
                deed = deeds.get(row.request_id) if row and row.request_id else None
                yield _Stood(one.name, phrase, row.at if row else None, None, deed)
        yield from self._gone()

    def _gone(self) -> Iterator[_Stood]:
        added: dict[tuple[str, str], Deed] = {}
        for deed in (*self._records.before, *self._records.deeds):
            if deed.kind != "lists":
                continue
            for rule in ((deed.after or {}).get("added") or {}).get("allow") or ():
                added[deed.name, rule] = deed
            removed = ((deed.before or {}).get("removed") or {}).get("allow") or ()
            if deed.action == "delete":
                removed = [rule for name, rule in added if name == deed.name]
            for rule in removed:
                by = added.pop((deed.name, rule), None)
                is_of_before = by is None or by.at < self._start
                if deed.at >= self._start and is_of_before and deed.name in self._counted:
                    ended = self._known.begins(deed.at)
                    yield _Stood(deed.name, f"allows {rule}", by.at if by else None, ended, by)


def _is_state(deed: Deed, kind: str) -> bool:
    """Whether a row has a whole state of such an object."""
    if deed.kind != kind:
        return False
    if kind == "policy":
        return deed.action == "provision" and not deed.name
    return any(state is not None and "name" in state for state in _states(deed))


def _undone(now: Mapping[str, State], deeds: Sequence[Deed]) -> dict[str, State]:
    states = dict(now)
    for deed in reversed(deeds):
        if deed.before is None:
            states.pop(deed.name, None)
        else:
            states[deed.name] = deed.before
    return states


def _line(kind: str, group: str | None, what: str, stood: _Stood, period: Period) -> Iterator[StandingLine]:
    ended, deed = stood.ended, stood.deed
    until = _watched_until(stood)
    if until is not None and (ended is None or until < ended):
        ended = until
    if not period.touches(stood.began or min(period.start, ended or period.start), ended):
        return
    yield StandingLine(
        kind,
        group,
        what,
        text_of(stood.began),
        text_of(ended),
        deed.by if deed else None,
        deed.approved_by if deed else None,
        deed.source if deed else "the store",
    )


def _watched_until(stood: _Stood) -> datetime | None:
    """When sets are no longer only watched, by themselves."""
    watched, _, until = stood.phrase.partition(" until ")
    if not watched.startswith("only watches ") or not until:
        return None
    return datetime.fromisoformat(until.partition(",")[0]).astimezone(UTC)
