"""All that a viewer can read, taken together, names nobody; and who is named to those that moatdns sends things to."""

from __future__ import annotations

import base64
import http.client
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from dns.edns import ECSOption

from tests.support.api import Api
from tests.support.browser import send_form, session
from tests.support.clients import UdpClient, query
from tests.support.encrypted import SERVER_NAME, Certificates
from tests.support.forms_of_secrets import found_in
from tests.support.log_collector import Collector
from tests.support.mail_server import MailServer
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, free_port, wait_until
from tests.support.reading_all import Parts, Reply, Values, addresses_of_api, ask, read_api, read_pages
from tests.support.rsyslog import Rsyslog
from tests.support.unbound import Unbound

ANA, BEN = "xylographia.quincebury@corp.example", "bartholomew.zwyxbergen@corp.example"
CLERK = "Morwenna Clerkenwellow"
ONE, OTHER, ERASED, WAITS = "127.0.77.5", "127.0.99.8", "127.0.66.3", "127.0.44.6"
HOSTED = "10.88.204.4"  # behind a proxy, of nobody, and its machine has a name
NAMES = ("xylographia", "quincebury", "bartholomew", "zwyxbergen", "morwenna", "clerkenwellow")
ADDRESSES = (ONE, OTHER, ERASED, WAITS, HOSTED, "127.0.77.", "127.0.99.")
HOST = "kestrelmoor"  # in what it is called
SECRETS = (*NAMES, *ADDRESSES, HOST)
PSEUDONYM = re.compile(r"~[a-z2-7]{16}")
NOBODY_OF = {ONE: "127.0.55.3", OTHER: "127.0.55.4", ANA: "nobody@corp.example", BEN: "neither@corp.example"}
PROXY = "127.0.22.7"
WEB = "127.0.0.53"  # where the block page is
TELL_OF_A_QUERY = {"at", "name", "type", "group", "rcode", "verdict", "service", "list", "rule", "protocol"}

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Office:
    """A server that people have used, whom it tells of it, and what may be asked of it."""

    server: Moatdns
    viewer: str  # a token
    taken: Collector  # by HTTP, of queries and the audit trail
    syslog: Rsyslog
    told: Collector  # by webhooks
    mails: MailServer
    parts: Parts
    values: Values
    pseudonyms: frozenset[str]

    @property
    def rows_of_sinks(self) -> list[dict[str, Any]]:
        """By HTTP and by syslog."""
        lines = [line.partition(" {")[2] for line in self.syslog.lines() if " {" in line]
        return [*self.taken.rows(), *(json.loads("{" + line) for line in lines)]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, world: Unbound) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    certificates = Certificates(folder / "certificates")
    web_port = free_port()
    taken, told = Collector(folder / "taken", free_port()), Collector(folder / "told", free_port())
    syslog, mails = Rsyslog(folder / "syslog", free_port(), certificates), MailServer(folder / "mail")
    (folder / "hook.secret").write_text("a secret of hooks")
    (folder / "hosts.office").write_text(f"{HOSTED} {HOST}s-laptop.corp.example\n")
    verified = {"ca": str(certificates.authority), "server_name": SERVER_NAME}
    config: dict[str, Any] = {
        "workers": 1,
        "upstream": {"servers": [world.server]},
        "query_log": {"what": "all"},
        "unlisted": {"enabled": True, "clients": 1},
        "block_page": {"listen": [f"{WEB}:{web_port}"]},
        "clients": {
            "allow": ["127.0.0.0/8", "10.0.0.0/8"],
            "trusted_proxies": [{"network": PROXY, "sources": ["client-subnet"]}],
            "host_names": {"hosts": [str(folder / "hosts.office")]},
        },
        "policy": {"approval": "four-eyes", "response": {"mode": "address", "ipv4": WEB, "ttl_seconds": 1}},
        "mail": mails.section,
        "admin": {"url": "https://dns.corp.example/"},
        "webhooks": [{"url": told.url, "secret": f"file:{folder / 'hook.secret'}", "allow_private": True}],
        "log_sinks": [{"to": taken.url}, {"to": f"syslog+tls://127.0.0.1:{syslog.port}", "tls": verified}],
    }
    with ExitStack() as running:
        for each in (taken, told, mails, syslog.running()):
            running.enter_context(each)
        server = running.enter_context(Moatdns(folder / "moatdns", config, with_api=True))
        wait_until(lambda: len([*server.state_dir.glob("log-sinks/*.json")]) == 2, "the sinks have begun")
        _use(server, web_port)
        viewer = _token(server, "looker-on", "viewer", "a person with role viewer")
        pseudonyms = {row["identity"] for row in server.api.get("queries?limit=1000")["items"] if row["identity"]}
        parts = _parts(server)
        yield Office(
            *(server, viewer, taken, syslog, told, mails, parts, _values(parts, pseudonyms), frozenset(pseudonyms))
        )


