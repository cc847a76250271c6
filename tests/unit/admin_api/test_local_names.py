"""Local names by the API and on their page: each with where it was given."""

from __future__ import annotations

from typing import Any

import pytest

from resolver.answering.explaining import access_of
from resolver.config.settings import WorkerSettings
from resolver.wire.local_records import LocalRecord
from tests.unit.admin_api.browser import Browser
from tests.unit.admin_api.conftest import Served, expect_problem

GIVEN = (
    LocalRecord("printer.office.example", addresses=("192.0.2.7", "2001:db8::7"), origin="local"),
    LocalRecord("*.lab.office.example", addresses=("10.0.0.1",), origin="local"),
    LocalRecord("intra.office.example", alias="printer.office.example", origin="local"),
    LocalRecord("copier.office.example", addresses=("192.0.2.7",), origin="/etc/<i>hosts:3"),
)


@pytest.fixture
def named(served: Served) -> Served:
    """An API whose node has local names."""
    access = access_of(WorkerSettings(local=GIVEN, local_ttl_seconds=60))
    object.__setattr__(served.context, "access", access)  # frozen, but for its own
    return served


async def test_local_names_are_listed_by_name_with_where_each_was_given(named: Served) -> None:
    page = await named.get("local")
    assert page["ttl_seconds"] == 60
    assert [(item["name"], item["where"]) for item in page["items"]] == [
        ("*.lab.office.example", "local"),
        ("copier.office.example", "/etc/<i>hosts:3"),
        ("intra.office.example", "local"),
        ("printer.office.example", "local"),
    ]
    assert page["items"][3] == {
        "name": "printer.office.example",
        "addresses": ["192.0.2.7", "2001:db8::7"],
        "alias": None,
        "reverse_of": ["192.0.2.7", "2001:db8::7"],
        "origin": "file",
        "where": "local",
        "replaces_api": False,
        "version": 0,
    }
    assert page["items"][1]["reverse_of"] == []
    assert page["items"][2]["alias"] == "printer.office.example"


async def test_local_names_come_in_pages_and_by_a_text_of_them(named: Served) -> None:
    first = await named.get("local?limit=3")
    rest = await named.get(f"local?limit=3&cursor={first['next']}")
    assert [item["name"] for item in (*first["items"], *rest["items"])] == sorted(record.name for record in GIVEN)
    assert rest["next"] is None
    found = await named.get("local?contains=192.0.2.7")
    assert [item["name"] for item in found["items"]] == ["copier.office.example", "printer.office.example"]


async def test_the_page_shows_local_names_and_escapes_what_files_are_called(named: Served) -> None:
    browser = await Browser.log_in(named, "viewer")
    page, _ = await browser.get("/local")
    assert '<a href="/local" aria-current="page">' in page
    assert "printer.office.example" in page and "stands for printer.office.example" in page
    assert "/etc/&lt;i&gt;hosts:3" in page and "<i>hosts" not in page
    page, _ = await browser.get("/local?q=nowhere")
    assert "No local name has that text." in page


async def test_a_node_without_local_names_says_so(served: Served) -> None:
    assert await served.get("local") == {"items": [], "next": None, "ttl_seconds": 300}


PRINTER = {"addresses": ["192.0.2.9", "2001:DB8::9"]}


async def said(served: Served, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, dict[str, Any]]:
    async with served.call(method, path, body, **more) as response:
        await expect_problem(response)
        return response.status, (await response.json() if response.content_type.endswith("json") else {})


