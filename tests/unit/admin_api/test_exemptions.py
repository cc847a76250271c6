"""Exemptions over HTTP: who may, what is refused, and what is kept of each."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import select

from admin_api.editing.exemptions import UNVERIFIED
from admin_api.store import exemptions, tokens
from admin_api.store.exemptions import ENDED, STATUSES, TRANSITIONS, NewExemption
from admin_api.store.tables import webhook_messages
from admin_api.subjects import keeper

from .browser import Browser
from .conftest import Served, expect_problem

ASKED: dict[str, Any] = {
    "subject": {"client": "10.1.2.3"},
    "scope": ["anthropic"],
    "owner": "Ana",
    "reason": "comparison of models",
    "duration_seconds": 600,
}


async def made(served: Served, role: str = "operator", **more: Any) -> dict[str, Any]:
    async with served.call("POST", "exemptions", {**ASKED, **more}, role=role) as response:
        assert response.status == 201, await response.text()
        body: dict[str, Any] = await response.json()
        assert response.headers["Location"] == f"/api/v1/exemptions/{body['id']}"
        return body


async def done(served: Served, number: str, action: str, body: Any = None, **more: Any) -> tuple[int, dict[str, Any]]:
    async with served.call("POST", f"exemptions/{number}:{action}", body, **more) as response:
        await expect_problem(response)
        return response.status, await response.json()


@pytest.fixture
async def four_eyes(served: Served) -> Served:
    """The API where two have to agree; `second` is a token of another owner."""
    object.__setattr__(served.context.settings, "approval", "four-eyes")
    object.__setattr__(served.context.settings, "longest_exemption_seconds", 3600)
    async with served.store.change("test") as change:
        _, served.tokens["second"] = await tokens.create(change, name="second", owner="Ben", roles=("operator",))
        _, served.tokens["same"] = await tokens.create(change, name="same", owner=" TESTS ", roles=("admin",))
    return served


def test_every_status_ends_and_what_has_ended_stays_so() -> None:
    assert {status for status, _ in TRANSITIONS} == {"pending", "active", "suspended"}
    leaving = {action: status for (before, action), status in TRANSITIONS.items() if before == "suspended"}
    assert leaving == {"confirm": "active", "revoke": "revoked", "expire": "expired"}, "only an admin's word opens it"
    assert {*TRANSITIONS.values()} <= {*STATUSES}
    assert all(status not in ENDED for status, _ in TRANSITIONS)


async def test_a_grant_is_in_force_at_once_and_is_shown_with_its_history(served: Served) -> None:
    body = await made(served, ticket="SEC-7")
    assert (body["status"], body["in_force"], body["subject"]) == ("active", True, {"client": "10.1.2.3"})
    assert served.context.subjects.subjects.exemptions[body["id"]].scope == ("anthropic",)
    shown = await served.get(f"exemptions/{body['id']}")
    assert [(event["action"], event["actor"]) for event in shown["history"]] == [("grant", "token:a-operator")]
    body = await made(served, subject={"client": "127.0.0.9"})
    explained = await served.get("explain?name=claude.ai&client=127.0.0.9")
    assert (explained["verdict"], explained["exemption"]) == ("exempt", body["id"])
    audit = (await served.get("audit?limit=1"))["items"][0]
    assert (audit["action"], audit["object"]) == ("grant", f"exemptions/{body['id']}")


async def test_a_revoked_exemption_is_gone_and_comes_not_back(served: Served) -> None:
    number = (await made(served))["id"]
    status, body = await done(served, number, "revoke", {"reason": "project is over"})
    assert (status, body["status"], body["in_force"]) == (200, "revoked", False)
    assert number not in served.context.subjects.subjects.exemptions
    for action in ("revoke", "approve", "deny"):
        assert (await done(served, number, action))[0] == 409
    assert (await done(served, number, "renew", {"duration_seconds": 60}))[0] == 409
    shown = await served.get(f"exemptions/{number}")
    assert shown["history"][-1]["note"] == "project is over"


@pytest.mark.slow
async def test_an_exemption_ends_by_itself_and_says_when(served: Served) -> None:
    number = (await made(served, duration_seconds=1))["id"]
    for _ in range(40):
        shown = await served.get(f"exemptions/{number}")
        if shown["status"] == "expired":
            break
        await asyncio.sleep(0.1)
    assert (shown["status"], shown["ended_at"]) == ("expired", shown["expires_at"])
    assert shown["history"][-1]["action"] == "expire"
    assert number not in served.context.subjects.subjects.exemptions


async def test_a_renewal_prolongs_and_keeps_what_was_before(served: Served) -> None:
    before = await made(served)
    status, after = await done(served, before["id"], "renew", {"duration_seconds": 3600, "reason": "not ready"})
    assert (status, after["expires_at"] > before["expires_at"]) == (200, True)
    history = (await served.get(f"exemptions/{before['id']}"))["history"]
    assert [event["expires_at"] for event in history] == [before["expires_at"], after["expires_at"]]
    assert (await done(served, before["id"], "renew", {"duration_seconds": 60}))[0] == 422
    assert (await done(served, before["id"], "renew", {}))[0] == 422


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"subject": {}}, "/subject"),
        ({"subject": {"client": "10.1.2.3", "group": "default"}}, "/subject"),
        ({"subject": {"client": "10.1.2"}}, "/subject/client"),
        ({"subject": {"clients": []}}, "/subject/clients"),
        ({"subject": {"network": "0.0.0.0/0"}}, "/subject/network"),
        ({"subject": {"group": "nobody"}}, "/subject/group"),
        ({"subject": {"identity": " "}}, "/subject/identity"),
        ({"scope": []}, "/scope"),
        ({"scope": ["anthropic", "antropic"]}, "/scope/1"),
        ({"scope": ["bypass"]}, "/scope/0"),
        ({"scope": ["claude.ai", "dns.google"]}, "/scope/1"),
        ({"scope": ["=x.dns.google"]}, "/scope/0"),
        ({"scope": ["*.dns.google"]}, "/scope/0"),
        ({"scope": ["co.uk"]}, "/scope/0"),
        ({"scope": ["a*.example.com"]}, "/scope/0"),
        ({"owner": " "}, "/owner"),
        ({"reason": "x" * 1001}, "/reason"),
        ({"duration_seconds": None}, "/expires_at"),
        ({"duration_seconds": 0}, "/duration_seconds"),
        ({"duration_seconds": 10**9}, "/duration_seconds"),
        ({"expires_at": "2999-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2001-01-01T00:00:00Z", "duration_seconds": None}, "/expires_at"),
        ({"expires_at": "2999-01-01T00:00:00Z", "duration_seconds": None}, "/expires_at"),
        ({"starts_at": "2999-01-01T00:00:00Z"}, "/starts_at"),
        ({"starts_at": "0001-01-01T00:00:00+14:00"}, "/starts_at"),
        ({"expires_at": "9999-12-31T23:59:59-14:00", "duration_seconds": None}, "/expires_at"),
    ],
)
async def test_what_cannot_be_granted_is_told_at_its_place(served: Served, change: dict[str, Any], at: str) -> None:
    async with served.call("POST", "exemptions", {**ASKED, **change}) as response:
        problem = await expect_problem(response)
        assert response.status == 422
        assert at in {error["pointer"] for error in problem["errors"]}, problem
    assert (await served.get("exemptions"))["items"] == []


@pytest.fixture
def nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over is not noted: as when the control process was stopped until just now."""
    monkeypatch.setattr(keeper, "_LOOK_SECONDS", 3600)


