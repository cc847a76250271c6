"""The section log_sinks, and its short form audit.syslog: what is taken, and what is wrong with the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.config.load import load_config, placed, read_document
from resolver.config.notes import config_notes
from resolver.config.settings import LogSinkSettings
from resolver.config.sink_address import parse_sink
from resolver.config.telling import MASK, differences, told_of
from resolver.config.to_settings import control_settings
from resolver.errors import ConfigError, RuleError

SINK = "log_sinks: [{to: 'https://logs.corp.example/x', authorization: %s}]"


def sinks(folder: Path, text: str, **environ: str) -> tuple[LogSinkSettings, ...]:
    path = folder / "moatdns.yaml"
    path.write_text(text)
    return control_settings(load_config(path, None, environ)).log_sinks


def problems(folder: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        sinks(folder, text, **environ)
    return [line.partition(": ")[2] for line in caught.value.problems]


def test_everything_that_may_be_said_of_a_sink_comes_to_the_process_that_sends(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("Splunk k")
    (one,) = sinks(
        tmp_path,
        "log_sinks:\n"
        "- to: https://logs.corp.example:8088/services/collector\n"
        "  what: [queries]\n"
        "  filter: {verdict: [block], group: [legal], service: [anthropic], list: [house]}\n"
        "  format: splunk-hec\n"
        "  authorization: file:key\n"
        "  tls: {ca: ca.pem, certificate: c.pem, private_key: k.pem, server_name: other.example}\n"
        "  gzip: false\n"
        "  batch_rows: 10\n"
        "  rows_per_second: 100\n"
        "  timeout_seconds: 3\n",
    )
    assert one == LogSinkSettings(
        to="https://logs.corp.example:8088/services/collector",
        what=("queries",),
        format="splunk-hec",
        verdicts=("block",),
        groups=("legal",),
        services=("anthropic",),
        lists=("house",),
        authorization="file:key",
        ca=str(tmp_path / "ca.pem"),
        certificate=str(tmp_path / "c.pem"),
        private_key=str(tmp_path / "k.pem"),
        server_name="other.example",
        gzip=False,
        batch_rows=10,
        rows_per_second=100,
        timeout_seconds=3,
    )


@pytest.mark.parametrize(
    ("syslog", "to"),
    [
        ("udp://192.0.2.1:5140", "syslog+udp://192.0.2.1:5140"),
        ("tls://logs.corp.example", "syslog+tls://logs.corp.example:6514"),
        ("unix:/dev/log", "syslog+unix:/dev/log"),
    ],
)
def test_the_short_form_is_a_sink_of_the_audit_trail(tmp_path: Path, syslog: str, to: str) -> None:
    (one,) = sinks(tmp_path, f"audit: {{syslog: '{syslog}'}}")
    assert (one.what, one.format, one.is_short, parse_sink(one.to).shown) == (("audit",), "plain", True, to)


def test_a_secret_is_a_file_or_a_variable_and_nowhere_written_out(tmp_path: Path) -> None:
    assert sinks(tmp_path, SINK % "file:key")[0].authorization == "file:key"
    assert sinks(tmp_path, SINK % "'${HEC}'", HEC="Splunk s3cret")[0].authorization == "Splunk s3cret"
    (why,) = problems(tmp_path, SINK % "Splunk s3cret")
    assert why.startswith("log_sinks[0].authorization: is a secret, which is not written out here")
    assert "s3cret" not in why


MAIL = "mail: {server: 'smtps://mail.corp.example', from: a@b.example, to: [a@b.example], user: a, password: %s}"


OIDC = "login: {oidc: {client_secret: %s}}"


@pytest.mark.parametrize("secret", ["s3cret", "'s3cret$${x}'", "'${UNSET:-s3cret}'", "'${SET:-s3cret}'"])
@pytest.mark.parametrize(
    ("text", "key"), [(SINK, "log_sinks[0].authorization"), (MAIL, "mail.password"), (OIDC, "login.oidc.client_secret")]
)
def test_no_secret_stands_in_the_file_be_it_as_a_default(tmp_path: Path, text: str, key: str, secret: str) -> None:
    (why,) = problems(tmp_path, text % secret, SET="from elsewhere")
    assert why.startswith(f"{key}: is a secret, which is not written out here: put it into a file of its own")
    assert "s3cret" not in why


@pytest.mark.parametrize("secret", ["file:/run/secrets/mail", "'${SET}'", "'${SET:-}'", "'${UNSET:-file:/run/x}'"])
def test_the_password_of_mail_is_a_file_or_a_variable(tmp_path: Path, secret: str) -> None:
    path = tmp_path / "moatdns.yaml"
    path.write_text(MAIL % secret)
    mail = control_settings(load_config(path, None, {"SET": "s3cret"})).mail
    assert mail is not None
    assert mail.password in ("file:/run/secrets/mail", "s3cret", "file:/run/x")


def test_secrets_are_masked_where_the_config_is_told(tmp_path: Path) -> None:
    tolds = []
    for token, path in (("s3cret", "t0path"), ("0ther", "t0path"), ("0ther", "an0ther")):
        file = tmp_path / "moatdns.yaml"
        file.write_text(f"log_sinks: [{{to: 'https://h.example/{path}', authorization: '${{HEC}}'}}]")
        tolds.append(told_of(load_config(file, None, {"HEC": token})))
    assert differences(*tolds[:2]) == {"log_sinks[0].authorization": (MASK, MASK)}
    assert differences(*tolds[1:]).keys() == {"log_sinks[0].to"}
    assert not any(secret in str(tolds) for secret in ("s3cret", "0ther", "t0path"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("to: 'syslog://x'", "to: 'syslog://x' is not a log sink: write 'syslog+tls://HOST'"),
        ("to: 'syslog+tls://a/b'", "to: 'syslog+tls://a/b' is not a log sink: behind syslog+tls:// stands a host"),
        ("to: 'syslog+tcp://192.0.2.1:0'", "to: 'syslog+tcp://192.0.2.1:0' has no such port"),
        ("to: 'https://u:p@h.example/'", "to: holds a user or a password"),
        ("to: 'http://h.example/'", "to: would send the log unencrypted to another machine"),
        ("to: 'syslog+udp://h', authorization: 'file:x'", "authorization: is for HTTP, and syslog+udp://h:514 is none"),
        ("to: 'https://h.example/', longest_wait_seconds: 5", "longest_wait_seconds: is for syslog"),
        ("to: 'syslog+tcp://h', tls: {ca: x}", "tls: is set, and syslog+tcp://h:601 has no TLS"),
        ("to: 'syslog+tls://h', tls: {certificate: x}", "tls.private_key: is missing: TLS needs both files"),
        ("to: 'syslog+tls://h', format: splunk-hec", "format: 'splunk-hec' is for HTTP"),
        ("to: 'syslog+tls://h', format: xml", "format: should be 'ecs', 'plain' or 'splunk-hec', is 'xml'"),
        ("to: 'syslog+tls://h', what: [query]", "what[0]: 'query' is not something to send: use 'queries' or 'audit'"),
        ("to: 'syslog+tls://h', filter: {verdict: [blocked]}", "filter.verdict[0]: 'blocked' is not a verdict"),
        ("to: 'syslog+tls://h', what: [audit], filter: {verdict: [block]}", "filter: is for queries, and 'what' has"),
        ("to: 'syslog+tls://h', batch_rows: 0", "batch_rows: "),
        ("what: [audit]", "to: is missing"),
    ],
)
def test_each_mistake_is_told_by_its_key(tmp_path: Path, text: str, why: str) -> None:
    (found,) = problems(tmp_path, f"log_sinks: [{{{text}}}]")
    assert found.startswith(f"log_sinks[0].{why}"), found


def test_sinks_fit_each_other_and_the_rest(tmp_path: Path) -> None:
    some = "[{to: 'syslog+tcp://h'}, {to: 'syslog+tls://i'}, {to: 'syslog+tls://i', what: [audit]}]"
    found = problems(tmp_path, f"audit: {{syslog: 'tcp://h'}}\nquery_log: {{enabled: false}}\nlog_sinks: {some}")
    unlogged = "has 'queries', which are read from the query log: set query_log.enabled: true, or what: [audit]"
    assert found == [
        "log_sinks[0].to: is audit.syslog as well: remove that; here it is what: [audit], format: plain",
        f"log_sinks[0].what: {unlogged}",
        f"log_sinks[1].what: {unlogged}",
        "log_sinks[2].to: is the sink of log_sinks[1] as well: keep one, with the 'what' of both",
    ]


def test_a_filter_for_what_is_not_logged_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "moatdns.yaml"
    text = "log_sinks: [{{to: 'syslog+tls://h', filter: {{verdict: [block, allow]}}}}]\nquery_log: {{what: {}}}"
    path.write_text(text.format("hits"))
    (note,) = (note for note in config_notes(load_config(path)) if note.startswith("log_sinks"))
    assert note.startswith("log_sinks[0].filter.verdict: allow: such queries are not in the query log")
    path.write_text(text.format("all"))
    assert not any(note.startswith("log_sinks") for note in config_notes(load_config(path)))


def test_a_mistake_in_an_entry_of_a_list_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "moatdns.yaml"
    path.write_text("workers: 1\nlog_sinks:\n  - to: 'syslog+tls://h'\n    tls:\n      ca: x.pem\n")
    told = placed(path, read_document(path), "log_sinks[0].tls.ca: x.pem cannot be read")
    assert told == f"{path}:5: log_sinks[0].tls.ca: x.pem cannot be read"


@given(
    st.sampled_from(["syslog+tls://", "syslog+udp://", "https://", "syslog+unix:/", "http://", ""]),
    st.text(max_size=30),
)
def test_any_text_is_a_sink_or_refused(scheme: str, rest: str) -> None:
    try:
        address = parse_sink(scheme + rest)
    except RuleError:
        return
    assert 0 <= address.port < 65536
    assert "@" not in address.shown or address.transport == "unix"