async def test_a_local_name_is_made_changed_and_removed_by_an_operator_and_audited(served: Served) -> None:
    status, item = await said(served, "PUT", "local/Scanner.Office.example.", PRINTER, role="operator")
    assert (status, item["name"], item["origin"], item["where"]) == (201, "scanner.office.example", "api", "api")
    assert item["addresses"] == ["192.0.2.9", "2001:db8::9"]
    status, item = await said(served, "PUT", "local/scanner.office.example", {"alias": "far.example"}, role="operator")
    assert (status, item["addresses"], item["alias"]) == (200, [], "far.example")
    assert (await said(served, "GET", "local/scanner.office.example", role="viewer"))[1] == item
    assert await served.status("DELETE", "local/scanner.office.example", role="operator") == 204
    assert await served.status("GET", "local/scanner.office.example") == 404
    assert await served.status("DELETE", "local/scanner.office.example") == 404
    assert await served.status("PUT", "local/x.office.example", PRINTER, role="viewer") == 403
    rows = (await served.get("audit?object=local/scanner.office.example"))["items"]
    assert [(row["action"], row["actor"]) for row in rows] == [
        ("delete", "token:a-operator"),
        ("update", "token:a-operator"),
        ("create", "token:a-operator"),
    ]
    assert rows[1]["after"] == {"name": "scanner.office.example", "addresses": [], "alias": "far.example"}


async def test_names_of_others_are_given_and_removed_by_an_admin_alone(served: Served) -> None:
    status, problem = await said(served, "PUT", "local/login.example.com", PRINTER, role="operator")
    assert (status, problem["detail"]) == (
        403,
        "'login.example.com' is not below a domain of your own (upstream.zones, upstream.private_names): this needs "
        "the role admin; your token has operator",
    )
    assert await served.status("PUT", "local/*.com.example", PRINTER, role="operator") == 403
    assert await served.status("PUT", "local/login.example.com", PRINTER) == 201
    assert await served.status("DELETE", "local/login.example.com", role="operator") == 403
    assert await served.status("DELETE", "local/login.example.com") == 204
    assert await served.status("PUT", "local/*.lab.home.arpa", PRINTER, role="operator") == 201
    assert (await said(served, "PUT", "local/x..y", PRINTER, role="operator"))[0] == 422


async def test_what_is_so_already_is_no_change(served: Served) -> None:
    assert await served.status("PUT", "local/x.office.example", PRINTER) == 201
    before = (await served.get("policy"))["revision"]
    assert await served.status("PUT", "local/x.office.example", PRINTER) == 200
    assert (await served.get("policy"))["revision"] == before


async def test_a_name_of_the_config_is_changed_there_alone(named: Served) -> None:
    for name, where in (("printer.office.example", "edit the key local there"), ("copier.office.example", "hosts:3")):
        status, problem = await said(named, "PUT", f"local/{name}", PRINTER)
        assert status == 409
        assert where in problem["detail"]
        assert await named.status("DELETE", f"local/{name}") == 409


async def test_the_config_replaces_what_the_api_has_and_that_can_still_be_removed(served: Served) -> None:
    assert await served.status("PUT", "local/printer.office.example", PRINTER) == 201
    object.__setattr__(served.context, "access", access_of(WorkerSettings(local=GIVEN)))
    item = (await served.get("local?contains=printer"))["items"][1]
    assert (item["name"], item["origin"], item["replaces_api"]) == ("printer.office.example", "file", True)
    assert item["addresses"] == ["192.0.2.7", "2001:db8::7"]
    assert await served.status("DELETE", "local/printer.office.example") == 204
    assert (await served.get("local/printer.office.example"))["replaces_api"] is False


async def test_a_version_that_is_not_the_one_looked_at_is_refused(served: Served) -> None:
    async with served.call("PUT", "local/x.office.example", PRINTER) as response:
        tag = response.headers["ETag"]
        assert response.headers["Location"] == "/api/v1/local/x.office.example"
    other = {"addresses": ["192.0.2.10"]}
    assert await served.status("PUT", "local/x.office.example", other, If_Match='"7"') == 412
    assert await served.status("PUT", "local/y.office.example", other, If_Match=tag) == 412
    assert await served.status("PUT", "local/x.office.example", other, If_Match=tag) == 200
    assert await served.status("DELETE", "local/x.office.example", If_Match=tag) == 412