def _token(server: Moatdns, name: str, role: str, owner: str) -> str:
    command = [MOATDNS, "token", "create", "--config", str(server.config_file)]
    command += ["--name", name, "--role", role, "--owner", owner]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)
    return done.stdout.strip()


def _dns(server: Moatdns, address: str, *names: str) -> None:
    with UdpClient(server.port, address) as client:
        for name in names:
            client.exchange(query(name).to_wire())


def _use(server: Moatdns, web_port: int) -> None:
    """Two people ask, are exempted, swap their addresses, and ask again; a clerk has a part in it."""
    admin = server.api
    hook = Api(server.admin_port, _token(server, "vpn", "lease", "the VPN's keeper"))
    clerk = Api(server.admin_port, _token(server, "morwennas-token", "operator", CLERK))

    def lease(address: str, identity: str, **more: object) -> None:
        done = hook.call("PUT", f"leases/{address}", {"identity": identity, "ttl_seconds": 3600, **more})
        assert done.status in (200, 201), done

    def exempt(subject: dict[str, Any], scope: str) -> str:
        facts = {"subject": subject, "scope": [scope], "owner": ANA, "reason": f"for {BEN}, says {ANA}"}
        return str(clerk.post("exemptions", {**facts, "ticket": f"HR/{BEN}", "duration_seconds": 7200})["id"])

    wait_until(lambda: admin.call("GET", "/ready").status == 200, "the API")
    lease(ONE, ANA, addresses=["2001:db8:77::5"])
    lease(OTHER, BEN)
    _dns(server, ONE, "claude.ai", "plain.example", "notclaude.ai")
    _dns(server, OTHER, "chatgpt.com", "claude.ai", "notclaude.ai")
    _dns(server, ERASED, "claude.ai")
    named = query("claude.ai")
    named.use_edns(options=[ECSOption(HOSTED, 32)])
    with UdpClient(server.port, PROXY) as proxy:
        proxy.exchange(named.to_wire())
    granted = [exempt({"identity": ANA}, "anthropic"), exempt({"client": OTHER}, "openai")]
    granted.append(exempt({"clients": [ONE, OTHER]}, "perplexity"))
    for number in granted:
        admin.post(f"exemptions/{number}:approve", {"reason": f"{BEN} agrees"}, status=200)
    denied = exempt({"identity": BEN}, "gateways")
    admin.post(f"exemptions/{denied}:deny", {"reason": f"not for {BEN}"}, status=200)
    _ask_on_block_page(web_port, ONE, "chatgpt.com")
    (asked,) = [row for row in admin.get("exemptions?status=pending")["items"] if row["requested_by"] == "block-page"]
    for caller in (clerk, admin):  # one takes it up, another approves
        caller.post(f"exemptions/{asked['id']}:approve", {}, status=200)
    _dns(server, ONE, "claude.ai", "chatgpt.com")
    lease(ONE, BEN)
    lease(OTHER, ANA)
    _dns(server, OTHER, "claude.ai", "chatgpt.com", "perplexity.ai")
    _dns(server, ONE, "claude.ai", "perplexity.ai", "code.claude.com")
    clerk.post(f"exemptions/{granted[0]}:renew", {"duration_seconds": 9000, "reason": f"{ANA} asks"}, status=200)
    admin.post(f"exemptions/{granted[1]}:revoke", {"reason": f"{BEN} is done"}, status=200)
    assert hook.call("DELETE", f"leases/{ONE}?identity={quote(BEN)}").status == 204
    clerk.post("lists", {"name": "opens", "allow": ["claude.ai"]}, status=202)  # waits for another owner
    wanted = {"identity": ANA, "ttl_seconds": 3600}
    assert clerk.call("PUT", f"leases/{WAITS}", wanted).status == 202  # likewise
    admin.post("lists", {"name": "house", "block": ["house.example"]})
    wait_until(lambda: admin.get("unlisted")["items"], "an unlisted name")
    clerk.post("unlisted/notclaude.ai:ignore", {"reason": f"{ANA} knows it"}, status=200)
    admin.post("pauses", {"reason": "a printer", "duration_seconds": 300})
    wait_until(lambda: len(admin.get("queries?limit=1000")["items"]) == 16, "the query to be erased is there, too")
    admin.post("queries:erase", {"client": ERASED, "reason": f"{BEN} asked for it"}, status=200)
    wait_until(lambda: len(admin.get("queries?limit=1000")["items"]) == 15, "all queries are in the log")


