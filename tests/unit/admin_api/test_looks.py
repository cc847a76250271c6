"""Looks at persons: none without a reason, each a row of the audit trail, and one row however long it goes on."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admin_api.api.http.call import Call
from admin_api.api.looks import LOOK, MOST_LOOKS, Looks
from admin_api.api.models import LogQuery
from admin_api.api.models.looks import AGREED_TO
from admin_api.api.people import PERSONS
from admin_api.api.route import operation_name
from admin_api.api.routes import ROUTES
from admin_api.pages.login.sessions import Session
from admin_api.store import documents, tokens
from admin_api.store.errors import TooMany
from admin_api.store.looks import MOST_GRANTS, GrantedLook, all_grants, grant
from admin_api.store.roles import FIRST_ROLES

from .browser import Browser
from .conftest import Served, expect_problem

ANA, ADDRESS = "ana@corp.example", "10.0.0.7"
OF_ANA = f"queries?identity={ANA}"
USAGE = {"operation": "GET /reports/usage"}
LOOKS = (
    ("GET", OF_ANA, {"operation": "GET /queries", "identity": ANA}),
    ("GET", f"queries?client={ADDRESS}&verdict=block", {"operation": "GET /queries", "client": ADDRESS}),
    ("GET", "stats/top?by=client", {"operation": "GET /stats/top", "by": "client"}),
    ("GET", "stats/top?by=identity", {"operation": "GET /stats/top", "by": "identity"}),
    ("GET", "reports/usage?by=identity", {**USAGE, "by": "identity"}),
    ("GET", "reports/usage?by=vendor,identity&format=csv", {**USAGE, "by": "vendor,identity"}),
    ("GET", f"lease-history?identity={ANA}", {"operation": "GET /lease-history", "identity": ANA}),
    ("GET", f"lease-history?address={ADDRESS}", {"operation": "GET /lease-history", "address": ADDRESS}),
    ("POST", "policy:plan?replay_seconds=60", {"operation": "POST /policy:plan", "replay_seconds": "60"}),
)


async def rows(served: Served) -> list[tuple[str, dict[str, Any]]]:
    """Actor and state of each look in the trail, the newest first."""
    items = (await served.get("audit?action=look"))["items"]
    assert {item["object"] for item in items} <= {LOOK[1]}
    return [(item["actor"], item["after"]) for item in items]


@pytest.mark.parametrize(("method", "path", "told"), LOOKS)
async def test_a_look_at_persons_needs_a_reason_and_is_a_row_of_the_trail(
    served: Served, method: str, path: str, told: dict[str, str]
) -> None:
    body = await served.get("policy") if method == "POST" else None
    for lacking in (path, f"{path}&reason=", f"{path}&reason=%20"):
        async with served.call(method, lacking, body) as response:
            problem = await expect_problem(response)
        assert (response.status, [error["pointer"] for error in problem["errors"]]) == (422, ["/reason"])
        assert "say why" in problem["detail"]
    assert await rows(served) == []
    shown = 503 if method == "POST" else 200  # there are no files here to replay anything by
    assert await served.status(method, f"{path}&reason=ticket%204711", body) == shown
    assert await rows(served) == [("token:a-admin", {**told, "reason": "ticket 4711"})]


async def test_whoever_may_not_see_persons_is_refused_before_a_reason_is_asked_for(served: Served) -> None:
    for path in (OF_ANA, f"{OF_ANA}&reason=curious"):
        assert await served.status("GET", path, role="admin-alone") == 403
    assert await rows(served) == []


async def test_a_look_that_goes_on_is_one_row_and_another_look_is_another(served: Served) -> None:
    for more in ("", "&limit=5", "&verdict=block", "&contains=claude", ""):
        assert await served.status("GET", f"{OF_ANA}&reason=ticket{more}") == 200
    assert len(await rows(served)) == 1
    assert await served.status("GET", f"{OF_ANA}&reason=another") == 200
    assert await served.status("GET", "queries?identity=ben&reason=ticket") == 200
    assert await served.status("GET", f"{OF_ANA}&reason=ticket", role="investigating-viewer") == 200
    found = await rows(served)
    assert [actor for actor, _ in found] == ["token:a-investigating-viewer", *["token:a-admin"] * 3]
    assert [(after["identity"], after["reason"]) for _, after in found] == [
        (ANA, "ticket"),
        ("ben", "ticket"),
        (ANA, "another"),
        (ANA, "ticket"),
    ]


async def test_what_asks_for_nobody_is_no_look(served: Served) -> None:
    for path in ("queries", "queries?verdict=block", "stats/top?by=domain", "reports/usage", "stats/top?by=exemption"):
        assert await served.status("GET", path) == 200
    assert await served.status("POST", "policy:plan", await served.get("policy")) == 200
    assert await rows(served) == []


async def test_nothing_is_shown_while_no_row_can_be_written(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise AssertionError("the log was searched")

    monkeypatch.setattr(served.context.query_log, "page", fails)
    served.store_access.trouble = "the store is away"
    assert await served.status("GET", f"{OF_ANA}&reason=ticket") == 503


async def test_a_viewer_reads_that_somebody_looked_and_not_at_whom(served: Served) -> None:
    assert await served.status("GET", f"{OF_ANA}&reason=for%20ana") == 200
    async with served.call("GET", "audit?action=look", role="viewer") as response:
        text = await response.text()
    assert '"look"' in text
    assert "ana" not in text.replace('"object":"people"', "")


@pytest.mark.slow
async def test_a_row_is_written_again_after_its_time_and_the_oldest_of_many_is_forgotten(served: Served) -> None:
    now = 0.0
    looks = Looks(clock=lambda: now)
    written: list[str] = []

    class Counted:
        """A store's change that keeps what it would record."""

        async def __aenter__(self) -> Counted:
            return self

        async def __aexit__(self, *_: object) -> None:
            pass

        def record(self, *row: Any) -> None:
            written.append(row[3]["identity"])

    class Asked(Call):
        """A call whose rows go nowhere."""

        __slots__ = ()

        def change(self) -> Any:
            return Counted()

    async def look(whom: str) -> None:
        query = LogQuery(identity=whom, reason="ticket")
        await looks.note("GET /queries", Asked(served.context, "token:x", "1", {}, query, {}, {}))

    for at in (0.0, 1800.0, 3599.0, 3600.0, 3601.0):
        now = at
        await look("ana")
    assert written == ["ana", "ana"]
    for number in range(MOST_LOOKS):
        await look(f"person-{number}")
    assert looks.forgotten == 1
    await look("ana")
    assert written[-1] == "ana"