@pytest.mark.parametrize(
    ("name", "body", "pointer", "detail"),
    [
        ("x.example", {}, "/addresses", "use one of the two"),
        ("x.example", {**PRINTER, "alias": "y.example"}, "/addresses", "use one of the two"),
        ("x.example", {"addresses": ["y.example"]}, "/addresses", "is a name: use alias"),
        ("x.example", {"alias": "192.0.2.1"}, "/alias", "is an address: use addresses"),
        ("x.example", {"addresses": ["192.0.2.256"]}, "/addresses", "is not an IP address"),
        ("x.example", {"addresses": ["192.0.2.1", "y.example"]}, "/addresses", "is a mixture"),
        ("x.example", {"alias": "x..example"}, "/alias", ""),
        ("localhost", PRINTER, "/name", "is a special name"),
        ("*.com", PRINTER, "/name", "would take the names of everybody"),
        ("1.0.0.10.in-addr.arpa", PRINTER, "/name", "is a reverse name"),
        ("x.example", {"alias": "x.example"}, "/alias", "leads to itself"),
    ],
)
async def test_a_mistake_is_told_with_its_place_and_changes_nothing(
    served: Served, name: str, body: Any, pointer: str, detail: str
) -> None:
    status, problem = await said(served, "PUT", f"local/{name}", body)
    assert status == 422, problem
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert detail in problem["errors"][0]["detail"]
    assert (await served.get("local"))["items"] == []


async def test_circles_by_way_of_the_config_are_refused(named: Served) -> None:
    object.__setattr__(
        named.context, "access", access_of(WorkerSettings(local=(LocalRecord("a.example", alias="b.example"),)))
    )
    status, problem = await said(named, "PUT", "local/b.example", {"alias": "a.example"})
    assert (status, problem["errors"][0]["pointer"]) == (422, "/alias")


async def test_circles_of_a_document_by_way_of_the_config_are_refused_with_their_place(named: Served) -> None:
    config = (LocalRecord("a.example", alias="b.example"), LocalRecord("*.lab.example", alias="c.example"))
    object.__setattr__(named.context, "access", access_of(WorkerSettings(local=config)))
    document = await named.get("policy")
    tag = f'"{document["revision"]}"'
    circles = {
        "b.example": (["a.example"], "a.example → b.example → a.example"),
        "c.example": (["x.lab.example"], "c.example → *.lab.example → c.example"),
    }
    for name, (given, way) in circles.items():
        document["policy"]["local"] = {name: given, "other.example": ["10.0.0.1"]}
        for path in ("policy:plan", "policy:apply"):
            status, problem = await said(named, "POST", path, document, If_Match=tag)
            assert status == 422, path
            assert {error["pointer"] for error in problem["errors"]} == {f"/policy/local/{name}"}
            assert any(way in error["detail"] or name in error["detail"] for error in problem["errors"])
    assert (await named.get("policy"))["revision"] == document["revision"]
    document["policy"]["local"] = {"b.example": ["10.0.0.1"]}
    assert await named.status("POST", "policy:apply", document, If_Match=tag) == 200


async def test_the_way_back_into_a_circle_by_way_of_the_config_is_refused(served: Served) -> None:
    assert await served.status("PUT", "local/b.example", {"alias": "a.example"}) == 201
    revision = (await served.get("policy"))["revision"]
    assert await served.status("DELETE", "local/b.example") == 204
    config = (LocalRecord("a.example", alias="b.example"),)
    object.__setattr__(served.context, "access", access_of(WorkerSettings(local=config)))
    status, problem = await said(
        served, "POST", "policy:rollback", {"to_revision": revision}, If_Match=f'"{revision + 1}"'
    )
    assert (status, problem["errors"][0]["pointer"]) == (422, "/to_revision")


async def test_a_circle_of_others_is_nobodys_mistake_but_of_who_changes_it(served: Served) -> None:
    assert await served.status("PUT", "local/b.example", {"alias": "a.example"}) == 201
    # Where the config comes to close the circle: both are in force, and each is changed on its own.
    config = (LocalRecord("a.example", alias="b.example"),)
    object.__setattr__(served.context, "access", access_of(WorkerSettings(local=config)))
    assert await served.status("PUT", "local/printer.office.example", PRINTER) == 201
    assert await served.status("PUT", "local/c.example", {"alias": "printer.office.example"}) == 201
    status, problem = await said(served, "PUT", "local/c.example", {"alias": "a.example"})
    assert (status, problem["errors"][0]["pointer"]) == (422, "/alias")
    assert await served.status("PUT", "local/b.example", PRINTER) == 200


