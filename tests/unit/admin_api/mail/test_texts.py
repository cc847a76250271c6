"""Texts of mails: whatever people write, no header, no line and no character of theirs does anything."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from admin_api.mail.message import message_of
from admin_api.mail.recipients import EVENTS, PENDING, address_of
from admin_api.mail.texts import COLUMNS, Sender, digest_of, text_of
from resolver.system.safe_text import acts

AT = datetime(2026, 11, 27, 8, 30, tzinfo=UTC)
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type"]
ASKED = {
    "id": "ex-12ab",
    "subject": {"client": ["10.0.0.7"]},
    "scope": ["anthropic", "openai/chatgpt"],
    "owner": "Ana",
    "reason": "a trial of two assistants, for the team that writes the handbook and has to compare them",
    "ticket": None,
    "status": "pending",
    "requested_by": "office-tools",
    "requested_seconds": 28800,
    "waits_until": "2026-12-04T08:30:00+00:00",
    "expires_at": "2026-12-04T08:30:00+00:00",
}


def test_a_request_is_told_in_full_with_a_link() -> None:
    text = text_of(PENDING, ASKED, Sender("dns1", "https://dns.corp.example"))
    assert text.subject == "moatdns: Ana asks for an exemption (anthropic, openai/chatgpt)"
    assert (
        text.body
        == """\
Ana asks for an exemption. It waits until somebody approves or denies it.

For:          client 10.0.0.7
Opens:        anthropic, openai/chatgpt
Owner:        Ana
Reason:       a trial of two assistants, for the team that writes the handbook
              and has to compare them
Asked by:     office-tools
For how long: 8 hours
Lapses:       2026-12-04 08:30 UTC

https://dns.corp.example/exemptions/ex-12ab

--\x20
moatdns on dns1
"""
    )


@pytest.mark.parametrize(
    ("action", "subject"),
    [
        ("approve", "your exemption is approved"),
        ("deny", "your exemption is denied"),
        ("approve-renewal", "your exemption is renewed"),
        ("deny-renewal", "your exemption is not renewed"),
    ],
)
def test_a_decision_is_the_subject(action: str, subject: str) -> None:
    data = {**ASKED, "status": "active", "action": action, "decided_by": "Bo", "note": "as agreed"}
    text = text_of("exemption.decided", data, Sender("dns1"))
    assert text.subject == f"moatdns: {subject} (anthropic, openai/chatgpt)"
    assert "Decided by:   Bo\nWhy:          as agreed\n" in text.body


EVIL = "http://evil.example"
STRANGERS = {**ASKED, "owner": f"{EVIL} (not verified)", "reason": f"see {EVIL}", "requested_by": "block-page"}


@pytest.mark.parametrize("event", ["exemption.pending", "exemption.decided", "exemption.ending"])
def test_nothing_that_a_stranger_wrote_is_in_a_mail_of_ours(event: str) -> None:
    data = {**STRANGERS, "action": "approve", "asked_by": STRANGERS["owner"], "decided_by": "Bo", "note": "as agreed"}
    text = text_of(event, data, Sender("dns1", "https://dns.corp.example"))
    digest = digest_of([(event, AT, data)], Sender("dns1"))
    assert "evil" not in f"{text} {digest}"
    assert "For:          client 10.0.0.7\nOpens:        anthropic, openai/chatgpt\n" in text.body
    assert "https://dns.corp.example/exemptions/ex-12ab" in text.body


def test_a_request_of_the_block_page_says_that_nobody_verified_who_asks() -> None:
    text = text_of(PENDING, STRANGERS, Sender("dns1"))
    assert text.subject == "moatdns: somebody on the block page asks for an exemption (anthropic, openai/chatgpt)"
    assert "Nobody verified who asked on the block page" in text.body
    renewal = {"owner": "Ana", "reason": "two weeks more", "expires_at": "2026-12-24T08:30:00+00:00"}
    longer = text_of(PENDING, {**STRANGERS, "renewal": renewal}, Sender("dns1"))
    assert longer.subject.startswith("moatdns: Ana asks for a renewal")
    assert "Why longer:   two weeks more" in longer.body


def test_an_address_that_was_typed_on_the_block_page_is_written_to_and_only_below_our_domain() -> None:
    assert address_of("ana@corp.example (not verified)", ["corp.example"]) == "ana@corp.example"
    assert address_of("ana@evil.example (not verified)", ["corp.example"]) is None


_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(),
    lambda below: some.lists(below, max_size=3) | some.dictionaries(some.text(), below, max_size=3),
    max_leaves=5,
)
_data = some.dictionaries(some.sampled_from([*ASKED, "why", "renewal", "from", "vendors", "text"]), _values)


@pytest.mark.slow
@given(event=some.sampled_from([*EVENTS, "test"]), data=_data, node=some.text())
def test_nothing_that_people_write_becomes_a_header_or_acts(event: str, data: dict[str, Any], node: str) -> None:
    sender = Sender(node)
    for text in (text_of(event, data, sender), digest_of([(event, AT, data)] * 2, sender)):
        assert all(len(line) <= COLUMNS for line in text.body.split("\n"))
        assert not any(acts(character) for character in text.body if character not in "\n ")
        message = message_of(text, sender="moatdns@corp.example", to=["a@corp.example"], message_id="msg_1", at=AT)
        read = message_from_bytes(message.as_bytes(), policy=default)
        assert [name for name in read if name not in ("MIME-Version", "Content-Transfer-Encoding")] == HEADERS
        assert read.get_content().replace("\r\n", "\n") == text.body


@pytest.mark.parametrize(
    "person",
    ["Ana", "ana@elsewhere.example", "ana@corp.example\nBcc: x", "Ana <ana@corp.example>", "a b@corp.example", "", 7],
)
def test_only_an_address_below_the_companys_domain_is_written_to(person: object) -> None:
    assert address_of(person, ["corp.example"]) is None
    assert address_of(" ana@CORP.example ", ["corp.example"]) == "ana@corp.example"
