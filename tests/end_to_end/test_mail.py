"""Mail of a whole server: what is asked for, decided and wrong reaches people, by a real mail server with STARTTLS."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.support.clients import ask
from tests.support.mail_server import MailServer
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, wait_until


@pytest.fixture(scope="module")
def mails(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    with MailServer(tmp_path_factory.mktemp("mail")) as server:
        yield server


@pytest.fixture(scope="module")
def server(mails: MailServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moatdns]:
    config = {
        "workers": 1,
        "upstream": {"servers": ["127.0.0.1:1"]},
        "policy": {"approval": "four-eyes"},
        "mail": mails.section,
        "admin": {"url": "https://dns.corp.example/"},
    }
    with Moatdns(tmp_path_factory.mktemp("moatdns"), config, with_api=True) as started:
        yield started


def _subjects(mails: MailServer) -> list[str]:
    return [mail["Subject"].removeprefix("moatdns: ") for mail in mails.mails]


def test_a_request_is_mailed_and_its_decision_goes_to_who_asked(server: Moatdns, mails: MailServer) -> None:
    made = subprocess.run(
        [
            *(MOATDNS, "token", "create", "--config", str(server.config_file)),
            *("--name", "ana", "--role", "operator", "--owner", "ana@corp.example"),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    admin, ana = server.api, server.api
    ana.token = made.stdout.strip()
    facts = {"subject": {"client": "10.0.0.7"}, "scope": ["anthropic"], "owner": "The handbook's team"}
    asked = ana.post("exemptions", {**facts, "reason": "a trial of two", "duration_seconds": 3600})
    wait_until(lambda: "The handbook's team asks for an exemption (anthropic)" in _subjects(mails), "the request")
    admin.post(f"exemptions/{asked['id']}:approve", {}, status=200)
    wait_until(lambda: "your exemption is approved (anthropic)" in _subjects(mails), "the decision")
    mail = next(one for one in mails.mails if "approved" in one["Subject"])
    assert mail["To"] == "ana@corp.example"
    assert f"https://dns.corp.example/exemptions/{asked['id']}" in mail.get_content()


def test_a_degraded_node_is_mailed_and_a_test_is(server: Moatdns, mails: MailServer) -> None:
    server.api.post("mail:test", {}, status=202)
    wait_until(lambda: "a test, requested by an admin" in _subjects(mails), "the test")
    for number in range(3):  # nobody answers at that port
        ask(server.port, f"n{number}.example")
    wait_until(
        lambda: any("is degraded" in subject for subject in _subjects(mails)), "the node is degraded", seconds=60
    )
    wait_until(lambda: server.api.get("mail")["waiting"] == 0, "all are noted as delivered")
    state = server.api.get("mail")
    assert (state["server"], state["from"]) == (mails.section["server"], "moatdns@corp.example")
    assert state["last_error"] is None
    assert 'moatdns_mail_messages_total{what="delivered"}' in server.api.get("/metrics")
