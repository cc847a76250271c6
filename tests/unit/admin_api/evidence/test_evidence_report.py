"""Evidence by the API and as a page: what is signed is what comes, and nothing is claimed that is not known."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from admin_api.compiling.keeper import PolicyNote
from admin_api.evidence.desk import EvidenceDesk
from admin_api.evidence.lines import FORMAT
from admin_api.evidence.recording import Recorder, Versions
from admin_api.messages import NodeStatus
from admin_api.signed.files import verified
from admin_api.signed.keys import load_key
from admin_api.signed.signer import Signer
from admin_api.store import restored, tokens, trail
from admin_api.store.roles import FIRST_ROLES
from tests.unit.admin_api.browser import Browser
from tests.unit.admin_api.conftest import Served

HOSTILE = "<b>a talk</b>"


async def evidence(served: Served, query: str = "") -> dict[str, Any]:
    content: dict[str, Any] = (await served.get(f"reports/evidence{query}"))["content"]
    return content


async def record(served: Served) -> Recorder:
    """Have a recorder note that the policy of now is in force, as the node's own would."""

    class Policy:
        adopted = PolicyNote(datetime.now(UTC), 1, 1, served.context.catalogue.fingerprint)
        hear = None

    async def status() -> NodeStatus:
        return NodeStatus()

    recorder = Recorder(
        served.context.store_access, Policy(), status, list, lambda: Versions(1, None), keeps_days=9  # type: ignore[arg-type]
    )  # fmt: skip
    await recorder._begin(served.context.began)
    await recorder.write()
    return recorder


async def test_what_comes_is_what_was_signed_whoever_reads_it(served: Served, tmp_path: Path) -> None:
    body = {"group": None, "reason": HOSTILE, "duration_seconds": 60}
    assert await served.status("POST", "pauses", body) == 201
    async with served.call("GET", "reports/evidence", role="investigating-viewer") as response:
        assert response.status == 200
        octets = await response.read()
        assert "evidence-" in response.headers["Content-Disposition"]
    content = verified(octets, FORMAT, load_key(None, tmp_path).public)
    assert content == json.loads(octets)["content"]
    (pause,) = [line for line in content["openings"] if line["kind"] == "pause"]
    assert (pause["why"], pause["by"], pause["what"]) == (
        HOSTILE,
        "tests (token:a-admin)",
        "every group is only monitored",
    )
    assert await served.status("GET", "reports/evidence", role=None) == 401
    assert await served.status("GET", "reports/evidence", role="lease") == 403
    assert await served.status("GET", "reports/evidence?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z") == 422
    assert await served.status("GET", "reports/evidence?from=2001-01-01T00:00:00Z") == 422


async def test_where_nothing_was_recorded_nothing_is_claimed(served: Served) -> None:
    content = await evidence(served)
    (gap,) = content["gaps"]
    assert (gap["kind"], gap["begins"]) == ("not known", content["begins"])
    assert content["running"] == content["in_force"] == []
    assert content["known_since"][0]["since"] is None
    await record(served)
    content = await evidence(served)
    (gap,) = content["gaps"]
    assert gap["ends"] == content["known_since"][0]["since"]
    assert [line["how"] for line in content["running"]] == ["running"]
    assert [(line["revision"], line["ends"]) for line in content["in_force"]] == [(1, None)]


async def test_who_approved_is_named_beside_who_asked(served: Served) -> None:
    async with served.store.change("test") as change:
        for name, owner in (("ana", "Ana Ruiz"), ("ben", "Ben")):
            _, served.tokens[name] = await tokens.create(change, name=name, owner=owner, roles=("admin",))
    object.__setattr__(served.context.settings, "approval", "four-eyes")
    async with served.call("PATCH", "groups/default", {"mode": "monitor"}, role="ana") as response:
        assert response.status == 202
        number = (await response.json())["id"]
    async with served.call(
        "POST", f"change-requests/{number}:approve", {"reason": "a week of watching"}, role="ben"
    ) as done:
        assert done.status == 200, await done.text()
    content = await evidence(served)
    (opened,) = [line for line in content["openings"] if line["kind"] == "group"]
    assert opened["what"] == "group 'default' only watches"
    assert (opened["by"], opened["approved_by"]) == ("Ana Ruiz (token:ana)", "Ben (token:ben)")
    (revision,) = content["revisions"]
    assert (revision["by"], revision["approved_by"]) == ("Ana Ruiz (token:ana)", "Ben (token:ben)")
    (monitor,) = [line for line in content["gaps"] if line["kind"] == "monitor"]
    assert (monitor["group"], monitor["ends"]) == ("default", None)