def _ask_on_block_page(web_port: int, address: str, name: str) -> None:
    """Fill in the form, as the browser of a person does."""
    connection = http.client.HTTPConnection(WEB, web_port, timeout=PATIENCE_SECONDS, source_address=(address, 0))
    connection.request("GET", "/", headers={"Host": name})
    token = re.search(r'name="token" value="([^"]+)"', connection.getresponse().read().decode())
    connection.close()
    assert token
    form = {"who": BEN, "reason": f"{ANA} told me to", "seconds": "28800", "token": token[1]}
    headers = {"Host": name, "Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{name}"}
    connection = http.client.HTTPConnection(WEB, web_port, timeout=PATIENCE_SECONDS, source_address=(address, 0))
    connection.request("POST", "/request-an-exemption", urlencode(form), headers)
    assert connection.getresponse().status == 303
    connection.close()


def _parts(server: Moatdns) -> Parts:
    """What paths are asked with."""
    exemptions = [item["id"] for item in server.api.get("exemptions?limit=1000")["items"]]
    changes = [item["id"] for item in server.api.get("change-requests?limit=1000")["items"]]
    assert (len(exemptions), len(changes)) == (5, 2)
    lists, groups = ["house", "anthropic/claude", "no-such"], ["default", "no-such"]
    return {
        "/lists/{name}": lists,
        "/lists/{name}:edit": lists[:1],
        "/lists/{name}/rules": lists,
        "/unlisted/{domain}": ["notclaude.ai"],
        "/groups/{name}": groups,
        "/groups/{name}:edit": groups,
        "/roll-out/{name}": groups,
        "/catalogue/{vendor}": ["anthropic"],
        "/exemptions/{id}": [*exemptions, "ex-0000000000"],
        "/change-requests/{id}": [*changes, "cr-0000000000"],
        "/changes/{id}": changes,
        "/leases/{address}": [*ADDRESSES[:4], NOBODY_OF[ONE]],
        "/policy/revisions/{revision}": ["1", "2"],
        "/firewall/{format}": ["nftables", "fortigate"],
        "/tokens/{name}": ["morwennas-token"],
        "/local/{name}": ["house.example"],
    }