@pytest.mark.slow
async def test_what_is_over_for_the_workers_is_not_renewed_even_if_nobody_has_noted_it(
    nobody_looks: None, served: Served
) -> None:
    number = (await made(served, duration_seconds=1))["id"]
    await asyncio.sleep(1.01)
    status, problem = await done(served, number, "renew", {"duration_seconds": 60})
    assert (status, "has ended" in problem["detail"]) == (409, True)
    assert (await served.get(f"exemptions/{number}"))["in_force"] is False


@pytest.mark.slow
async def test_a_renewal_is_not_approved_once_the_old_end_has_come(nobody_looks: None, four_eyes: Served) -> None:
    number = (await made(four_eyes, duration_seconds=1))["id"]
    assert (await done(four_eyes, number, "approve", role="second"))[0] == 200
    assert (await done(four_eyes, number, "renew", {"duration_seconds": 60}))[0] == 200
    await asyncio.sleep(1.01)
    assert (await done(four_eyes, number, "approve", role="second"))[0] == 409
    assert (await done(four_eyes, number, "revoke"))[0] == 200


async def test_names_are_kept_in_their_normal_form_and_once(served: Served) -> None:
    body = await made(served, scope=["Chat.Example.COM", "chat.example.com.", "ai", "kind:assistant"])
    assert body["scope"] == ["chat.example.com", "ai", "kind:assistant"]


