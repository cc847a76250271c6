"""Evidence held against what was done: a crash, a pause, a monitor time, a policy file, an exemption; and verified."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from moatdns.cli.commands import app
from tests.support.clients import ask, is_blocked, is_blocked_everywhere
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, wait_until
from tests.support.unbound import Unbound

EXEMPT = "127.0.0.31"
POLICY = {
    "policy": {
        "lists": [{"name": "house", "block": ["house.example"], "allow": ["fine.example"]}],
        "groups": [
            {"name": "default", "block": ["ai", "bypass", "lists"]},
            {"name": "lab", "networks": ["127.0.9.0/24"], "exempt": True},
        ],
    }
}


OF_FILE = {"name": "files", "networks": ["127.0.8.0/24"], "exempt": True}


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class Story:
    """Deeds, with the times between which they were done."""

    def __init__(self, server: Moatdns) -> None:
        self.server = server
        self.begins = now()
        self.times: dict[str, tuple[str, str]] = {}

    def did(self, what: str, work: Callable[[], Any]) -> Any:
        before = now()
        outcome = work()
        self.times[what] = (before, now())
        return outcome

    @cached_property
    def content(self) -> dict[str, Any]:
        """Evidence of all of it, asked for once: a report is a second's work."""
        return _evidence(self)

    def was(self, what: str, at: str) -> bool:
        """Whether a time is that of something that was done."""
        before, after = self.times[what]
        return before <= at <= after


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, world: Unbound) -> Iterator[Story]:
    """A server with a history, which runs."""
    config: dict[str, Any] = {"workers": 1, "upstream": {"servers": [world.server]}, "query_log": {"what": "hits"}}
    config["policy"] = {"groups": [OF_FILE]}
    with Moatdns(tmp_path_factory.mktemp("evidence"), config, with_api=True) as server:
        api = server.api
        for name in ("gemini.google.com", "printer.office.example"):
            assert api.call("PUT", f"local/{name}", {"addresses": ["192.0.2.7"]}).status == 201
        revision = api.get("policy")["revision"]
        story = Story(server)
        tag = {"If_Match": f'"{revision}"'}
        applied = story.did("policy file", lambda: api.call("POST", "policy:apply", POLICY, **tag))
        assert applied.status == 200, applied
        made = story.did("exemption", lambda: api.post("exemptions", _exemption()))
        for _ in range(3):
            assert not is_blocked(ask(server.port, "claude.ai", client=EXEMPT))
        assert is_blocked(ask(server.port, "claude.ai"))
        story.did("monitor", lambda: api.call("PATCH", "groups/default", {"mode": "monitor"}))
        assert not is_blocked(ask(server.port, "claude.ai"))
        story.did("enforce", lambda: api.call("PATCH", "groups/default", {"mode": "enforce"}))
        pause = story.did("pause", lambda: api.post("pauses", _pause()))
        story.did("pause over", lambda: api.delete(f"pauses/{pause['id']}"))
        story.did("revoke", lambda: api.post(f"exemptions/{made['id']}:revoke", {"reason": "done"}, status=200))
        story.did("allow", lambda: api.post("lists/house/rules", {"allow": ["open.example"]}, status=200))
        story.did("reload", lambda: _reloaded(server, {**config, "policy": {"groups": [{**OF_FILE, "exempt": False}]}}))
        server.expects_trouble = True
        family = server.family()
        story.did("crash", server.kill)
        wait_until(lambda: not any(process.is_running() for process in family), "all its processes to end")
        time.sleep(1.1)  # so that there is a time without it
        story.did("start", server.start)
        assert is_blocked(ask(server.port, "claude.ai"))
        api.get("lists")
        wait_until(lambda: "\nmoatdns_evidence_since_timestamp_seconds " in _metrics(server), "the run is noted")
        yield story


def _metrics(server: Moatdns) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.admin_port}/metrics", timeout=PATIENCE_SECONDS) as reply:
        return str(reply.read().decode())


def _reloaded(server: Moatdns, config: dict[str, Any]) -> None:
    server.reload(config)
    wait_until(lambda: is_blocked_everywhere(server.port, "claude.ai", client="127.0.8.1"), "the new policy")
    stored = server.api.get("policy")["revision"]
    wait_until(lambda: server.api.get("status")["policy"]["revision"] == stored, "its revision")


def _exemption() -> dict[str, Any]:
    asked = {"scope": ["anthropic"], "owner": "Ada", "reason": "a tender", "ticket": "T-1", "duration_seconds": 600}
    return {"subject": {"client": EXEMPT}, **asked}


def _pause() -> dict[str, Any]:
    return {"group": "default", "reason": "a talk", "duration_seconds": 300}


def _evidence(story: Story, **query: str) -> dict[str, Any]:
    asked = "&".join(f"{name}={value}" for name, value in {"from": story.begins, **query}.items())
    content: dict[str, Any] = story.server.api.get(f"reports/evidence?{asked}")["content"]
    return content


def lines(content: dict[str, Any], part: str, kind: str) -> list[dict[str, Any]]:
    return [line for line in content[part] if line["kind"] == kind]