def _values(parts: Parts, pseudonyms: set[str]) -> Values:
    """What parameters are asked with, the harmless first."""
    people = [*NOBODY_OF, *NOBODY_OF.values(), *pseudonyms, "Morwenna Clerkenwellow", "token:morwennas-token"]
    exempted = [f"exemptions/{number}" for number in parts["/exemptions/{id}"]]
    grouped = "service,vendor,list,domain,group,client,exemption,identity,group|vendor,identity|vendor"
    return {
        **dict.fromkeys(("client", "clients", "identity", "address", "owner", "actor", "resolver", "doh"), people),
        **dict.fromkeys(("cursor", "after"), ("bm90IGEgcGxhY2U",)),
        **dict.fromkeys(("from", "at"), ("2026-01-01T00:00:00Z",)),
        **dict.fromkeys(("to", "ending_before"), ("2099-01-01T00:00:00Z",)),
        "by": [*grouped.replace("|", " ").split(","), "group,vendor", "identity,vendor", "exemption,identity"],
        "client_name": ["laptop", f"proved:{ANA}"],
        "contains": ["claude", "quincebury", "127.0.77"],
        "object": [*exempted, f"leases/{ONE}", "leases", "tokens/morwennas-token", "queries", "exemptions"],
        "action": ["create", "approve", "erase", "request"],
        "name": ["claude.ai", "chatgpt.com", "notclaude.ai"],
        "status": ["pending", "active", "denied", "revoked", "ignored"],
        "verdict": ["exempt", "block", "allow"],
        "format": ["json", "csv", "plain"],
        "kind": ["own"],
        "group": ["default"],
        "service": ["anthropic/claude"],
        "type": ["A"],
        "set": ["ai"],
        "vendor": ["anthropic"],
        "limit": ["1", "1000"],
        "after_id": ["0"],
        "reason": ["a ticket"],
        "step_seconds": ["3600"],
        "public_resolvers": ["true"],
    }


def _named(replies: dict[str, Reply]) -> dict[str, list[str]]:
    """Secrets in each reply that the caller did not send itself, by the address."""
    found = {}
    for address, reply in replies.items():
        asked = found_in(address, SECRETS)
        said = [secret for secret in found_in(reply.text, SECRETS) if secret not in asked]
        said += [one for one in PSEUDONYM.findall(reply.text) if one not in address and quote(one, "") not in address]
        if said:
            found[address] = said
    return found


@pytest.fixture(scope="module")
def read_by_viewer(office: Office) -> dict[str, Reply]:
    """Each reply of the API."""
    return read_api(office.server, office.viewer, addresses_of_api(office.parts, office.values))


def test_a_secret_is_found_in_whatever_form_it_is_written() -> None:
    for form in (
        "for Xylographia",
        "%78%79%6cographia",
        "&#120;ylographia",
        "\\u0078ylographia",
        b"xylographia".hex(),
        *(base64.urlsafe_b64encode(b"abc"[:before] + b"Xylographia!").decode() for before in range(3)),
    ):
        assert found_in(form, SECRETS) == ["xylographia"], form
    for form in ("7f004d05", "2130726149", "5.77.0.127.in-addr.arpa"):
        assert ONE in found_in(form, SECRETS)
    assert found_in("somebody at 127.0.0.1", SECRETS) == []


def test_an_investigator_finds_everybody_where_a_viewer_looks(office: Office) -> None:
    asked = addresses_of_api(office.parts, office.values)
    replies = read_api(office.server, str(office.server.api.token), asked)
    assert [address for address, reply in replies.items() if reply.status >= 500] == []
    named = _named(replies)
    found = {secret for said in named.values() for secret in said}
    assert found == {*SECRETS, *office.pseudonyms} - {ERASED}  # who is erased is told to nobody
    assert len(office.pseudonyms) == 2
    assert len(named) > 30


def test_no_reply_of_the_api_names_anybody_to_a_viewer(read_by_viewer: dict[str, Reply]) -> None:
    assert _named(read_by_viewer) == {}
    answered = [address for address, reply in read_by_viewer.items() if reply.status == 200]
    assert len(answered) > 100


def test_no_page_names_anybody_to_a_viewer(office: Office) -> None:
    addresses = [f"/groups?address={ONE}", f"/check?name=claude.ai&client={ONE}", f"/queries?client={ONE}"]
    addresses += [
        f"/clients?q={ANA}",
        f"/clients/history?identity={ANA}",
        f"/exemptions?owner={ANA}",
        f"/audit?q={ANA}",
    ]
    cookie = session(office.server, office.viewer)
    pages = read_pages(office.server, cookie, office.parts, addresses)
    assert _named(pages) == {}
    assert {reply.status for reply in pages.values()} <= {200, 303, 400, 403, 404, 422}
    assert len([page for page in pages.values() if page.status == 200]) > 40
    csrf = re.search(r'name="csrf" value="([^"]+)"', pages["/policy/document"].body)
    assert csrf
    form = {"csrf": csrf[1], "document": f"policy: {json.dumps(_document(office, ONE))}", "replay": "86400"}
    status, _, body = send_form(office.server, "/policy/document", form, Cookie=cookie)
    assert status in (403, 422)
    assert set(found_in(body, SECRETS)) <= {ONE, "127.0.77."}  # as it was sent