async def test_with_four_eyes_another_owner_has_to_approve(four_eyes: Served) -> None:
    served = four_eyes
    body = await made(served)
    number = body["id"]
    assert (body["status"], body["in_force"], body["decided_by"]) == ("pending", False, None)
    assert served.context.subjects.subjects.exemptions == {}
    for role in ("operator", "same"):
        status, problem = await done(served, number, "approve", role=role)
        assert (status, "somebody else" in problem["detail"]) == (403, True)
    began = datetime.now(UTC)
    status, approved = await done(served, number, "approve", role="second")
    assert (status, approved["status"], approved["decided_by"]) == (200, "active", "token:second")
    lasts = datetime.fromisoformat(approved["expires_at"]) - began
    assert timedelta(seconds=595) < lasts < timedelta(seconds=605)  # from the approval on
    assert number in served.context.subjects.subjects.exemptions


async def test_with_four_eyes_a_renewal_waits_and_the_old_end_stays(four_eyes: Served) -> None:
    served = four_eyes
    number = (await made(served))["id"]
    _, before = await done(served, number, "approve", role="second")
    _, asked = await done(served, number, "renew", {"duration_seconds": 1800, "reason": "more"}, role="second")
    assert (asked["status"], asked["expires_at"], asked["renewal"]["owner"]) == ("active", before["expires_at"], "Ben")
    for role in ("second", "operator"):  # nobody puts another end below what somebody is about to approve
        assert (await done(served, number, "renew", {"duration_seconds": 86_400}, role=role))[0] == 409
    assert (await done(served, number, "approve", role="second"))[0] == 403
    _, denied = await done(served, number, "deny", {"reason": "no"}, role="operator")
    assert (denied["renewal"], denied["expires_at"], denied["status"]) == (None, before["expires_at"], "active")
    await done(served, number, "renew", {"duration_seconds": 1800}, role="second")
    _, renewed = await done(served, number, "approve", role="operator")
    assert renewed["expires_at"] > before["expires_at"]
    assert (await done(served, number, "approve", role="operator"))[0] == 409


async def test_what_is_denied_never_was_in_force(four_eyes: Served) -> None:
    number = (await made(four_eyes))["id"]
    status, body = await done(four_eyes, number, "deny", {"reason": "no need"})
    assert (status, body["status"]) == (200, "denied")
    assert (await done(four_eyes, number, "approve", role="second"))[0] == 409


async def test_a_stale_version_is_refused(served: Served) -> None:
    number = (await made(served))["id"]
    assert (await done(served, number, "revoke", None, If_Match='"9"'))[0] == 412
    assert (await done(served, number, "revoke", None, If_Match='"1"'))[0] == 200


async def test_exemptions_are_listed_newest_first_page_by_page(served: Served) -> None:
    numbers = [(await made(served))["id"] for _ in range(3)]
    await done(served, numbers[0], "revoke")
    first = await served.get("exemptions?limit=2")
    rest = await served.get(f"exemptions?limit=2&cursor={first['next']}")
    assert [item["id"] for item in [*first["items"], *rest["items"]]] == numbers[::-1]
    assert rest["next"] is None
    assert [item["id"] for item in (await served.get("exemptions?status=revoked"))["items"]] == numbers[:1]
    assert await served.status("GET", "exemptions?cursor=WyJ4IiwieSJd") == 422


async def test_the_report_shows_who_was_exempt_and_what_nobody_used(served: Served) -> None:
    used, unused = (await made(served))["id"], (await made(served, reason="=cmd|' /C calc'!A0"))["id"]
    served.context.statistics.keys["exemption"] = used  # type: ignore[attr-defined]
    report = {item["id"]: item for item in (await served.get("reports/exemptions?reason=a+test"))["items"]}
    assert (report[used]["uses"], report[used]["stale"]) == (3, False)
    assert (report[unused]["uses"], report[unused]["stale"], report[unused]["last_used_at"]) == (0, True, None)
    async with served.call("GET", "reports/exemptions?format=csv", role="investigating-viewer") as response:
        assert response.content_type == "text/csv"
        assert "'=cmd" in await response.text()  # no spreadsheet works it out