async def test_denied_and_waiting_exemptions_opened_nothing(served: Served) -> None:
    asked = {"subject": {"client": "10.0.0.1"}, "scope": ["anthropic"], "owner": "Ada", "reason": "x"}
    made = [await _made(served, {**asked, "duration_seconds": 600}) for _ in range(2)]
    assert await served.status("POST", f"exemptions/{made[0]}:revoke", {}) == 200
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    await _made(served, {**asked, "duration_seconds": 600, "starts_at": later})
    served.counted["exemption"] = made[0]
    lines = {line["source"]: line for line in (await evidence(served))["openings"] if line["kind"] == "exemption"}
    assert lines.keys() == {f"exemption {number}" for number in made}, "what has not begun is not there"
    assert [lines[f"exemption {number}"]["uses"] for number in made] == [3, 0]
    assert lines[f"exemption {made[0]}"]["ended"] is not None
    served.counted["exemption"] = "other"
    content = await evidence(served)
    assert {line["uses"] for line in content["openings"] if line["kind"] == "exemption"} == {None}
    object.__setattr__(served.context.settings, "statistics", False)
    content = await evidence(served)
    assert {line["uses"] for line in content["openings"] if line["kind"] == "exemption"} == {None}
    assert any("not counted" in text for text in content["blind_spots"])


async def test_blocks_of_the_log_that_cannot_be_read_are_blind_spots_of_the_days_they_are_of(served: Served) -> None:
    now = datetime.now(UTC)
    served.context.unreadable_blocks.note_all([(f"{now:%Y-%m-%d}", 7), ("2001-01-01", 1)])
    content = await evidence(served)
    (text,) = [text for text in content["blind_spots"] if "cannot be read" in text]
    assert text.endswith(f": 1, each of up to 4096 queries, of {now:%Y-%m-%d}")


async def _made(served: Served, body: dict[str, Any]) -> str:
    async with served.call("POST", "exemptions", body) as response:
        assert response.status == 201, await response.text()
        return str((await response.json())["id"])


async def test_what_a_restore_suspended_has_ended_and_counts_again_from_when_it_is_confirmed(served: Served) -> None:
    asked = {"subject": {"client": "10.0.0.1"}, "scope": ["anthropic"], "owner": "Ada", "reason": "x"}
    await _made(served, {**asked, "duration_seconds": 600})
    async with served.store.change("command line") as change:
        await restored.suspend(change, "2026-11-27T03:00:00Z", [])
    suspended = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    async with served.store.change("command line") as change:
        _, served.tokens["admin"] = await tokens.create(change, name="root", owner="Root", roles=FIRST_ROLES)
        await restored.confirm(change, [], None, owner="root")
    first, again = (one for one in (await evidence(served))["openings"] if one["kind"] == "exemption")
    assert first["ended"] <= suspended <= again["begins"]
    assert (again["ended"], again["approved_by"]) == (None, "root (command line)")
    assert first["source"] == again["source"]


async def test_without_the_key_there_is_no_report_and_the_node_says_why(served: Served, tmp_path: Path) -> None:
    object.__setattr__(served.context.settings, "signing_key", f"file:{tmp_path / 'gone'}")
    async with served.call("GET", "reports/evidence") as response:
        assert response.status == 503
        assert "signing key" in (await response.json())["detail"]
    ready = await served.get("/ready")
    assert any("not signed" in why for why in ready["why"])
    object.__setattr__(served.context.settings, "signing_key", None)
    assert await served.status("GET", "reports/evidence") == 200
    assert (await served.get("/ready"))["why"] == []


