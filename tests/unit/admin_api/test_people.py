"""Who sees persons: fields that are hidden, filters that are refused, and that no field of a person is forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from admin_api.api.http.call import ApiReply, Call
from admin_api.api.models import LogSinkItem, LogSinks, MailState
from admin_api.api.models.common import Looking
from admin_api.api.models.looks import AGREED_TO
from admin_api.api.people import HIDDEN, PERSONS, Persons, without_persons
from admin_api.api.route import operation_name
from admin_api.api.routes import ROUTES
from admin_api.query_log.reader import LogPage

from .browser import Browser
from .conftest import Served, expect_problem

BY_NAME = {operation_name(route): route for route in ROUTES}
OF_PERSONS = {
    *("client", "client_host", "client_hosts", "identity", "owner", "subject", "holder"),
    *("set_by", "decided_by", "requested_by", "actor"),
}
ASK_FOR_PERSONS = {"client", "client_name", "identity", "owner", "actor", "address"}
CLIENT, IDENTITY, OWNER = "127.0.77.5", "alice@example.com", "Carla Example"
HOST = "alices-laptop.corp.example"
ROW = {
    **dict.fromkeys(("group", "service", "list", "rule", "remark")),
    **{
        "at": "2026-01-02T03:04:05Z",
        "client": CLIENT,
        "identity": IDENTITY,
        "name": "claude.ai",
        "type": "A",
        "rcode": "NOERROR",
    },
    **{"verdict": "exempt", "exemption": "ex-0123456789", "protocol": "udp", "duration_ms": 0.1},
}


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def paths_of(model: type[BaseModel], within: str = "") -> Iterator[str]:
    """All fields of a reply, through lists and models."""
    for name, field in model.model_fields.items():
        yield f"{within}{name}"
        for inner in models_in(field.annotation):
            yield from paths_of(inner, f"{within}{name}.")


def test_the_table_names_operations_fields_and_parameters_that_there_are() -> None:
    for name, persons in PERSONS.items():
        route = BY_NAME[name]
        replies = [model for model in route.replies.values() if model is not None]
        assert {*persons.fields, *persons.deeds} <= {path for model in replies for path in paths_of(model)}, name
        assert set(persons.asks) <= set(route.query.model_fields if route.query else ()), name
        assert persons.all_of_it or persons.fields or persons.deeds or persons.asks, name


def test_whatever_is_called_like_a_person_in_what_viewers_read_is_in_the_table() -> None:
    shown_anyway = {("GET /explain", "client")}  # says again what was asked for
    for name, route in BY_NAME.items():
        if route.role != "viewer" or PERSONS.get(name, Persons()).all_of_it:
            continue
        persons = PERSONS.get(name, Persons())
        for model in route.replies.values():
            for path in () if model is None else paths_of(model):
                if path.rpartition(".")[2] in OF_PERSONS and (name, path) not in shown_anyway:
                    assert any(f"{path}.".startswith(f"{hidden}.") for hidden in (*persons.fields, *persons.deeds)), (
                        name,
                        path,
                    )
        asks = set(route.query.model_fields if route.query else ()) & ASK_FOR_PERSONS
        assert asks <= persons.asks.keys(), name


def test_each_field_of_the_table_is_hidden_from_those_who_may_not_see_it() -> None:
    for name, persons in PERSONS.items():
        model = BY_NAME[name].replies.get(200)
        if not (persons.fields or persons.deeds) or model is None:
            continue
        body = without_persons(name, _call(("viewer",)), ApiReply(_filled(model))).body
        assert isinstance(body, BaseModel)
        for path in (*persons.fields, *persons.deeds):
            assert all(value in (HIDDEN, None, [], {}) for value in _at(body, path.split("."))), (name, path)
        kept = without_persons(name, _call(("viewer", "investigator"), "a test"), ApiReply(body)).body
        assert kept is body


def _call(roles: tuple[str, ...], reason: str | None = None) -> Call:
    return Call(None, "token:x", "1", {}, Looking(reason=reason), {}, {}, roles=roles)  # type: ignore[arg-type]


def _filled(model: type[BaseModel]) -> BaseModel:
    """A reply with something at each place: its values are not those that its model asks for."""
    made = model.model_construct()
    for name, field in model.model_fields.items():
        inner = list(models_in(field.annotation))
        written = str(field.annotation)
        value: Any = _filled(inner[0]) if inner else {"step": CLIENT} if "list[dict" in written else CLIENT
        setattr(made, name, [value] if "list[" in written else value)
    return made


def _at(value: Any, path: list[str]) -> list[Any]:
    if isinstance(value, list):
        return [found for one in value for found in _at(one, path)] if value else [value]
    if not path or not isinstance(value, BaseModel):
        return [value]
    return _at(getattr(value, path[0]), path[1:])


@pytest.fixture
async def office(served: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    """A lease, an exemption of its address, and a query in the log."""
    lease = {"identity": IDENTITY, "ttl_seconds": 3600}
    assert await served.status("PUT", f"leases/{CLIENT}", lease) == 201
    exemption = {"subject": {"client": CLIENT}, "scope": ["anthropic"], "owner": OWNER, "reason": f"for {OWNER}"}
    assert await served.status("POST", "exemptions", {**exemption, "duration_seconds": 3600}) == 201

    async def page(*_: object, **__: object) -> LogPage:
        return LogPage([dict(ROW)], None)

    monkeypatch.setattr(served.context.query_log, "page", page)
    served.context.host_names.local = lambda: {CLIENT: HOST}
    return served


def _readable(served: Mapping[str, str]) -> list[str]:
    """Every address that is read, with a call that asks for all there is."""
    paths = [route.path for route in ROUTES if route.method == "GET" and "{" not in route.path]
    more = [f"/api/v1/exemptions/{served['exemption']}", f"/api/v1/leases/{CLIENT}"]
    more += [f"/api/v1/stats/top?by={by}&reason=test" for by in ("client", "identity", "exemption", "group")]
    more += ["/api/v1/reports/exemptions?format=csv", f"/api/v1/explain?name=claude.ai&client={CLIENT}"]
    more += [f"/api/v1/queries?client={CLIENT}&reason=test", f"/api/v1/audit?actor={IDENTITY}"]
    more += ["/api/v1/explain?name=claude.ai"]
    return [*paths, *more]


async def test_all_that_a_viewer_may_read_together_names_nobody(office: Served) -> None:
    number = (await office.get("exemptions"))["items"][0]["id"]
    addresses = _readable({"exemption": number})
    seen: dict[str, str] = {}
    for caller in ("viewer", "admin"):
        read = ""
        for address in addresses:
            async with office.call("GET", address, role=caller) as response:
                read += await response.text() if response.status < 400 else ""
        seen[caller] = read
    for secret in (CLIENT, IDENTITY, OWNER, HOST):
        assert secret in seen["admin"]
        assert secret not in seen["viewer"]
    assert "claude.ai" in seen["viewer"]


async def test_pages_name_nobody_to_a_viewer_and_an_investigator_sees_the_client(office: Served) -> None:
    number = (await office.get("exemptions"))["items"][0]["id"]
    viewer = await Browser.log_in(office, "viewer")
    pages = ["/", "/queries", "/exemptions", f"/exemptions/{number}", "/exemptions?status=stale", "/audit", "/policy"]
    pages += ["/check?name=claude.ai", "/groups", "/status", "/reports/exemptions", "/reports/usage", "/roll-out"]
    for address in (*pages, "/changes", "/unlisted", "/lists", "/local"):
        page, _ = await viewer.get(address)
        assert not [secret for secret in (CLIENT, IDENTITY, OWNER, HOST) if secret in page], address
        assert 'href="/clients"' not in page
    for address in ("/clients", "/clients/history", "/reports/evidence", f"/queries?client={CLIENT}"):
        page, _ = await viewer.get(address, 403)
        assert "needs the role investigator" in page
    page, _ = await (await Browser.log_in(office, "investigating-viewer")).get("/queries")
    assert CLIENT in page
    page, _ = await (await Browser.log_in(office, "operator")).get("/clients")
    assert IDENTITY in page


@pytest.mark.parametrize("caller", ["viewer", "operator", "admin-alone"])
async def test_the_query_log_hides_its_clients_but_from_investigators(office: Served, caller: str) -> None:
    async with office.call("GET", "queries", role=caller) as response:
        (row,) = (await response.json())["items"]
    assert (row["client"], row["identity"], row["exemption"], row["name"]) == (HIDDEN, HIDDEN, HIDDEN, "claude.ai")
    async with office.call("GET", f"queries?client={CLIENT}", role=caller) as response:
        problem = await expect_problem(response)
    role = "admin" if caller == "admin-alone" else caller
    assert problem["detail"] == f"client asks for persons, and needs the role investigator; your token has {role}"
    for asking in ("client", "identity", "exemption"):
        assert await office.status("GET", f"stats/top?by={asking}", role=caller) == 403
    for asking in ("reports/usage?by=exemption", f"queries?identity={IDENTITY}"):
        assert await office.status("GET", asking, role=caller) == 403
    assert await office.status("GET", "reports/usage?by=vendor,%20identity", role=caller) == 403
    assert await office.status("GET", "stats/top?by=domain", role=caller) == 200
    for seeing in ("admin", "investigating-viewer"):
        assert await office.status("GET", "reports/usage?by=identity&reason=test", role=seeing) == 200
        async with office.call("GET", f"queries?client={CLIENT}&reason=test", role=seeing) as response:
            assert (await response.json())["items"][0]["client"] == CLIENT
        assert await office.status("GET", "stats/top?by=client&reason=test", role=seeing) == 200


async def test_operators_see_those_whom_they_handle_and_not_what_these_did(office: Served) -> None:
    number = (await office.get("exemptions"))["items"][0]["id"]
    office.counted["exemption/identity"] = f"{number}/{IDENTITY}"
    for caller, reason, uses in (
        ("viewer", "?reason=test", []),
        ("operator", "?reason=test", []),
        ("investigating-operator", "", []),
        ("investigating-operator", "?reason=test", [{"identity": IDENTITY, "uses": 3}]),
    ):
        async with office.call("GET", f"reports/exemptions{reason}", role=caller) as response:
            assert (await response.json())["items"][0]["uses_by"] == uses, caller
    async with office.call("GET", "reports/exemptions?format=csv&reason=test") as response:
        assert f"{IDENTITY} 3" in await response.text()
    for path in (
        "exemptions",
        "leases",
        "lease-history",
        "audit",
        "reports/exemptions",
        "reports/exemptions?format=csv",
    ):
        async with office.call("GET", path, role="operator") as response:
            assert CLIENT in await response.text(), path
    async with office.call("GET", f"explain?name=claude.ai&client={CLIENT}", role="operator") as response:
        assert IDENTITY in await response.text()


@pytest.mark.parametrize("caller", ["viewer", "operator", "admin-alone"])
async def test_a_made_up_group_of_one_address_replays_nobodys_queries(office: Served, caller: str) -> None:
    document = await office.get("policy")
    document["policy"]["groups"] = [{"name": "one", "networks": [CLIENT], "exempt": True}]
    async with office.call("POST", "policy:plan?replay_seconds=86400", document, role=caller) as response:
        problem = await expect_problem(response)
    has = "admin" if caller == "admin-alone" else caller
    assert (response.status, problem["detail"]) == (
        403,
        f"replay_seconds asks for persons, and needs the role investigator; your token has {has}",
    )
    assert await office.status("POST", "policy:plan", document, role=caller) == 200
    page, _ = await (await Browser.log_in(office, caller)).get("/policy/document")
    assert "Try it on logged queries" not in page
    page, _ = await (await Browser.log_in(office, "investigating-viewer")).get("/policy/document")
    assert "Try it on logged queries" in page


async def test_how_often_one_person_used_an_exemption_is_for_investigators_alone(office: Served) -> None:
    assert await office.status("POST", "groups", {"name": "lab", "networks": ["10.9.0.0/16"]}) == 201
    for subject in ({"group": "lab"}, {"network": "10.9.0.0/16"}, {"network": "10.9.0.9/32"}, {"identity": IDENTITY}):
        exemption = {"subject": subject, "scope": ["anthropic"], "owner": OWNER, "reason": "trial"}
        assert await office.status("POST", "exemptions", {**exemption, "duration_seconds": 3600}) == 201
    seen = {}
    for caller in ("operator", "investigating-operator"):
        async with office.call("GET", "reports/exemptions?reason=test", role=caller) as response:
            seen[caller] = {item["subject"]: item["uses"] for item in (await response.json())["items"]}
    assert set(seen["investigating-operator"].values()) == {0}
    one = {f"client {CLIENT}", f"identity {IDENTITY}", "network 10.9.0.9/32"}
    assert {subject for subject, uses in seen["operator"].items() if uses is None} == one
    page, _ = await (await Browser.log_in(office, "operator")).get("/reports/exemptions")
    assert page.count('<span class="dim">hidden</span>') == len(one)
    assert await office.status("GET", "reports/evidence", role="operator") == 403


async def test_the_trail_names_no_token_to_a_viewer(office: Served) -> None:
    body = {"name": "anas-laptop", "owner": OWNER, "role": "viewer"}
    assert await office.status("POST", "tokens", body) == 201
    for caller, name in (("viewer", "tokens/hidden"), ("operator", "tokens/anas-laptop")):
        async with office.call("GET", "audit?limit=1", role=caller) as response:
            assert [item["object"] for item in (await response.json())["items"]] == [name]
    assert await office.status("GET", "audit?object=tokens/anas-laptop", role="viewer") == 403
    assert await office.status("GET", "audit?object=groups/default", role="viewer") == 200


async def test_a_viewers_trace_does_not_say_whose_lease_the_usual_client_is(office: Served) -> None:
    assert await office.status("PUT", "leases/127.0.0.1", {"identity": IDENTITY, "ttl_seconds": 3600}) == 201
    for caller, seen in (("viewer", HIDDEN), ("operator", IDENTITY)):
        async with office.call("GET", "explain?name=claude.ai", role=caller) as response:
            explained = await response.json()
        (lease,) = [step for step in explained["trace"] if step["step"] == "lease"]
        assert (explained["identity"], lease["outcome"], IDENTITY in lease["detail"]) == (seen, seen, seen == IDENTITY)


async def test_what_a_mail_server_says_of_recipients_is_hidden_from_viewers() -> None:
    said = "ana@corp.example: 550 no such user"
    for operation, body in (
        ("GET /mail", MailState(last_error=said)),
        ("GET /log-sinks", LogSinks(items=[LogSinkItem.model_construct(last_error=f"400: {IDENTITY}")])),
    ):
        for roles, is_hidden in ((("viewer",), True), (("operator",), False)):
            told = without_persons(operation, _call(roles), ApiReply(body)).body
            assert isinstance(told, BaseModel)
            (error,) = _at(told, ["last_error"] if operation == "GET /mail" else ["items", "last_error"])
            assert (error == HIDDEN) is is_hidden


async def test_the_description_says_who_sees_persons(served: Served) -> None:
    described = await served.get("/openapi.json")
    said = described["paths"]["/api/v1/queries"]["get"]["description"]
    assert said == (
        "Least role: viewer. Without the role investigator, a caller is refused with client, identity and does not see "
        "items.client, items.client_host, items.identity, items.exemption. With client, identity, reason is required; "
        "the audit trail has it."
    )
    assert json.dumps(described).count("Least role: ") == sum(1 for route in ROUTES if route.role)


def test_the_documentation_has_the_table() -> None:
    text = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
    for name, persons in PERSONS.items():
        parts = ["refused"] if persons.all_of_it else []
        parts += [f"refused with {_in_cell(persons.refused)}"] if persons.asks else []
        parts += [f"hidden: {_in_cell(persons.fields)}"] if persons.fields else []
        parts += [f"hidden: {_in_cell(persons.deeds)}"] if persons.deeds and not persons.fields else []
        seen = " (operators see it)" if persons.to_operators else ""
        seen += f"; hidden from operators, too: {_in_cell(persons.deeds)}" if persons.deeds and persons.fields else ""
        seen += f"; nor {persons.told_more}" if persons.told_more else ""
        assert f"| `{name}` | {'; '.join(parts)}{seen} |\n" in text


def test_the_documentation_has_the_table_of_looks() -> None:
    text = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
    rows = []
    for name, persons in PERSONS.items():
        what = [
            *(["the call"] if persons.of_body else []),
            *([_in_cell(persons.written_looks)] if persons.looks else []),
        ]
        what += [f"to be shown {_in_cell(persons.deeds)}"] if persons.deeds else []
        if what:
            rows.append(f"| `{name}` | {'; '.join(what)} | {'yes' if name in AGREED_TO else 'no'} |\n")
    assert "".join(rows) in text


def _in_cell(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names).replace("|", "\\|")