def test_every_line_is_what_was_done(told: Story) -> None:
    content = told.content
    assert content["left_out"] == {}
    (crash,) = lines(content, "gaps", "not running")
    assert told.times["reload"][1] <= crash["begins"] <= told.times["start"][0]
    assert told.times["start"][0] <= crash["ends"] <= now()
    assert crash["seconds"] >= 1
    assert "supervisor was gone" in crash["reason"]
    assert [run["how"] for run in content["running"]] == ["lost", "running"]
    (monitor,) = lines(content, "gaps", "monitor")
    assert monitor["group"] == "default"
    assert told.was("monitor", monitor["begins"])
    assert told.was("enforce", monitor["ends"])
    (pause,) = lines(content, "gaps", "pause")
    assert told.was("pause", pause["begins"])
    assert told.was("pause over", pause["ends"])
    assert "a talk" in pause["reason"]
    (opened,) = lines(content, "openings", "pause")
    assert (opened["what"], opened["why"], opened["ended"]) == (
        "group default is only monitored",
        "a talk",
        pause["ends"],
    )
    assert content["gaps"] == sorted(content["gaps"], key=lambda line: line["begins"])
    assert {line["kind"] for line in content["gaps"]} <= {"not running", "monitor", "pause", "degraded", "not known"}
    of_file, lab = content["exempt_groups"]
    assert (of_file["group"], of_file["begins"], of_file["by"]) == ("files", content["begins"], None)
    assert told.was("reload", of_file["ends"])
    assert (lab["group"], lab["networks"], lab["ends"]) == ("lab", ["127.0.9.0/24"], None)
    assert told.was("policy file", lab["begins"])
    (granted,) = lines(content, "openings", "exemption")
    assert granted["what"] == f"client {EXEMPT}: anthropic"
    assert (granted["uses"], granted["why"]) == (3, "a tender [T-1]")
    assert granted["by"].endswith("(token:first), for Ada")
    assert told.was("exemption", granted["begins"])
    assert told.was("revoke", granted["ended"])
    opened_groups = {line["what"] for line in lines(content, "openings", "group")}
    assert "group 'default' only watches" in opened_groups
    assert any(what.startswith("127.0.9.0/24 comes from group 'default' into group 'lab'") for what in opened_groups)
    opened_lists = {line["what"]: line for line in lines(content, "openings", "list")}
    assert opened_lists.keys() == {"list 'house' allows fine.example", "list 'house' allows open.example"}
    assert told.was("allow", opened_lists["list 'house' allows open.example"]["begins"])
    standing = {line["what"]: line for line in content["standing"]}
    for name in (
        "gemini.google.com",
        "printer.office.example",
    ):  # neither is below a domain that the config calls its own
        local = standing.pop(f"local name '{name}' is answered by 192.0.2.7, whatever the policy says")
        assert (local["kind"], local["begins"] < content["begins"]) == ("local", True)
    assert standing.keys() == {
        f"group {what}" for what in ("'files' is exempt", "'lab' is exempt", "'default' only watches")
    }
    assert standing["group 'files' is exempt"]["begins"] < content["begins"]
    assert told.was("reload", standing["group 'files' is exempt"]["ends"])
    assert told.was("monitor", standing["group 'default' only watches"]["begins"])
    assert told.was("enforce", standing["group 'default' only watches"]["ends"])
    changes = [(line["revision"], line["changes"]) for line in content["revisions"]]
    assert [told.was(what, line["in_force_at"]) for what, line in zip(
        ("policy file", "monitor", "enforce", "allow", "reload"), content["revisions"], strict=True
    )] == [True] * 5, changes  # fmt: skip
    assert [line["revision"] for line in content["in_force"]][-1] == changes[-1][0]
    assert all(line["bundled"] for line in content["in_force"][1:])
    (changed,) = [line["what"] for line in lines(content, "openings", "config") if "policy" in line["what"]]
    assert changed.startswith("the config file changed: policy.groups")
    (hits,) = [line for line in content["hits"] if line["group"] == "default"]
    assert (hits["blocked"], hits["monitored"], hits["exempted"]) == (2, 1, 3)
    assert any("hits only" in text for text in content["blind_spots"])
    assert any("another resolver" in text for text in content["blind_spots"])


def test_before_anything_was_recorded_it_says_since_when_it_knows(told: Story) -> None:
    content = _evidence(told, **{"from": "2024-01-01T00:00:00Z"})
    (unknown,) = lines(content, "gaps", "not known")
    assert unknown["begins"] == "2024-01-01T00:00:00Z"
    assert unknown["ends"] == content["known_since"][0]["since"]
    assert any("recorded since" in text for text in content["blind_spots"])


def test_evidence_of_one_group_leaves_out_the_others(told: Story) -> None:
    content = _evidence(told, group="lab")
    assert lines(content, "gaps", "monitor") == lines(content, "gaps", "pause") == []
    assert len(lines(content, "gaps", "not running")) == 1
    assert [line["group"] for line in content["exempt_groups"]] == ["lab"]