async def test_each_look_has_a_parameter_for_its_reason() -> None:
    by_name = {operation_name(route): route for route in ROUTES}
    for name, persons in PERSONS.items():
        query = by_name[name].query
        takes_reason = query is not None and "reason" in query.model_fields
        assert takes_reason is bool(persons.looks or persons.deeds), name
        if not persons.all_of_it:
            assert persons.looks.keys() <= persons.asks.keys(), name
            for which, values in persons.looks.items():
                assert values <= persons.asks[which] or not persons.asks[which], name
    of_investigators = {
        name
        for name, persons in PERSONS.items()
        if persons.deeds or persons.of_body or (persons.looks and not persons.to_operators)
    }
    assert of_investigators == AGREED_TO


REPORTS = ("reports/forecast", "reports/exemptions")


async def test_a_report_that_says_what_each_did_is_a_look_for_an_investigator_with_a_reason(served: Served) -> None:
    for path in REPORTS:
        assert await served.status("GET", path) == 200
        assert await served.status("GET", f"{path}?reason=%20") == 200
        for role in ("viewer", "operator", "admin-alone"):
            assert await served.status("GET", f"{path}?reason=ticket", role=role) == 200
    assert await rows(served) == []
    for path in REPORTS:
        assert await served.status("GET", f"{path}?reason=ticket") == 200
    assert await rows(served) == [
        ("token:a-admin", {"operation": f"GET /{path}", "reason": "ticket"}) for path in reversed(REPORTS)
    ]


async def test_the_page_of_exemptions_shows_who_used_them_once_there_is_a_reason(served: Served) -> None:
    body = {"subject": {"identity": ANA}, "scope": ["anthropic"], "owner": "it", "reason": "x", "duration_seconds": 60}
    async with served.call("POST", "exemptions", body) as response:
        number = (await response.json())["id"]
    served.counted["exemption/identity"] = f"{number}/eve@corp.example"
    browser = await Browser.log_in(served, "admin")
    page, _ = await browser.get("/reports/exemptions")
    assert "eve@corp.example" not in page
    assert "Show how often each person used them…" in page
    await browser.give_reason("/reports/exemptions?persons=yes")
    for address in ("/reports/exemptions", "/reports/exemptions.csv?range=30d"):
        page, _ = await browser.get(address)
        assert "eve@corp.example" in page, address
    assert [after["operation"] for _, after in await rows(served)] == ["GET /reports/exemptions"]
    page, _ = await (await Browser.log_in(served, "operator")).get("/reports/exemptions?persons=yes")
    assert "eve@corp.example" not in page
    assert "Show how often" not in page