async def test_a_document_may_not_make_what_the_config_has_but_keep_and_remove_it(served: Served) -> None:
    assert await served.status("PUT", "local/printer.office.example", PRINTER) == 201
    object.__setattr__(served.context, "access", access_of(WorkerSettings(local=GIVEN)))
    document = await served.get("policy")
    tag = f'"{document["revision"]}"'
    document["policy"]["local"]["x.office.example"] = ["10.0.0.1"]
    assert (await said(served, "POST", "policy:plan", document))[0] == 200
    for changed in ({"printer.office.example": ["10.0.0.2"]}, {"intra.office.example": ["10.0.0.3"]}):
        wanted = {**document, "policy": {**document["policy"], "local": changed}}
        (name,) = changed
        for path in ("policy:plan", "policy:apply"):
            status, problem = await said(served, "POST", path, wanted, If_Match=tag)
            assert (status, problem["errors"]) == (
                422,
                [
                    {
                        "pointer": f"/policy/local/{name}",
                        "detail": f"local name {name!r} is the config's: edit the key local there",
                    }
                ],
            )
    document["policy"]["local"] = {}
    assert await served.status("POST", "policy:apply", document, If_Match=tag) == 200
    assert (
        await served.status(
            "POST", "policy:rollback", {"to_revision": document["revision"]}, If_Match=f'"{document["revision"] + 1}"'
        )
        == 200
    )
    assert (await served.get("policy"))["policy"]["local"] == {"printer.office.example": ["192.0.2.9", "2001:db8::9"]}


async def test_there_are_at_most_so_many(served: Served) -> None:
    object.__setattr__(served.context.settings, "most_local_names", 1)
    assert await served.status("PUT", "local/x.office.example", PRINTER) == 201
    status, problem = await said(served, "PUT", "local/y.office.example", PRINTER)
    assert status == 409
    assert "at most 1 local names (admin.most_local_names)" in problem["detail"]
    assert await served.status("PUT", "local/x.office.example", {"addresses": ["10.0.0.1"]}) == 200
    document = await served.get("policy")
    document["policy"]["local"]["y.office.example"] = ["10.0.0.2"]
    assert await served.status("POST", "policy:apply", document, If_Match=f'"{document["revision"]}"') == 409
    assert [item["name"] for item in (await served.get("local"))["items"]] == ["x.office.example"]


async def test_the_page_makes_changes_and_removes_them(served: Served) -> None:
    browser = await Browser.log_in(served, "operator")
    await browser.send("/local", {"do": "put", "name": "*.lab.test", "given": "10.0.0.1, 2001:db8::1"})
    page, _ = await browser.get("/local")
    assert "*.lab.test is answered by 10.0.0.1, 2001:db8::1." in page
    assert "the API or this page" in page
    page, _ = await browser.send("/local", {"do": "put", "name": "a.test", "given": "a.test"}, status=422)
    assert "leads to itself" in page and 'value="a.test"' in page
    page, _ = await browser.send("/local", {"do": "put", "name": "a.example", "given": "10.0.0.1"}, status=403)
    assert "this needs the role admin" in page
    await browser.send("/local", {"do": "delete", "name": "*.lab.test"})
    assert (await served.get("local"))["items"] == []
    viewer = await Browser.log_in(served, "viewer")
    page, _ = await viewer.get("/local")
    assert "Save" not in page
    await viewer.send("/local", {"do": "put", "name": "a.example", "given": "10.0.0.1"}, status=403)