def call(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Result of a command, without the cost of starting Python."""
    done = CliRunner().invoke(app, list(words), env=variables)
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


def run(*words: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """The same in a process, as an auditor has it."""
    return subprocess.run(
        [MOATDNS, *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
        cwd=cwd,
        env={**os.environ, **variables},
    )


def test_a_file_is_verified_elsewhere_with_the_public_key_alone_and_a_changed_line_is_told(
    told: Story, tmp_path: Path
) -> None:
    server = told.server
    token = {"MOATDNS_TOKEN": str(server.api.token), "MOATDNS_URL": f"http://127.0.0.1:{server.admin_port}"}
    file = tmp_path / "evidence.json"
    made = call("report", "evidence", "--from", told.begins, "--out", str(file), **token)
    assert made.returncode == 0, made.stderr
    key, fingerprint = call("report", "key", "--config", str(server.config_file)).stdout.split()
    assert fingerprint in made.stdout
    good = run("report", "verify", file.name, "--key", key, cwd=tmp_path)
    assert good.returncode == 0, good.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evidence.json"], "nothing else is there, or made"
    text = file.read_text()
    for what, altered, why, verify in (
        ("a line", text.replace("a talk", "no talk", 1), "content.gaps, line", run),
        ("a cut", text[:-30], "cut off", call),
        ("an appended line", text + "{}\n", "appended", call),
    ):
        assert altered != text
        file.write_text(altered)
        bad = verify("report", "verify", str(file), "--key", key, "--json")
        assert bad.returncode == 1, what
        assert any(why in problem for problem in json.loads(bad.stdout)["problems"]), bad.stdout
    file.write_text(text)
    other = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
    assert "another key has signed it" in call("report", "verify", str(file), "--key", other).stderr
    assert call("report", "verify", str(file), "--key", "nonsense").returncode == 2
    words = call("report", "evidence", "--from", told.begins, **token)
    assert "exemption" in words.stdout
    assert "blind spots:" in words.stdout


def test_explain_at_a_time_tells_the_verdict_of_then(told: Story) -> None:
    server = told.server

    def verdict(after: str, client: str = "127.0.0.1", name: str = "claude.ai") -> str:
        reply = server.api.call("GET", f"explain?name={name}&client={client}&at={told.times[after][1]}")
        assert reply.status == 200, reply
        return str(reply.body["verdict"])

    assert verdict("policy file") == "block"
    assert verdict("policy file", "127.0.9.9") == "exempt"
    assert verdict("exemption", EXEMPT) == "exempt"
    assert verdict("revoke", EXEMPT) == "block"
    assert verdict("monitor") == "monitor"
    assert verdict("enforce") == "block"
    assert verdict("pause") == "monitor"
    assert verdict("pause over") == "block"
    assert verdict("enforce", "127.0.8.1") == "exempt", "of the config file, and in force until it changed"
    assert verdict("reload", "127.0.8.1") == "block"
    assert verdict("revoke", name="open.example") == "allow"
    rule = server.api.get(f"explain?name=open.example&at={told.times['allow'][1]}")
    assert (rule["list"], rule["rule"]) == ("house", "open.example")
    assert server.api.get(f"explain?name=open.example&at={told.times['revoke'][1]}")["list"] is None
    then = server.api.get(f"explain?name=claude.ai&at={told.times['monitor'][1]}")
    assert then["revision"] < rule["revision"]
    assert server.api.call("GET", "explain?name=a.example&at=2024-01-01T00:00:00Z").status == 404
    assert server.api.call("GET", "explain?name=a.example&at=2999-01-01T00:00:00Z").status == 422


def test_the_command_explains_a_time_by_the_state_directory(told: Story) -> None:
    config = str(told.server.config_file)
    words = ("explain", "claude.ai", "--config", config, "--json", "--at")
    monitored = call(*words, told.times["monitor"][1])
    assert monitored.returncode == 0, monitored.stderr
    assert json.loads(monitored.stdout)["verdict"] == "monitor"
    assert json.loads(call(*words, told.times["enforce"][1]).stdout)["verdict"] == "block"
    assert call(*words, "yesterday").returncode == 2
    early = call(*words, "2024-01-01T00:00:00Z")
    assert early.returncode == 1
    assert "no revision" in early.stderr


def test_a_signed_head_that_is_kept_elsewhere_shows_that_the_trail_was_cut(told: Story, tmp_path: Path) -> None:
    config = str(told.server.config_file)
    head = call("audit", "head", "--config", config)
    assert head.returncode == 0, head.stderr
    file = tmp_path / "head.json"
    file.write_text(head.stdout)
    whole = call("audit", "verify", "--config", config, "--head", str(file))
    assert whole.returncode == 0, whole.stdout + whole.stderr
    changed = json.loads(head.stdout)
    changed["content"]["row"] += 1
    file.write_text(json.dumps(changed))
    bad = call("audit", "verify", "--config", config, "--head", str(file))
    assert bad.returncode == 1
    assert "content.row was changed" in bad.stderr