@pytest.mark.slow
async def test_what_was_revoked_before_it_began_is_not_told_as_stale(served: Served) -> None:
    begins = datetime.now(UTC) + timedelta(seconds=1)
    number = (await made(served, starts_at=begins.isoformat()))["id"]
    assert (await done(served, number, "revoke"))[0] == 200
    await asyncio.sleep(1.01)
    (item,) = (await served.get("reports/exemptions"))["items"]
    assert (item["id"], item["status"], item["stale"]) == (number, "revoked", False)


async def test_the_sum_of_what_is_not_counted_apart_is_a_row_of_the_usage_report_and_of_its_page(
    served: Served,
) -> None:
    served.counted["group/vendor"] = "other"
    (item,) = (await served.get("reports/usage?by=group,vendor"))["items"]
    assert (item["group"], item["vendor"], item["blocked"]) == ("other", "other", 2)
    async with served.call("GET", "reports/usage?by=group,vendor&format=csv") as response:
        assert (await response.text()).splitlines()[1].endswith(",other,other,2,1,3,yes")
    browser = await Browser.log_in(served, "viewer")
    page, _ = await browser.get("/reports/usage")
    assert page.count("<span>other</span>") == 2
    assert "sum of all smaller ones" in page
    served.counted["group/vendor"] = "staff/other"  # a vendor that is called so
    page, _ = await browser.get("/reports/usage")
    assert page.count("<span>other</span>") == 1
    assert "sum of all smaller ones" not in page


async def test_usage_is_reported_by_group_and_vendor(served: Served) -> None:
    body = await served.get("reports/usage?by=vendor,group&step_seconds=3600")
    assert body["by"] == ["group", "vendor"]
    assert {"group": "staff", "vendor": "acme", "blocked": 2}.items() <= body["items"][0].items()
    async with served.call("GET", "reports/usage?by=group,vendor&format=csv") as response:
        assert (await response.text()).splitlines()[0] == "at,group,vendor,blocked,monitored,exempted,rest"
    assert await served.status("GET", "reports/usage?by=shoe") == 422
    assert await served.status("GET", "reports/usage?step_seconds=3600&from=2001-01-01T00:00:00Z") == 422


async def test_who_decides_sees_for_how_long_was_asked_and_until_when_it_waits(four_eyes: Served) -> None:
    served = four_eyes
    body = await made(served, duration_seconds=3600)
    number, waits = body["id"], datetime.fromisoformat(body["waits_until"])
    assert body["requested_seconds"] == 3600
    assert waits - datetime.now(UTC) > timedelta(days=6)
    ends = (datetime.now(UTC) + timedelta(minutes=30)).isoformat()
    fixed = await made(served, duration_seconds=None, expires_at=ends)
    assert fixed["requested_seconds"] in range(1795, 1801)
    assert datetime.fromisoformat(fixed["waits_until"]) == datetime.fromisoformat(ends)
    (listed,) = [item for item in (await served.get("exemptions"))["items"] if item["id"] == number]
    (reported,) = [item for item in (await served.get("reports/exemptions"))["items"] if item["id"] == number]
    for shown in (listed, reported, await served.get(f"exemptions/{number}")):
        assert (shown["requested_seconds"], shown["waits_until"]) == (3600, body["waits_until"])
    async with served.store.read() as connection:
        told = "".join((await connection.execute(select(webhook_messages.c.body))).scalars())
    assert '"requested_seconds":3600' in told.replace(" ", "")
    assert '"waits_until"' in told
    browser = await Browser.log_in(served, "second")
    for page in ("/exemptions", f"/exemptions/{number}", "/reports/exemptions"):
        text, _ = await browser.get(page)
        assert "1 h" in text
        assert "aits until" in text
    _, approved = await done(served, number, "approve", role="second")
    assert (approved["requested_seconds"], approved["waits_until"]) == (None, None)