async def test_an_export_is_a_look_with_a_reason_that_does_not_name_the_person(served: Served) -> None:
    for body in (
        {"identity": ANA},
        {"identity": ANA, "reason": f"{ANA} asks"},
        {"identity": "~abcdefghijklmnop", "reason": "x"},
    ):
        assert await served.status("POST", "people:export", body) == 422
    assert await rows(served) == []
    for _ in range(2):
        assert await served.status("POST", "people:export", {"identity": ANA, "reason": "asked for"}) == 200
    assert await rows(served) == [
        ("token:a-admin", {"operation": "POST /people:export", "identity": ANA, "reason": "asked for"})
    ]


async def test_a_page_asks_why_once_and_then_shows_what_was_wanted(served: Served) -> None:
    browser = await Browser.log_in(served, "admin")
    wanted = f"/queries?identity={ANA}&verdict=block"
    page, _ = await browser.get(wanted)
    assert "Why do you look at persons?" in page
    assert f"This shows what identity {ANA} did." in page
    (form,) = [form for form in await browser.forms(wanted) if form.action == "/look"]
    text, _ = await browser.send("/look", {**form.fields, "reason": " "}, 422)
    assert "write why you look at persons" in text
    text, _ = await browser.send("/look", {**form.fields, "reason": "up\u202eside"}, 422)
    _, headers = await browser.send("/look", {**form.fields, "reason": "ticket 4711"})
    assert headers["Location"].startswith("/queries?identity=ana%40corp.example")
    for _ in range(3):
        page, _ = await browser.get(wanted)
        assert "Why do you look" not in page
    page, _ = await browser.get("/queries?identity=ben")
    assert "Why do you look" in page
    assert 'value="ticket 4711"' in page
    assert await rows(served) == [
        ("token:a-admin", {"operation": "GET /queries", "identity": ANA, "reason": "ticket 4711"})
    ]


async def test_a_part_of_a_page_has_the_whole_page_ask(served: Served) -> None:
    browser = await Browser.log_in(served, "admin")
    _, headers = await browser.get(f"/queries?identity={ANA}", 204, HX_Request="true")
    assert headers["HX-Refresh"] == "true"


async def test_rankings_of_persons_are_shown_once_there_is_a_reason(served: Served) -> None:
    browser = await Browser.log_in(served, "admin")
    for address, label in (("/", "Show clients and people…"), ("/clients", "Show who has most hits…")):
        page, _ = await browser.get(address)
        assert label in page
    assert await rows(served) == []
    await browser.give_reason("/?persons=yes")
    page, _ = await browser.get("/")
    assert 'id="top-identity"' in page
    page, _ = await browser.get("/clients")
    assert "Most hits of the last day" in page
    assert sorted(after["by"] for _, after in await rows(served)) == ["client", "identity"]
    viewer = await Browser.log_in(served, "viewer")
    page, _ = await viewer.get("/")
    assert "Show clients and people" not in page


async def test_a_form_that_leads_elsewhere_leads_home(served: Served) -> None:
    browser = await Browser.log_in(served, "admin")
    sent = {"operation": "GET /queries", "next": "https://evil.example/", "reason": "x"}
    _, headers = await browser.send("/look", sent)
    assert headers["Location"] == "/"


def test_a_session_remembers_a_bounded_number_of_reasons_for_an_hour() -> None:
    session = Session("", "", 0.0, 0.0)
    for number in range(150):
        session.give_reason(f"look {number}", f"why {number}", 0.0)
    assert session.reason_for("look 0", 1.0) is None
    assert session.reason_for("look 149", 3599.0) == "why 149"
    assert session.reason_for("look 149", 3600.0) is None
    assert session.last_reason == "why 149"
    assert len(session.reasons) == 100


@pytest.fixture
async def two_owners(served: Served) -> Served:
    """A server where another owner agrees to each look, with two investigators and one who is none."""
    async with served.store.change("test") as change:
        for name, roles in (("ana", FIRST_ROLES), ("ben", FIRST_ROLES), ("eve", ("admin",))):
            _, served.tokens[name] = await tokens.create(change, name=name, owner=name, roles=roles)
    for name, value in {"approval": "four-eyes", "look_approval": "four-eyes"}.items():
        object.__setattr__(served.context.settings, name, value)
    return served