def _document(office: Office, *networks: str) -> dict[str, Any]:
    document = office.server.api.get("policy")["policy"]
    document["groups"] = [{"name": "made-up", "networks": [*networks], "exempt": True}]
    assert isinstance(document, dict)
    return document


def test_no_plan_and_no_refused_call_names_anybody_to_a_viewer(office: Office) -> None:
    viewer = Api(office.server.admin_port, office.viewer)
    sent: list[tuple[str, str, Any]] = [
        ("POST", "policy:plan", {"policy": _document(office, "10.0.0.0/8")}),
        ("POST", "policy:plan", {"policy": {"groups": [], "lists": []}}),
        ("POST", "policy:plan", {"to_revision": 1}),
        ("POST", "policy:rollback", {"to_revision": 1}),
        ("POST", "queries:erase", {"identity": "~aaaaaaaaaaaaaaaa", "reason": "x"}),
        ("POST", "exemptions", {"subject": {"group": "default"}, "scope": ["ai"], "owner": "me", "reason": "x"}),
        ("POST", "privacy-settings:widen", {"settings": {"query_log.identities": "full"}, "reason": "x"}),
    ]
    for identity in (ANA, *NOBODY_OF.values()):
        sent += [("POST", f"people:{what}", {"identity": identity, "reason": "x"}) for what in ("export", "erase")]
        sent.append(("POST", "looks", {"operation": "GET /queries", "identity": identity, "reason": "x"}))
    for number in office.parts["/exemptions/{id}"]:
        sent += [("POST", f"exemptions/{number}:{action}", {}) for action in ("approve", "deny", "renew", "revoke")]
    for number in office.parts["/change-requests/{id}"]:
        sent += [("POST", f"change-requests/{number}:{action}", {}) for action in ("approve", "deny", "withdraw")]
    replies = {f"{method} {path} {n}": viewer.call(method, path, body) for n, (method, path, body) in enumerate(sent)}
    assert [reply.status for reply in replies.values()][:3] == [200] * 3
    assert {reply.status for reply in [*replies.values()][3:]} == {403}
    replay = viewer.call("POST", "policy:plan?replay_seconds=86400", {"policy": _document(office, ONE)})
    assert replay.status in (403, 422)
    replies["replay"] = replay
    for what, reply in replies.items():
        assert found_in(json.dumps([reply.headers, reply.body]), SECRETS) == [], what


def test_who_asks_for_a_person_hears_the_same_as_of_a_person_that_there_is_not(office: Office) -> None:
    asked = [*addresses_of_api(office.parts, office.values)]
    pages = [f"/groups?address={ONE}", f"/check?name=claude.ai&client={ONE}", f"/queries?client={ONE}"]
    pages += [f"/clients?q={ANA}", f"/clients/history?identity={ANA}", f"/audit?actor={ANA}"]
    cookie = session(office.server, office.viewer)
    compared = 0
    for headers, addresses in (({"Authorization": f"Bearer {office.viewer}"}, asked), ({"Cookie": cookie}, pages)):
        for address in addresses:
            for person, nobody in NOBODY_OF.items():
                if quote(person, "") not in address and person not in address:
                    continue
                other = address.replace(quote(person, ""), quote(nobody, "")).replace(person, nobody)
                one, two = ask(office.server, address, headers), ask(office.server, other, headers)
                assert one.status == two.status, address
                assert _but_for(one.body, person) == _but_for(two.body, nobody), address
                compared += 1
    assert compared > 50


def _but_for(body: str, person: str) -> str:
    """A body without whom it was asked for, and without what each reply has of its own."""
    for form in (person, quote(person, ""), quote(person), person.replace("@", "&#64;")):
        body = body.replace(form, "WHO")
    return re.sub(r"[0-9a-f]{16,32}|\d{4}-\d\d-\d\dT[0-9:.]+Z?(?:\+00:00)?|nonce-[^'\" ]+", "", body)