async def test_one_report_is_made_at_a_time_and_others_hear_that_they_come_too_soon(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin_api.evidence.desk._WAIT_SECONDS", 0.05)
    async with served.context.evidence.turn():
        async with served.call("GET", "reports/evidence") as response:
            assert response.status == 503
            assert response.headers["Retry-After"] == "5"
            assert "another report" in (await response.json())["detail"]
        assert await served.status("GET", "explain?name=claude.ai") == 200
    assert served.context.evidence.refused == 1
    assert await served.status("GET", "reports/evidence") == 200


async def test_a_report_that_takes_too_long_is_ended_and_the_next_one_has_its_turn(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(served.context.plans, "_seconds", 0.05)
        patch.setattr(served.context.evidence, "_outcome", lambda order: asyncio.sleep(60))
        async with served.call("GET", "reports/evidence") as response:
            assert response.status == 503
            assert "admin.plan_seconds" in (await response.json())["detail"]
    assert await served.status("GET", "reports/evidence") == 200


def makers() -> list[psutil.Process]:
    """Processes that make reports for this one."""
    return [one for one in psutil.Process().children() if "admin_api.evidence.child" in one.cmdline()]


@pytest.mark.slow
async def test_a_report_is_made_in_a_process_of_its_own_and_the_loop_goes_on(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    object.__setattr__(served.context, "evidence", EvidenceDesk(served.context.plans, Signer(None, tmp_path)))
    made = asyncio.ensure_future(evidence(served))
    turns = 0
    while not made.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert made.result()["version"]
    assert turns > 10
    assert not makers(), "it is gone"
    with monkeypatch.context() as patch:
        patch.setattr(served.context.plans, "_seconds", 0.2)
        assert await served.status("GET", "reports/evidence") == 503
    assert not makers(), "what takes too long is killed, before its turn is over"
    assert await served.status("GET", "reports/evidence") == 200


async def test_the_page_shows_all_parts_and_passes_the_signed_file_on(served: Served, tmp_path: Path) -> None:
    body = {"group": "default", "reason": HOSTILE, "duration_seconds": 60}
    assert await served.status("POST", "pauses", body) == 201
    assert await served.status("POST", "groups", {"name": "lab", "exempt": True, "networks": ["10.9.0.0/16"]}) == 201
    await record(served)
    browser = await Browser.log_in(served, "investigating-viewer")
    page, _ = await browser.get("/reports/evidence?group=default")
    assert "&lt;b&gt;a talk&lt;/b&gt;" in page
    assert HOSTILE not in page
    for heading in ("Gaps", "In force", "Revisions", "Exempt groups", "Openings", "What this cannot show"):
        assert f">{heading}" in page, heading
    assert "No group was exempt" in page, "of another group"
    page, _ = await browser.get("/reports/evidence")
    assert "10.9.0.0/16" in page
    file, headers = await browser.get("/reports/evidence.json?range=24h")
    assert verified(file.encode(), FORMAT, load_key(None, tmp_path).public)["group"] is None
    assert "attachment" in headers["Content-Disposition"]
    page, _ = await browser.get("/reports/evidence?from=2026-02-02&to=2026-01-01", status=422)
    assert "is not before" in page


async def test_a_moment_of_which_too_little_is_known_has_no_verdict_but_the_reason(served: Served) -> None:
    assert await served.status("POST", "groups", {"name": "lab"}) == 201
    stored = datetime.now(UTC)

    async def refused(at: datetime, status: int) -> str:
        moment = at.isoformat().replace("+00:00", "Z")
        async with served.call("GET", f"explain?name=claude.ai&at={moment}") as response:
            assert response.status == status, await response.text()
            return str((await response.json())["detail"])

    assert "no revision" in await refused(stored - timedelta(days=400), 404)
    assert "not recorded" in await refused(stored, 409)
    await refused(stored + timedelta(days=1), 422)
    recorder = await record(served)
    recorder._note_policy(
        datetime.now(UTC), {"revision": 1, "catalogue": {"fingerprint": "x", "bundled": 7, "feed": 9}}
    )
    await recorder.write()
    assert "version 7, feed 9" in await refused(datetime.now(UTC), 409)


async def test_a_moment_since_which_too_much_happened_has_no_verdict(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await served.status("POST", "groups", {"name": "lab"}) == 201
    await record(served)
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    monkeypatch.setattr("admin_api.evidence.then.MOST_LATER", 2)
    for mode in ("monitor", "enforce", "monitor"):
        assert await served.status("PATCH", "groups/lab", {"mode": mode}) == 200
    async with served.call("GET", f"explain?name=claude.ai&at={at}") as response:
        assert response.status == 409
        assert "more than 2 rows" in (await response.json())["detail"]


async def test_of_a_moment_whose_rows_are_lost_there_is_no_verdict(served: Served) -> None:
    assert await served.status("POST", "groups", {"name": "lab"}) == 201
    await record(served)
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    assert (await served.get(f"explain?name=claude.ai&at={at}"))["notes"] == []
    async with served.store.change("command line") as change:
        change.record(*trail.ACKNOWLEDGE, {"rows": 1}, {"reason": "a copy of Monday", "lost_heads": [[9, "a"]]})
    (note,) = (await served.get(f"explain?name=claude.ai&at={at}"))["notes"]
    assert "a copy of Monday" in note
    async with served.store.change("command line") as change:
        change.record(*trail.RESTORE, None, {"by": "root", "backup": {"at": at, "row": 1}, "lost_rows": 1})
    async with served.call("GET", f"explain?name=claude.ai&at={at}") as response:
        assert response.status == 409
        assert "is lost (audit row" in (await response.json())["detail"]


@pytest.mark.parametrize("name", ["claude.ai"])
async def test_a_moment_is_explained_by_the_exemptions_and_pauses_of_then(served: Served, name: str) -> None:
    assert await served.status("POST", "groups", {"name": "lab"}) == 201  # a revision
    await record(served)
    times = [datetime.now(UTC)]
    asked = {"subject": {"client": "127.0.0.1"}, "scope": ["anthropic"], "owner": "Ada", "reason": "x"}
    number = await _made(served, {**asked, "duration_seconds": 600})
    times.append(datetime.now(UTC))
    assert await served.status("POST", f"exemptions/{number}:revoke", {}) == 200
    times.append(datetime.now(UTC))
    async with served.call("POST", "pauses", {"group": "default", "reason": "x", "duration_seconds": 60}) as response:
        pause = (await response.json())["id"]
    times.append(datetime.now(UTC))
    assert await served.status("DELETE", f"pauses/{pause}") == 204
    times.append(datetime.now(UTC))
    lease = {"identity": "ana", "group": "lab", "ttl_seconds": 60}
    assert await served.status("PUT", "leases/127.0.0.1", lease) == 201
    times.append(datetime.now(UTC))
    verdicts, groups = [], []
    for at in times:
        told = await served.get(f"explain?name={name}&client=127.0.0.1&at={at.isoformat().replace('+00:00', 'Z')}")
        verdicts.append(told["verdict"])
        groups.append(told["group"]["name"])
        assert told["notes"] == []
    assert verdicts[:5] == ["block", "exempt", "block", "monitor", "block"]
    assert groups[:5] == ["default"] * 5
    assert told["group"]["via"] == "lease" or any(step["step"] == "lease" for step in told["trace"])


async def test_a_moment_is_explained_by_the_local_names_of_then(served: Served) -> None:
    recorder = await record(served)
    catalogue = {"fingerprint": served.context.catalogue.fingerprint, "bundled": 1, "feed": None}

    async def then() -> str:
        """A moment at which the policy of now is in force."""
        at = datetime.now(UTC)
        recorder._note_policy(at, {"revision": (await served.get("policy"))["revision"], "catalogue": catalogue})
        await recorder.write()
        return datetime.now(UTC).isoformat().replace("+00:00", "Z")

    assert await served.status("PUT", "local/claude.ai", {"addresses": ["10.0.0.1"]}) == 201
    opened = await then()
    assert await served.status("DELETE", "local/claude.ai") == 204
    closed = await then()
    first = await served.get(f"explain?name=claude.ai&client=127.0.0.1&at={opened}")
    assert (first["verdict"], first["trace"][0]["step"]) == ("allow", "local")
    assert first["trace"][0]["detail"].startswith("claude.ai of the admin API")
    assert (await served.get(f"explain?name=claude.ai&client=127.0.0.1&at={closed}"))["verdict"] == "block"