LOOK_AT_ANA = {"operation": "GET /queries", "identity": ANA, "reason": "ticket"}


async def asked_for(served: Served, body: dict[str, str], role: str) -> tuple[int, Any]:
    async with served.call("POST", "looks", body, role=role) as response:
        await expect_problem(response)
        return response.status, await response.json()


async def test_where_the_config_says_so_another_investigator_agrees_to_a_look_first(two_owners: Served) -> None:
    async with two_owners.call("GET", f"{OF_ANA}&reason=ticket", role="ana") as response:
        problem = await expect_problem(response)
    assert (response.status, "another owner has to agree to this look first" in problem["detail"]) == (403, True)
    assert (await asked_for(two_owners, LOOK_AT_ANA, "eve"))[0] == 403
    status, waits = await asked_for(two_owners, LOOK_AT_ANA, "ana")
    assert (status, waits["opens"]) == (202, [f"ana looks at the queries of {ANA}: ticket"])
    approve = f"change-requests/{waits['id']}:approve"
    for other in ("ana", "eve"):
        assert await two_owners.status("POST", approve, {}, role=other) == 403
    assert await two_owners.status("GET", f"{OF_ANA}&reason=ticket", role="ana") == 403
    assert await rows(two_owners) == []
    assert await two_owners.status("POST", approve, {}, role="ben") == 200
    assert await two_owners.status("GET", f"{OF_ANA}&reason=ticket&verdict=block", role="ana") == 200
    assert await rows(two_owners) == [("token:ana", {"operation": "GET /queries", "identity": ANA, "reason": "ticket"})]
    for other in (
        f"{OF_ANA}&reason=another",
        "queries?identity=carl&reason=ticket",
        "stats/top?by=client&reason=ticket",
    ):
        assert await two_owners.status("GET", other, role="ana") == 403, other
    assert await two_owners.status("GET", f"{OF_ANA}&reason=ticket", role="ben") == 403, "he agreed to hers"
    status, granted = await asked_for(two_owners, LOOK_AT_ANA, "ana")
    assert (status, granted["owner"]) == (200, "ana"), "it is not over"
    (row,) = [item for item in (await two_owners.get("audit?action=grant"))["items"] if item["object"] == "people"]
    assert (row["actor"], row["after"]["owner"], row["after"]["identity"]) == ("token:ben", "ana", ANA)


async def test_an_export_and_a_report_of_what_each_did_wait_for_another_investigator_too(two_owners: Served) -> None:
    export = {"identity": ANA, "reason": "asked for"}
    wanted = (
        ({"operation": "POST /people:export", **export}, "POST", "people:export", export),
        ({"operation": "GET /reports/exemptions", "reason": "audit"}, "GET", "reports/exemptions?reason=audit", None),
    )
    for look, method, path, body in wanted:
        assert await two_owners.status(method, path, body, role="ana") == 403
        status, waits = await asked_for(two_owners, look, "ana")
        assert status == 202
        assert await two_owners.status("POST", f"change-requests/{waits['id']}:approve", {}, role="ben") == 200
        assert await two_owners.status(method, path, body, role="ana") == 200
        assert await two_owners.status(method, path, body, role="ben") == 403
    assert waits["opens"] == ["ana looks at persons by GET /reports/exemptions: audit"]
    assert [after["operation"] for _, after in await rows(two_owners)] == [
        look["operation"] for look, *_ in reversed(wanted)
    ]
    assert await two_owners.status("GET", "reports/exemptions", role="ana") == 200


async def test_of_the_lease_history_operators_say_why_and_ask_nobody(two_owners: Served) -> None:
    for path in (f"lease-history?identity={ANA}", f"lease-history?address={ADDRESS}"):
        assert await two_owners.status("GET", path, role="operator") == 422
        assert await two_owners.status("GET", f"{path}&reason=ticket", role="operator") == 200
    operator = await Browser.log_in(two_owners, "operator")
    page, _ = await operator.get("/clients/history?identity=ben")
    assert "This shows what identity ben did." in page
    assert "Another owner" not in page
    await operator.give_reason("/clients/history?identity=ben")
    page, _ = await operator.get("/clients/history?identity=ben")
    assert "Why do you look" not in page
    assert len(await rows(two_owners)) == 3


