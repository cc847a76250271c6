"""Standing openings: what stood open when a period began, since when, and until when."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admin_api.evidence.allowed import Allowed
from admin_api.evidence.deeds import Deed
from admin_api.evidence.in_force import ForceHistory
from admin_api.evidence.lines import Period, StandingLine
from admin_api.evidence.standing import StandingRecords, group_phrases, standing_lines
from admin_api.store.revisions import RevisionRow
from admin_api.store.rules import AllowRules
from blocklists.sources import compile_policy
from resolver.config.own_names import OwnNames
from resolver.config.policy_schema import Policy
from resolver.policy.compiler import policy_in_memory
from resolver.policy.snapshot import PolicySnapshot
from resolver.wire.local_records import BY_KEY, LocalRecord
from tests.unit.admin_api.conftest import Served
from tests.unit.admin_api.states import group_state
from tests.unit.admin_api.test_openings import FACTS
from tests.unit.bundled import bundled_catalogue

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
PERIOD = Period(START, START + 28 * DAY, START + 60 * DAY)


def deed(row: int, at: datetime, action: str, what: str, before: Any, after: Any) -> Deed:
    kind, _, name = what.partition("/")
    return Deed(row, at, action, kind, name, before, after, f"row {row}", None, None, f"r{row}")


def told(
    group: str | None = None,
    *,
    groups: Mapping[str, Any] | None = None,
    lists: Mapping[str, Any] | None = None,
    deeds: Sequence[Deed] = (),
    allowing: Sequence[AllowRules] = (),
    stored: Sequence[RevisionRow] = (),
    file_policy: Any = None,
    local: Mapping[str, Any] | None = None,
    of_config: Sequence[LocalRecord] = (),
) -> dict[str, StandingLine]:
    """Lines by what they say, of deeds in their order."""
    before = [one for one in deeds if one.at < START]
    since = [one for one in deeds if one.at >= START]
    contents = {"c1": Allowed(("fine.example",), 1), "c0": Allowed((), 0)}
    now = groups or {}, lists or {}, local or {}, of_config, file_policy or {}
    records = StandingRecords(
        *now, before, since, allowing, contents.get, policy(), OwnNames(("office.example", "claude.ai"))
    )
    lines = list(standing_lines(records, ForceHistory(stored, []), FACTS, PERIOD, group))
    assert len({line.what for line in lines}) == len(lines)
    return {line.what: line for line in lines}


@functools.cache
def policy() -> PolicySnapshot:
    return policy_in_memory(*compile_policy(Policy().model_dump(mode="json"), bundled_catalogue()))


def times(line: StandingLine) -> tuple[str | None, str | None]:
    return line.begins and line.begins[:10], line.ends and line.ends[:10]


def test_a_group_that_blocked_nothing_long_before_the_period_stands_with_its_true_begin() -> None:
    strict, idle = group_state("guests"), group_state("guests", block=[])
    renamed = {**idle, "description": "of the hotel"}
    deeds = [
        deed(3, START - 90 * DAY, "create", "groups/guests", None, strict),
        deed(5, START - 60 * DAY, "update", "groups/guests", strict, idle),
        deed(8, START - 30 * DAY, "update", "groups/guests", idle, renamed),
        deed(12, START + 7 * DAY, "update", "groups/guests", renamed, strict),
    ]
    (line,) = told(groups={"guests": strict}, deeds=deeds).values()
    assert line.what == "group 'guests' does not block ai, bypass, lists"
    assert times(line) == ("2026-01-01", "2026-03-09")
    assert (line.by, line.source, line.group) == ("row 5", "audit row 5", "guests")


def test_what_stands_since_before_what_is_looked_at_has_no_begin() -> None:
    found = told(groups={"lab": group_state("lab", exempt=True, mode="enforce"), "all": group_state("all")})
    (line,) = found.values()
    assert (line.what, line.begins, line.ends, line.by) == ("group 'lab' is exempt", None, None, None)


def test_a_group_that_is_enforced_after_a_time_of_watching_still_stands_open_by_what_it_does_not_block() -> None:
    watched = group_state("sales", mode="monitor", block=[])
    enforced = {**watched, "mode": "enforce"}
    deeds = [deed(4, START + 3 * DAY, "update", "groups/sales", watched, enforced)]
    found = told(groups={"sales": enforced}, deeds=deeds)
    assert {what: times(line) for what, line in found.items()} == {
        "group 'sales' only watches": (None, "2026-03-05"),
        "group 'sales' does not block ai, bypass, lists": (None, None),
    }


def test_sets_that_are_watched_until_a_time_stand_until_then() -> None:
    state = group_state("lab", monitor=["clouds"], monitor_until="2026-03-10T00:00:00Z")
    made = deed(2, START - DAY, "create", "groups/lab", None, state)
    (line,) = told(groups={"lab": state}, deeds=[made]).values()
    assert times(line) == ("2026-03-01", "2026-03-10")
    over = {**state, "monitor_until": "2026-02-10T00:00:00Z"}
    assert told(groups={"lab": over}) == {}


def test_of_one_group_the_default_is_told_where_it_blocks_what_that_does() -> None:
    open_default = group_state("default", block=["ai"])
    groups = {"default": open_default, "follows": group_state("follows"), "own": group_state("own", block=["bypass"])}
    assert {line.group for line in told("follows", groups=groups).values()} == {"default"}
    assert {line.group for line in told("own", groups=groups).values()} == {"own"}
    assert told("follows", groups={**groups, "default": group_state("default")}) == {}


def a_list(name: str = "feed", **said: Any) -> dict[str, Any]:
    return {"name": name, "kind": "own", "origin": "api", "enabled": True, "rules": 7, **said}


def test_disabled_lists_and_those_without_a_copy_stand_open() -> None:
    off, on = a_list(enabled=False), a_list()
    deeds = [
        deed(2, START - DAY, "update", "lists/feed", on, off),
        deed(9, START + DAY, "update", "lists/feed", off, on),
    ]
    fetched = a_list("far", kind="subscription", rules=0)
    found = told(lists={"feed": on, "far": fetched}, deeds=deeds)
    assert {what: times(line) for what, line in found.items()} == {
        "list 'feed' is disabled: its rules do not count": ("2026-03-01", "2026-03-03"),
        "list 'far' blocks nothing: no copy of it has been fetched": (None, None),
    }


def test_allow_rules_stand_since_the_revision_that_added_them_and_until_they_are_removed() -> None:
    stored = [
        RevisionRow(4, START - 9 * DAY, "token:ana", "r3", ("add rules lists/house",)),
        RevisionRow(6, START + 2 * DAY, "token:ana", "r9", ("add rules lists/house",)),
    ]

    def rules(row: int, days: int, name: str, *, added: Sequence[str] = (), removed: Sequence[str] = ()) -> Deed:
        action = "add rules" if added else "remove rules"
        states = {"removed": {"allow": [*removed]}}, {"added": {"allow": [*added]}}
        return deed(row, START + days * DAY, action, f"lists/{name}", *states)

    deeds = [
        rules(3, -9, "house", added=["a.example", "gone.example"]),
        rules(9, 2, "house", added=["new.example", "brief.example"]),
        rules(10, 3, "house", removed=["gone.example", "brief.example"]),
        rules(11, 3, "old", removed=["older.example"]),
    ]
    allowing = [
        AllowRules("house", 0, 2, ("ancient.example",)),
        AllowRules("house", 4, 1, ("a.example",)),
        AllowRules("house", 6, 1, ("new.example",)),
        AllowRules("off", 4, 1, ("off.example",)),
    ]
    lists = {name: a_list(name) for name in ("house", "old")} | {"off": a_list("off", enabled=False)}
    found = told(lists=lists, deeds=deeds, allowing=allowing, stored=stored)
    assert {what: times(line) for what, line in found.items()} == {
        "list 'house' allows ancient.example and 1 more": (None, None),
        "list 'house' allows a.example": ("2026-02-21", None),
        "list 'house' allows gone.example": ("2026-02-21", "2026-03-05"),
        "list 'old' allows older.example": (None, "2026-03-05"),
        "list 'off' is disabled: its rules do not count": (None, None),
    }
    assert found["list 'house' allows a.example"].by == "row 3"


def test_lists_of_the_config_file_tell_what_they_allow_while_it_is_there() -> None:
    lists = {name: a_list(name, origin="file", content=name) for name in ("c0", "c1", "c9")}
    found = told(lists=lists, file_policy={"own_vendors": ["meta"], "response": {"mode": "refused"}})
    assert found.keys() == {
        "list 'c1' of the config file allows fine.example",
        "list 'c9' of the config file has 7 rules that are not kept: which allow, is not known",
        "own_vendors: catalogue and fetched lists do not block meta",
        "blocked names are answered by refused, where a group says nothing else",
    }


def test_local_names_stand_where_the_policy_has_rules_for_them_or_they_are_others() -> None:
    service, printer = (
        {"name": name, "addresses": ["192.0.2.7"], "alias": None} for name in ("claude.ai", "printer.office.example")
    )
    leads = {"name": "chat.office.example", "addresses": [], "alias": "chatgpt.com"}
    of_others = {"name": "login.example.com", "addresses": ["192.0.2.7"], "alias": None}
    deeds = [
        deed(3, START - DAY, "create", "local/claude.ai", None, service),
        deed(4, START - DAY, "create", "local/printer.office.example", None, printer),
        deed(7, START + DAY, "delete", "local/claude.ai", service, None),
    ]
    config = [
        LocalRecord("openai.com", ("192.0.2.8",), "", BY_KEY),
        LocalRecord("tv.example", ("192.0.2.9",), "", BY_KEY),
    ]
    found = told(local={one["name"]: one for one in (printer, leads, of_others)}, of_config=config, deeds=deeds)
    assert {what: times(line) for what, line in found.items()} == {
        "local name 'claude.ai' is answered by 192.0.2.7, whatever the policy says": ("2026-03-01", "2026-03-03"),
        "local name 'chat.office.example' is answered by chatgpt.com, whatever the policy says": (None, None),
        "local name 'login.example.com' is answered by 192.0.2.7, whatever the policy says": (None, None),
        "the config: local name 'openai.com' is answered by 192.0.2.8, whatever the policy says": (None, None),
    }


@pytest.mark.parametrize("said", [{}, {"response": {"mode": "nxdomain"}}, {"block": ["ai", "bypass", "lists"]}])
def test_a_group_as_the_built_in_default_is_opens_nothing(said: dict[str, Any]) -> None:
    assert list(group_phrases(group_state("all", **said), FACTS)) == []


async def test_the_report_tells_what_stood_before_its_period(served: Served) -> None:
    assert await served.status("POST", "groups", {"name": "guests", "block": []}) == 201
    body = {"name": "house", "block": ["x.example"], "allow": ["claude.ai", "dns.example"]}
    assert await served.status("POST", "lists", body) == 201
    assert await served.status("POST", "lists", {"name": "off", "block": ["y.example"]}) == 201
    assert await served.status("PATCH", "lists/off", {"enabled": False}) == 200
    begin = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    content = (await served.get(f"reports/evidence?from={begin}"))["content"]
    standing = {line["what"]: line for line in content["standing"]}
    assert standing.keys() == {
        "group 'guests' does not block ai, bypass, lists",
        "list 'house' allows claude.ai, dns.example",
        "list 'off' is disabled: its rules do not count",
    }
    assert {line["by"] for line in standing.values()} == {"tests (token:a-admin)"}
    assert all(line["begins"] < begin and line["ends"] is None for line in standing.values())
    assert content["openings"] == []


def test_a_local_name_stands_from_when_it_was_made_until_it_leads_elsewhere_or_goes() -> None:
    def state(name: str, *addresses: str, alias: str | None = None) -> dict[str, Any]:
        return {"name": name, "addresses": list(addresses), "alias": alias}

    old, new = state("claude.ai", "10.0.0.1"), state("claude.ai", alias="far.example")
    kept = state("chatgpt.com", "10.0.0.2")
    deeds = [
        deed(1, START - 9 * DAY, "create", "local/claude.ai", None, old),
        deed(2, START + DAY, "update", "local/claude.ai", old, new),
        deed(3, START + 2 * DAY, "delete", "local/claude.ai", new, None),
    ]
    lines = told(deeds=deeds, local={"chatgpt.com": kept})
    assert {what.partition(",")[0]: times(line) for what, line in lines.items()} == {
        "local name 'claude.ai' is answered by 10.0.0.1": ("2026-02-21", "2026-03-03"),
        "local name 'claude.ai' is answered by far.example": ("2026-03-03", "2026-03-04"),
        "local name 'chatgpt.com' is answered by 10.0.0.2": (None, None),
    }
