"""The section of the configuration about log sinks: where the query log and the audit trail are sent on to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from resolver.config import fields
from resolver.config.control_schema import CertificateSection
from resolver.config.fields import NUMBER, Switch
from resolver.config.section import Section
from resolver.config.settings import LogSinkSettings
from resolver.config.sink_address import SinkAddress, parse_sink, read_sink, sink_of_syslog
from resolver.config.wording import either, shown
from resolver.errors import RuleError

SOURCES: Final = ("queries", "audit")
"""Parts of what is logged that a sink may take."""
VERDICTS: Final = ("block", "monitor", "exempt", "allow", "failed", "refused")
"""Verdicts of logged queries."""
FORMATS: Final = ("ecs", "plain", "splunk-hec")

_DEFAULTS: Final = LogSinkSettings("")
_OF_HTTP: Final = ("authorization", "insecure", "gzip")
_OF_SYSLOG: Final = ("longest_wait_seconds",)
_WITH_TLS: Final = ("tls", "https")


def _read_source(text: str) -> str:
    if text in SOURCES:
        return text
    raise RuleError(f"{shown(text)} is not something to send: use {either(SOURCES)}")


def _read_verdict(text: str) -> str:
    if text in VERDICTS:
        return text
    raise RuleError(f"{shown(text)} is not a verdict: use {either(VERDICTS)}")


class SinkFilterSection(Section):
    """The queries that a sink gets: those that fit each key that is set."""

    verdict: Annotated[fields.Texts, fields.read_each(_read_verdict)] = ()
    """Verdicts, of 'block', 'monitor', 'exempt', 'allow', 'failed', 'refused'."""
    group: fields.References = ()
    """Groups of clients, by name."""
    service: fields.References = ()
    """Services, as in 'anthropic/claude', or vendors with all of theirs, as in 'anthropic'."""
    list: fields.References = ()
    """Lists whose rule matched, by name."""

    @property
    def is_empty(self) -> bool:
        """Whether it lets everything through."""
        return not (self.verdict or self.group or self.service or self.list)


class SinkTlsSection(CertificateSection):
    """TLS to a sink. Its certificate is always verified; `certificate` and `private_key` are shown to it, if set."""

    certificate: fields.File | None = None
    """PEM file with the client certificate and its chain that is shown to the sink."""
    private_key: fields.File | None = None
    """PEM file with the client certificate's private key."""
    ca: fields.File | None = None
    """PEM file with the CAs that the sink's certificate must come from; left out: the system's."""
    server_name: Annotated[str, fields.reading(fields.read_host_name)] | None = None
    """The name that the sink's certificate must be for; left out: the host of `to`."""


class LogSinkSection(Section):
    """A receiver of the query log, of the audit trail, or of both."""

    to: Annotated[str, fields.reading(read_sink)]
    """'syslog+tls://HOST[:6514]', 'syslog+tcp://HOST[:601]', 'syslog+udp://HOST[:514]', 'syslog+unix:/dev/log', or
    'https://HOST/PATH' for batches by POST."""
    what: Annotated[fields.Texts, Field(min_length=1), fields.read_each(_read_source)] = SOURCES
    """Kinds of rows that are sent: 'queries' as the query log has them, 'audit' for the audit trail; default: both."""
    filter: SinkFilterSection = SinkFilterSection()
    format: Annotated[Literal["ecs", "plain", "splunk-hec"], fields.one_of(*FORMATS)] = "ecs"
    """'ecs': JSON in the Elastic Common Schema's names; 'plain': as the API has them; 'splunk-hec': the first, as
    events of Splunk's HTTP Event Collector."""
    authorization: Annotated[str, Field(min_length=1, max_length=8000)] | None = None
    """The Authorization header for HTTP, as 'file:PATH' or '${VAR}', as in 'Bearer …' or 'Splunk …'."""
    insecure: Switch = False
    """Allow 'http://' to elsewhere than this machine."""
    tls: SinkTlsSection = SinkTlsSection()
    gzip: Switch = _DEFAULTS.gzip
    """Compress the bodies of HTTP."""
    batch_rows: Annotated[int, Field(ge=1, le=10_000), NUMBER] = _DEFAULTS.batch_rows
    """Rows that are sent at once, at most; a batch is also bounded to 1 MiB."""
    rows_per_second: Annotated[int, Field(ge=10, le=1_000_000), NUMBER] = _DEFAULTS.rows_per_second
    """Rows a second at which a sink that is behind catches up, at most."""
    timeout_seconds: Annotated[int, Field(ge=1, le=120), NUMBER] = _DEFAULTS.timeout_seconds
    """Time for a connection, for an answer, or for the sink to take in anything at all, in seconds."""
    longest_wait_seconds: Annotated[int, Field(ge=1, le=30 * 86400), NUMBER] = _DEFAULTS.longest_wait_seconds
    """Syslog: queries that waited for longer, in seconds, are passed over and counted. Rows of the audit trail never
    are, nor is anything over HTTP."""

    @model_validator(mode="after")
    def _fits_its_transport(self) -> LogSinkSection:
        address = parse_sink(self.to)
        fields.raise_mistakes([fields.mistake(why, None, *path) for path, why in self._unfit(address)])
        return self

    def _unfit(self, address: SinkAddress) -> Iterator[tuple[tuple[str, ...], str]]:
        is_set = self.model_fields_set
        for keys, fits, of in ((_OF_HTTP, address.is_http, "HTTP"), (_OF_SYSLOG, not address.is_http, "syslog")):
            if not fits:
                why = f"is for {of}, and {address.shown} is none: remove it"
                yield from (((key,), why) for key in keys if key in is_set)
        if self.format == "splunk-hec" and not address.is_http:
            yield ("format",), "'splunk-hec' is for HTTP: use 'ecs' or 'plain'"
        if address.transport not in _WITH_TLS and "tls" in is_set:
            yield ("tls",), f"is set, and {address.shown} has no TLS: use 'syslog+tls://' or 'https://', or remove it"
        if address.transport == "http" and not (address.is_loopback or self.insecure):
            yield ("to",), "would send the log unencrypted to another machine: use https, or set insecure: true"
        if "queries" not in self.what and not self.filter.is_empty:
            yield ("filter",), "is for queries, and 'what' has none of them: remove it"


def sinks_that_clash(
    sinks: Sequence[LogSinkSection], syslog: str | None, *, is_logged: bool
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Mistakes of sinks beside each other, `audit.syslog` and `query_log.enabled`: key paths below `log_sinks`."""
    firsts: dict[str, int] = {}
    for index, sink in enumerate(sinks):
        if firsts.setdefault(sink.to, index) != index:
            yield (
                (index, "to"),
                f"is the sink of log_sinks[{firsts[sink.to]}] as well: keep one, with the 'what' of both",
            )
        if syslog is not None and sink.to == sink_of_syslog(syslog):
            yield (index, "to"), "is audit.syslog as well: remove that; here it is what: [audit], format: plain"
        if "queries" in sink.what and not is_logged:
            why = "has 'queries', which are read from the query log: set query_log.enabled: true, or what: [audit]"
            yield (index, "what"), why
