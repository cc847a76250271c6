"""Records of a sink: one line of JSON a row, in the names of the format, whatever the row holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admin_api.sinks import framing
from admin_api.sinks.records import Records
from admin_api.sinks.rows import SinkRow
from admin_api.store.audit import AuditRow
from resolver import __version__
from resolver.telemetry.query_block_reading import QueryBlock
from resolver.telemetry.query_blocks import LogFacts, log_facts, pack
from tests.support.examples import examples

AT = 1_778_414_400_123  # 2026-05-10T12:00:00.123Z
FACTS = ("legal", "HTTPS", "NOERROR", "block", "anthropic/claude", "anthropic/claude", "claude.ai", "ex-1", "dot")

# The fields of ECS 8.11 that are used, with the types that its reference gives them.
ECS = {
    "@timestamp": "date",
    "dns.question.name": "keyword",
    "dns.question.type": "keyword",
    "dns.response_code": "keyword",
    "dns.type": "keyword",
    "ecs.version": "keyword",
    "event.action": "keyword",
    "event.category": "keywords",
    "event.dataset": "keyword",
    "event.duration": "long",
    "event.id": "keyword",
    "event.kind": "keyword",
    "event.module": "keyword",
    "event.sequence": "long",
    "event.type": "keywords",
    "network.protocol": "keyword",
    "network.transport": "keyword",
    "observer.hostname": "keyword",
    "observer.product": "keyword",
    "observer.type": "keyword",
    "observer.vendor": "keyword",
    "observer.version": "keyword",
    "rule.name": "keyword",
    "rule.ruleset": "keyword",
    "source.address": "keyword",
    "source.ip": "ip",
    "user.name": "keyword",
}
PYTHON = {"date": str, "keyword": str, "ip": str, "keywords": list, "long": int}


def block_of(client: object = "192.0.2.7", name: str = "www.claude.ai", facts: tuple[Any, ...] = FACTS) -> QueryBlock:
    return QueryBlock(pack([AT], [json.dumps(client).encode()], [log_facts(name, facts)], [1.5]))


def query(form: str, block: QueryBlock) -> SinkRow:
    (row,) = Records(form, "dns-1").queries(block, range(1), 7 << 12)
    return row


def flat(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {path: value}
    return {
        key: each
        for name, part in value.items()
        for key, each in flat(part, f"{path}.{name}" if path else name).items()
    }


def audit_row(**more: Any) -> AuditRow:
    at = datetime(2026, 5, 10, 12, 0, 0, 123456, tzinfo=UTC)
    about = {"id": 7, "actor": "ana", "action": "update", "object": "groups/legal", "before": {"mode": "monitor"}}
    return AuditRow(**{"at": at, **about, "after": None, "request_id": "r-1", "mac": "ab" * 32, **more})


def test_a_query_has_the_names_of_ecs() -> None:
    row = query("ecs", block_of(["192.0.2.7", "ana@corp.example"]))
    said = json.loads(row.text)
    identity = said["event"].pop("id")
    assert said == {
        "@timestamp": "2026-05-10T12:00:00.123Z",
        "ecs": {"version": "8.11.0"},
        "observer": {
            "vendor": "moatdns",
            "product": "moatdns",
            "type": "dns",
            "hostname": "dns-1",
            "version": __version__,
        },
        "source": {"address": "192.0.2.7", "ip": "192.0.2.7"},
        "user": {"name": "ana@corp.example"},
        "dns": {
            "type": "answer",
            "question": {"name": "www.claude.ai", "type": "HTTPS"},
            "response_code": "NOERROR",
        },
        "network": {"protocol": "dns", "transport": "tcp"},
        "rule": {"name": "claude.ai", "ruleset": "anthropic/claude"},
        "moatdns": {
            "group": "legal",
            "verdict": "block",
            "service": "anthropic/claude",
            "exemption": "ex-1",
            "protocol": "dot",
        },
        "event": {
            "kind": "event",
            "module": "moatdns",
            "dataset": "moatdns.queries",
            "category": ["network"],
            "type": ["protocol", "denied"],
            "action": "block",
            "duration": 1_500_000,
        },
    }
    assert identity.startswith("dns-1-")


def test_an_audit_row_has_the_names_of_ecs_and_its_values_as_text() -> None:
    said = json.loads(Records("ecs", "dns-1").audit(audit_row()).text)
    assert (said["@timestamp"], said["user"], said["event"]["action"]) == (
        "2026-05-10T12:00:00.123456Z",
        {"name": "ana"},
        "update",
    )
    assert said["moatdns"]["audit"]["before"] == '{"mode":"monitor"}'
    assert "after" not in said["moatdns"]["audit"]
    assert said["event"]["sequence"] == 7


def test_all_fields_are_of_ecs_or_ours_and_have_its_types() -> None:
    records = Records("ecs", "dns-1")
    texts = [query("ecs", block_of(["2001:db8::1", "ana"])).text, records.audit(audit_row()).text]
    found = {key: value for text in texts for key, value in flat(json.loads(text)).items()}
    beside = {key for key in found if not key.startswith("moatdns.")}
    assert beside == set(ECS)
    assert {key for key in beside if type(found[key]) is not PYTHON[ECS[key]]} == set()


@pytest.mark.parametrize(
    ("client", "source"),
    [
        ("192.0.2.0/24", {"address": "192.0.2.0/24"}),
        ("2001:db8:20::/48", {"address": "2001:db8:20::/48"}),
        ("", None),
    ],
)
def test_what_the_log_hides_of_a_client_is_in_no_field(client: str, source: object) -> None:
    said = json.loads(query("ecs", block_of(client)).text)
    assert said.get("source") == source
    assert "user" not in said


def test_a_plain_query_is_as_the_api_has_it() -> None:
    said = json.loads(query("plain", block_of(facts=(*FACTS, "filtered upstream"))).text)
    assert said.pop("id")
    assert said == {
        "at": "2026-05-10T12:00:00.123Z",
        "client": "192.0.2.7",
        "group": "legal",
        "name": "www.claude.ai",
        "type": "HTTPS",
        "rcode": "NOERROR",
        "verdict": "block",
        "service": "anthropic/claude",
        "list": "anthropic/claude",
        "rule": "claude.ai",
        "exemption": "ex-1",
        "protocol": "dot",
        "remark": "filtered upstream",
        "duration_ms": 1.5,
    }


def test_splunk_has_the_time_and_the_host_beside_the_event() -> None:
    said = json.loads(query("splunk-hec", block_of()).text)
    event = said.pop("event")
    assert said == {"time": AT / 1000, "host": "dns-1", "source": "moatdns", "sourcetype": "_json"}
    assert event == json.loads(query("ecs", block_of()).text)


TEXT = st.text(max_size=30)
OF_HIT = st.tuples(*[st.none() | TEXT] * 4)


@given(TEXT, TEXT, TEXT, OF_HIT, st.sampled_from(["ecs", "plain", "splunk-hec"]), TEXT)
@settings(max_examples=examples(60))
def test_whatever_a_row_holds_is_one_line_of_json_that_acts_on_nobody(
    client: str, name: str, group: str, of_hit: tuple[str | None, ...], form: str, host: str
) -> None:
    facts = log_facts(name, (group, "A", "NOERROR", "block", *of_hit, "udp"))
    block = QueryBlock(pack([AT], [json.dumps([client, name]).encode()], [facts], [0.0]))
    (row,) = Records(form, host).queries(block, range(1), 0)
    assert row.text.isascii() and row.text.isprintable()
    said = json.loads(row.text)
    told = said["event"] if form == "splunk-hec" else said
    assert (told["name"] if form == "plain" else told["dns"]["question"]["name"]) == name
    message = framing.message(row, framing.host_field(host))
    header = message.split(b" ", 7)
    assert (header[0], header[3:7]) == (b"<29>1", [b"moatdns", b"-", b"query", b"-"])
    assert framing.counted(message) == b"%d %b" % (len(message), message)


def test_facts_that_rows_share_are_written_once_and_are_still_each_rows_own() -> None:
    names = [f"n{number}.example" for number in range(300)]
    facts: list[LogFacts] = [log_facts(name, (f"g{number % 3}", *FACTS[1:])) for number, name in enumerate(names)]
    clients = [b'"192.0.2.%d"' % (number % 7) for number in range(300)]
    block = QueryBlock(pack([AT + number for number in range(300)], clients, facts, [0.5] * 300))
    rows = [json.loads(row.text) for row in Records("plain", "h").queries(block, range(300), 0)]
    assert [row["name"] for row in rows] == names
    assert [row["group"] for row in rows] == [f"g{number % 3}" for number in range(300)]
    assert [row["client"] for row in rows] == [f"192.0.2.{number % 7}" for number in range(300)]
    assert len({row["id"] for row in rows}) == 300