async def test_who_is_erased_is_looked_at_by_nobody_any_more(two_owners: Served) -> None:
    _, waits = await asked_for(two_owners, LOOK_AT_ANA, "ana")
    erase = {"identity": ANA.upper(), "reason": "asked for"}
    assert await two_owners.status("POST", "people:erase", erase, role="ben") == 409, "a look at them waits"
    assert await two_owners.status("POST", f"change-requests/{waits['id']}:approve", {}, role="ben") == 200
    assert await two_owners.status("GET", f"{OF_ANA}&reason=ticket", role="ana") == 200
    async with two_owners.call("POST", "people:erase", erase, role="ben") as response:
        assert (await response.json())["taken_out"]["looks"] == 1
    assert await two_owners.status("GET", f"{OF_ANA}&reason=ticket", role="ana") == 403
    assert ANA not in str(await rows(two_owners))


async def test_a_look_that_was_agreed_to_ends(two_owners: Served) -> None:
    object.__setattr__(two_owners.context.settings, "look_seconds", 0)
    _, waits = await asked_for(two_owners, {"operation": "GET /stats/top", "reason": "ticket"}, "ana")
    assert await two_owners.status("POST", f"change-requests/{waits['id']}:approve", {}, role="ben") == 200
    assert await two_owners.status("GET", "stats/top?by=identity&reason=ticket", role="ana") == 403


async def test_a_look_that_nobody_could_take_is_not_asked_for(two_owners: Served) -> None:
    for body in (
        {"operation": "GET /queries", "reason": "x"},
        {"operation": "GET /stats/top", "identity": ANA, "reason": "x"},
        {"operation": "GET /leases", "reason": "x"},
        {"operation": "GET /lease-history", "identity": ANA, "reason": "x"},
        {"operation": "POST /people:export", "reason": "x"},
        {"operation": "POST /people:export", "client": ADDRESS, "reason": "x"},
        {**LOOK_AT_ANA, "reason": ""},
    ):
        assert (await asked_for(two_owners, body, "ana"))[0] == 422, body
    object.__setattr__(two_owners.context.settings, "look_approval", "none")
    assert (await asked_for(two_owners, LOOK_AT_ANA, "ana"))[0] == 409


async def test_agreements_have_a_bound_and_those_that_are_over_make_room(served: Served) -> None:
    now = datetime.now(UTC)
    looks = [
        GrantedLook(
            "ana", "GET /queries", f"10.0.{n >> 8}.{n & 255}", None, "x", (now + timedelta(hours=1)).isoformat()
        )
        for n in range(MOST_GRANTS + 1)
    ]
    over = replace(looks[0], ends_at=now.isoformat())
    async with served.store.change("test") as change:
        granted = [asdict(one) for one in (*looks[: MOST_GRANTS - 1], over)]
        await documents.put(change.connection, "looks", {"granted": granted})
        await grant(change, looks[MOST_GRANTS - 1])
        with pytest.raises(TooMany, match="wait until some are over"):
            await grant(change, looks[MOST_GRANTS])
        assert len(await all_grants(change.connection)) == MOST_GRANTS


async def test_the_page_asks_for_another_owners_word_and_shows_the_look_afterwards(two_owners: Served) -> None:
    ana, ben = await Browser.log_in(two_owners, "ana"), await Browser.log_in(two_owners, "ben")
    wanted = f"/queries?identity={ANA}"
    page, _ = await ana.get(wanted)
    assert "Another owner has to agree first" in page
    (form,) = [form for form in await ana.forms(wanted) if form.action == "/look"]
    _, headers = await ana.send("/look", {**form.fields, "reason": "ticket"})
    change = headers["Location"]
    assert change.startswith("/changes/")
    page, _ = await ben.get(change)
    assert f"ana looks at the queries of {ANA}: ticket" in page
    await ben.send(f"{change}/approve", {})
    page, _ = await ana.get(wanted)
    assert "Why do you look" not in page
    assert 'name="verdict"' in page


async def test_pages_that_show_rankings_beside_others_are_there_while_nobody_has_agreed(two_owners: Served) -> None:
    ana = await Browser.log_in(two_owners, "ana")
    await ana.give_reason("/?persons=yes")
    for address, label in (("/", "Show clients and people…"), ("/clients", "Show who has most hits…")):
        page, _ = await ana.get(address)
        assert label in page, address
    page, _ = await ana.get("/?persons=yes", 403)
    assert "nother owner has to agree to this look first" in page