async def test_each_decision_is_told_with_who_asked_and_who_decided(four_eyes: Served) -> None:
    served = four_eyes
    first, second = [await made(served) for _ in range(2)]
    await done(served, first["id"], "approve", role="second")
    await done(served, second["id"], "deny", {"reason": "not now"}, role="second")
    assert (await done(served, first["id"], "renew", {"duration_seconds": 1800}))[0] == 200
    third = await made(served)
    async with served.store.read() as connection:
        waiting = await exemptions.pending_since(connection)  # the renewal, and the new one
    assert [at.replace(microsecond=0) for at in waiting] == sorted(at.replace(microsecond=0) for at in waiting)
    assert len(waiting) == 2
    await done(served, first["id"], "deny", {"reason": "long enough"}, role="second")
    async with served.store.read() as connection:
        (waits,) = await exemptions.pending_since(connection)
        assert waits == datetime.fromisoformat(third["created_at"])
        bodies = [json.loads(body) for body in (await connection.execute(select(webhook_messages.c.body))).scalars()]
    told = [body["data"] for body in bodies if body["type"] == "exemption.decided"]
    asked, decided = {one["asked_by"] for one in told}, {one["decided_by"] for one in told}
    assert [(one["id"], one["action"], one["note"]) for one in told] == [
        (first["id"], "approve", None),
        (second["id"], "deny", "not now"),
        (first["id"], "deny-renewal", "long enough"),
    ]
    assert len(asked) == len(decided) == 1
    assert asked != decided


async def test_pages_say_ask_where_two_have_to_agree_and_offer_no_decision_to_who_asked(four_eyes: Served) -> None:
    served = four_eyes
    number = (await made(served))["id"]
    asker, other = [await Browser.log_in(served, role) for role in ("same", "second")]  # of the same owner, and not
    here = f"/exemptions/{number}"
    decisions = {f"{here}/approve", f"{here}/deny"}
    assert decisions.isdisjoint({form.action for form in await asker.forms(here)})
    assert f"{here}/revoke" in {form.action for form in await asker.forms(here)}  # withdraws it
    assert decisions <= {form.action for form in await other.forms(here)}
    for page in ("/exemptions/new", "/check?name=claude.ai&client=127.0.0.9"):
        text, _ = await asker.get(page)
        assert ">Ask for it</button>" in text
        assert ">Grant</button>" not in text
    assert (await done(served, number, "approve", role="second"))[0] == 200
    text, _ = await asker.get(here)
    assert ">Renew</button>" not in text
    assert (await done(served, number, "renew", {"duration_seconds": 1800}))[0] == 200
    assert decisions.isdisjoint({form.action for form in await asker.forms(here)})


async def test_without_four_eyes_pages_say_grant(served: Served) -> None:
    browser = await Browser.log_in(served, "operator")
    for page in ("/exemptions/new", "/check?name=claude.ai&client=127.0.0.9"):
        assert ">Grant</button>" in (await browser.get(page))[0]


async def test_what_was_counted_by_the_hour_is_not_used_before_it_began(served: Served) -> None:
    body = await made(served)
    served.counted["exemption"] = body["id"]  # counted at the begin of the window, a month ago
    (item,) = (await served.get("reports/exemptions?reason=a+test"))["items"]
    assert item["uses"] == 3
    assert item["last_used_at"] == item["starts_at"]


@pytest.mark.parametrize("spelling", ["ana", " ANA ", "Ａｎａ", "A\u200bna"])
async def test_exemptions_are_found_by_any_spelling_of_their_owner(served: Served, spelling: str) -> None:
    number = (await made(served))["id"]
    found = await served.get(f"exemptions?owner={quote(spelling)}")
    assert [item["id"] for item in found["items"]] == [number]
    assert (await served.get("exemptions?owner=anna"))["items"] == []


async def test_an_owner_takes_up_what_nobody_signed_and_another_one_approves_it(four_eyes: Served) -> None:
    served = four_eyes
    async with served.context.subjects.change("block-page") as changing:
        values = {"kind": "client", "who": ("10.1.2.3",), "scope": ("ai",), "owner": "x", "reason": "y", "ticket": None}
        times = {"starts_at": datetime.now(UTC), "expires_at": datetime.now(UTC) + timedelta(days=1)}
        state = {"status": "pending", "decided_by": None, "from_approval_seconds": 600}
        row = await exemptions.create(changing.store, NewExemption(**values, **times, **state), owner=UNVERIFIED)
    status, body = await done(served, row.id, "approve")
    assert (status, body["status"], body["requested_owner"]) == (200, "pending", "tests")
    assert (await done(served, row.id, "approve", role="same"))[0] == 403
    assert (await done(served, row.id, "approve", role="second"))[1]["status"] == "active"