async def test_the_policy_document_has_them_and_goes_back_to_them(served: Served) -> None:
    assert await served.status("PUT", "local/x.office.example", PRINTER) == 201
    document = await served.get("policy")
    assert document["policy"]["local"] == {"x.office.example": ["192.0.2.9", "2001:db8::9"]}
    assert (await said(served, "POST", "policy:plan", document))[1]["changes"] == []
    document["policy"]["local"] = {"X.office.example": ["far.example"], "y.office.example": ["10.0.0.1"]}
    plan = (await said(served, "POST", "policy:plan", document))[1]
    assert [(change["action"], change["object"]) for change in plan["changes"]] == [
        ("update", "local/x.office.example"),
        ("create", "local/y.office.example"),
    ]
    assert (await served.get("local"))["items"][0]["addresses"] == ["192.0.2.9", "2001:db8::9"]
    tag = f'"{document["revision"]}"'
    assert await served.status("POST", "policy:apply", document, If_Match=tag) == 200
    now = await served.get("policy")
    assert now["policy"]["local"] == {"x.office.example": ["far.example"], "y.office.example": ["10.0.0.1"]}
    (first, *_) = (await served.get("policy/history"))["items"]
    assert first["changes"] == ["update local/x.office.example", "create local/y.office.example"]
    back = {"to_revision": document["revision"]}
    assert await served.status("POST", "policy:rollback", back, If_Match=f'"{now["revision"]}"') == 200
    assert (await served.get("policy"))["policy"]["local"] == {"x.office.example": ["192.0.2.9", "2001:db8::9"]}


async def test_a_document_that_says_nothing_of_local_names_leaves_them_and_an_empty_one_takes_them(
    served: Served,
) -> None:
    assert await served.status("PUT", "local/x.office.example", PRINTER) == 201
    document = await served.get("policy")
    del document["policy"]["local"]
    assert (await said(served, "POST", "policy:plan", document))[1]["changes"] == []
    document["policy"]["local"] = {}
    plan = (await said(served, "POST", "policy:plan", document))[1]
    assert [(change["action"], change["object"]) for change in plan["changes"]] == [
        ("delete", "local/x.office.example")
    ]
    document["policy"]["local"] = {"a.example": ["b.example"], "b.example": ["a.example"]}
    status, problem = await said(served, "POST", "policy:plan", document)
    assert (status, problem["errors"][0]["pointer"]) == (422, "/policy/local/a.example")


async def test_the_evidence_has_each_change_of_a_local_name(served: Served) -> None:
    assert await served.status("PUT", "local/mirror.claude.ai", PRINTER) == 201
    assert await served.status("DELETE", "local/mirror.claude.ai") == 204
    content = (await served.get("reports/evidence"))["content"]
    lines = [(line["what"], line["by"]) for line in content["openings"] if line["kind"] == "local"]
    assert lines == [
        (
            "local name 'mirror.claude.ai' is answered by 192.0.2.9, 2001:db8::9, whatever the policy says",
            "tests (token:a-admin)",
        ),
        ("local name 'mirror.claude.ai' is no longer answered here", "tests (token:a-admin)"),
    ]


async def test_two_who_change_a_name_do_not_overwrite_each_other(served: Served) -> None:
    browser = await Browser.log_in(served, "admin")
    (empty,) = [form for form in await browser.forms("/local") if form.fields.get("do") == "put"]
    assert empty.fields["version"] == '"0"'
    sent = {**empty.fields, "name": "a.test", "given": "10.0.0.1"}
    await browser.send("/local", sent)
    # Another one makes the same name, from a form that was there before it.
    page, _ = await browser.send("/local", {**sent, "given": "10.0.0.2"}, status=412)
    assert "is answered by 10.0.0.1. Saving replaces that" in page
    assert "10.0.0.2</textarea>" in page
    assert (await served.get("local/a.test"))["addresses"] == ["10.0.0.1"]
    assert 'name="version" value="&#34;1&#34;"' in page  # now that they know what is there
    await browser.send("/local", {**sent, "given": "10.0.0.2", "version": '"1"'})
    (form,) = [form for form in await browser.forms("/local?change=a.test") if form.fields.get("do") == "put"]
    assert (form.fields["name"], form.fields["version"]) == ("a.test", '"2"')
    assert await served.status("PUT", "local/a.test", {"addresses": ["10.0.0.3"]}) == 200
    await browser.send("/local", {**form.fields, "given": "10.0.0.4"}, status=412)
    await browser.send("/local", {"do": "delete", "name": "a.test", "version": '"2"'}, status=412)
    assert (await served.get("local/a.test"))["addresses"] == ["10.0.0.3"]
    assert await served.status("DELETE", "local/a.test") == 204
    page, _ = await browser.send("/local", {**form.fields, "given": "10.0.0.4"}, status=412)
    assert "no longer there" in page