def test_what_a_viewer_reads_has_nothing_to_join_it_by(office: Office, read_by_viewer: dict[str, Reply]) -> None:
    rows = _items(read_by_viewer, "/api/v1/queries")
    assert len(rows) >= 15
    said = {name for row in rows for name, value in row.items() if value not in (None, "hidden")}
    assert said <= {*TELL_OF_A_QUERY, "duration_ms", "remark"}
    given = {item["id"] for item in _items(read_by_viewer, "/api/v1/exemptions")}
    assert len(given) == 5
    told_of = "".join(
        reply.body
        for address, reply in read_by_viewer.items()
        if address.startswith(("/api/v1/queries", "/api/v1/stats"))
    )
    assert not [number for number in given if number in told_of]
    # A row of the trail, or of an exemption's, at the second of a query tells neither whose nor which address it is.
    moments = {row["at"][:19] for row in rows}
    beside = [item for item in _all_items(read_by_viewer) if any(_is_at(item, moment) for moment in moments)]
    assert len(beside) > len(rows)
    kept = {key for item in beside for key, value in item.items() if value not in (None, "hidden", [], {})}
    assert not kept & {"client", "identity", "address", "subject", "owner", "actor", "before", "after", "uses_by"}
    (report,) = [reply for address, reply in read_by_viewer.items() if address == "/api/v1/reports/exemptions?"]
    assert [item["uses"] for item in report.parsed["items"]] == [None] * len(given)


def _items(replies: dict[str, Reply], path: str) -> list[dict[str, Any]]:
    found = (reply.parsed for address, reply in replies.items() if address.startswith(f"{path}?"))
    return [item for page in found for item in page.get("items", [])]


def _all_items(replies: dict[str, Reply]) -> list[dict[str, Any]]:
    return [item for reply in replies.values() for item in reply.parsed.get("items", [])]


def _is_at(item: dict[str, Any], moment: str) -> bool:
    return any(isinstance(value, str) and value.startswith(moment) for value in item.values())


def test_sinks_get_pseudonyms_with_queries_and_names_with_the_audit_trail_alone(office: Office) -> None:
    def queries() -> list[dict[str, Any]]:
        return [row for row in office.rows_of_sinks if "dns" in row]

    wait_until(lambda: len(queries()) >= 2 * 15, "both sinks have all queries")
    assert {row["user"]["hash"] for row in queries() if "user" in row} == office.pseudonyms
    assert found_in(json.dumps(queries()), NAMES) == []
    assert {row["source"]["ip"] for row in queries()} >= {ONE, OTHER}  # query_log.clients is full
    wait_until(lambda: found_in(json.dumps(_audit_rows(office)), NAMES) == [*NAMES], "the trail names them")
    # So whoever gets both tells by an exemption whose a pseudonym is: docs/privacy.md says so.
    exempted = {row["moatdns"]["exemption"] for row in queries() if row["moatdns"].get("exemption")}
    assert exempted & {row["moatdns"]["audit"]["object"].removeprefix("exemptions/") for row in _audit_rows(office)}


def _audit_rows(office: Office) -> list[dict[str, Any]]:
    return [row for row in office.rows_of_sinks if "dns" not in row]


def test_webhooks_and_mails_name_whom_they_are_about_and_tell_nobodys_queries(office: Office) -> None:
    def told() -> str:
        return office.told.taken_file.read_text()

    def mailed() -> str:
        return "\n".join(f"{mail['To']} {mail['Subject']}\n{mail.get_content()}" for mail in office.mails.mails)

    wait_until(lambda: {"quincebury", "zwyxbergen", ONE, OTHER} <= {*found_in(told(), SECRETS)}, "webhooks")
    wait_until(lambda: "zwyxbergen" in mailed() or "quincebury" in mailed(), "mails")
    for text in (told(), mailed()):
        assert PSEUDONYM.findall(text) == []
        assert ERASED not in text
