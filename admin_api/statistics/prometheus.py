"""Metrics in the Prometheus text format, from one custom collector. No label holds a name asked for, or a client."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from resolver.telemetry.counters import BUCKET_NAMES, OUTCOMES, VERDICT_OF

GAUGES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "moatdns_policy_revision": ("The policy revision in force in every worker.", ()),
    "moatdns_policy_age_seconds": ("For how long the policy in force has been.", ()),
    "moatdns_cache_bytes": ("Octets in the workers' response caches.", ()),
    "moatdns_workers": ("Worker processes that serve.", ()),
    "moatdns_store_up": ("Whether the store can be read and written.", ()),
    "moatdns_state_free_bytes": ("Free octets on the disk of state_dir.", ()),
    "moatdns_state_size_bytes": ("Octets of the whole disk of state_dir.", ()),
    "moatdns_certificate_expires_timestamp_seconds": (
        "When a certificate that is served, or one of its chain, ends: of admin.tls, and of tls; the CAs of clients.",
        ("of",),
    ),
    "moatdns_client_crl_expires_timestamp_seconds": ("When the first CRL of tls.clients.crl has to be renewed.", ()),
    "moatdns_audit_whole": ("Whether no row of the audit trail is known to be lost or changed.", ()),
    "moatdns_audit_heads": ("Heads of the audit trail that are noted in state_dir.", ()),
    "moatdns_audit_removed_rows": ("Rows of the audit trail that were removed when their time was over.", ()),
    "moatdns_audit_lost_heads": ("Those of them whose rows are gone, and that nobody has acknowledged.", ()),
    "moatdns_policy_up_to_date": ("Whether the newest policy is in force.", ()),
    "moatdns_list_last_success_timestamp_seconds": ("When a list was last read successfully.", ("list",)),
    "moatdns_admin_connections": ("Open connections to the admin API.", ()),
    "moatdns_block_page_connections": ("Open connections to the block page.", ()),
    "moatdns_upstream_up": ("Whether an upstream answers, as far as known from queries.", ("upstream",)),
    "moatdns_leases": ("Leased addresses.", ()),
    "moatdns_exemptions": ("Active exemptions.", ()),
    "moatdns_exemptions_pending": ("Exemptions, and renewals, that wait for approval.", ()),
    "moatdns_exemptions_pending_since_timestamp_seconds": ("When the oldest of them was asked for.", ()),
    "moatdns_change_requests": ("Changes that wait for another owner.", ()),
    "moatdns_local_names": ("Local names: of the config and its hosts files, and made through the API.", ("origin",)),
    "moatdns_host_names": ("Names of machines at clients' addresses that are known, by source.", ("source",)),
    "moatdns_pauses": ("Pauses in force.", ()),
    "moatdns_subjects_up_to_date": ("Whether every worker has all leases, exemptions and pauses.", ()),
    "moatdns_webhook_messages_waiting": ("Messages for webhooks that are not delivered yet.", ()),
    "moatdns_webhook_failing": (
        "Webhooks for which messages wait that could not be delivered, and none was since.",
        (),
    ),
    "moatdns_log_sink_behind_seconds": ("Age of the oldest row that a log sink has not got yet; 0 if none.", ("to",)),
    "moatdns_log_sink_failing": ("Whether a log sink takes nothing now.", ("to",)),
    "moatdns_mail_messages_waiting": ("Messages that are not mailed yet.", ()),
    "moatdns_mail_failing": ("Whether mails wait that could not be sent, and none was since.", ()),
    "moatdns_restored_suspended": ("What a restore suspended, and no admin has confirmed or revoked yet.", ("what",)),
    "moatdns_list_failing": ("Whether the last fetch of a list failed.", ("list",)),
    "moatdns_unlisted_names": ("Domains in the inbox of unlisted names.", ("status",)),
    "moatdns_catalogue_version": ("The number of the catalogue in force: bundled, and of the feed.", ("of",)),
    "moatdns_feed_failing": ("Whether the catalogue feed is refused, away or expired.", ()),
    "moatdns_feed_waiting": ("Whether a catalogue from the feed waits to be accepted.", ()),
    "moatdns_feed_last_success_timestamp_seconds": ("When the catalogue feed was last looked at successfully.", ()),
    "moatdns_feed_expires_timestamp_seconds": ("When the feed's catalogue in force expires.", ()),
    "moatdns_evidence_since_timestamp_seconds": (
        "Since when it is known that the node ran, and what was in force.",
        (),
    ),
    "moatdns_build_info": ("The version that runs.", ("version",)),
}
"""Gauges by name: what they say, and their labels."""

COUNTERS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "moatdns_dns_requests": ("Queries, by protocol and type.", ("protocol", "qtype")),
    "moatdns_dns_responses": ("Answers, by response code and verdict.", ("rcode", "verdict")),
    "moatdns_policy_hits": (
        "Queries that a rule matched; vendor is none for own lists.",
        ("group", "vendor", "verdict"),
    ),
    "moatdns_upstream_requests": ("Results of queries to upstreams.", ("upstream", "result")),
    "moatdns_upstream_remarks": (
        "Upstreams' answers that were filtered: here (private_addresses), or by the upstream.",
        ("what",),
    ),
    "moatdns_cache_hits": ("Queries answered from memory, and those that were not.", ("kind",)),
    "moatdns_cache_events": ("Events in the cache, except hits and misses.", ("what",)),
    "moatdns_dropped": ("Drops because something was full or invalid.", ("what",)),
    "moatdns_feed_refused": ("Catalogues from the feed that were refused, by reason.", ("reason",)),
    "moatdns_log_sink_sent": ("Rows that a log sink has taken.", ("to",)),
    "moatdns_log_sink_dropped": ("Rows that a log sink will not get: late, refused, or removed before.", ("to",)),
    "moatdns_webhook_messages": (
        "Messages for webhooks: delivered, tries that failed, given up (or partly so).",
        ("what",),
    ),
    "moatdns_mail_messages": (
        "Messages for mail: delivered, tries that failed, given up, or so for some of several recipients (partly); "
        "digests; for persons without an address.",
        ("what",),
    ),
    "moatdns_block_page": ("Pages of the block page, and requests filed there.", ("what",)),
}
"""Counters, the same way."""

_METRIC_OF: Final = {
    # Kinds of totals that are a metric as they are: their further parts are its labels.
    "upstream": "moatdns_upstream_requests",
    "remark": "moatdns_upstream_remarks",
    "cache": "moatdns_cache_events",
    "dropped": "moatdns_dropped",
    "block_page": "moatdns_block_page",
    "webhook": "moatdns_webhook_messages",
    "mail": "moatdns_mail_messages",
    "feed_refused": "moatdns_feed_refused",
    "log_sink_sent": "moatdns_log_sink_sent",
    "log_sink_dropped": "moatdns_log_sink_dropped",
}
_VERDICT: Final = dict(zip(OUTCOMES, VERDICT_OF, strict=True))
_NONE: Final = "none"
_FIRST: Final = BUCKET_NAMES[0]

Labels = tuple[str, ...]


def exposition(
    totals: Mapping[str, int], gauges: Mapping[str, Mapping[Labels, float]], own: Mapping[tuple[str, str], int]
) -> bytes:
    """All metrics. `totals` are by key, as the fold keeps them; `own` is what this process counts: metric and label."""
    registry = CollectorRegistry()
    registry.register(_Collected(totals, gauges, own))
    return generate_latest(registry)


class _Collected(Collector):
    def __init__(
        self,
        totals: Mapping[str, int],
        gauges: Mapping[str, Mapping[Labels, float]],
        own: Mapping[tuple[str, str], int],
    ) -> None:
        self._gauges = gauges
        self._counters: defaultdict[str, Counter[Labels]] = defaultdict(Counter)
        self._by_verdict: Counter[str] = Counter()
        self._waited: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._seconds: Counter[str] = Counter()
        self._upstream_waited: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._upstream_seconds: Counter[str] = Counter()
        for key, count in totals.items():
            self._take([_NONE if part is None else str(part) for part in json.loads(key)], count)
        for (what, label), count in own.items():
            self._take([what, label], count)
        for verdict, total in self._by_verdict.items():
            self._waited[verdict][_FIRST] += max(0, total - self._waited[verdict].total())

    def _take(self, parts: list[str], count: int) -> None:
        match parts:
            case ["answer", outcome, group, vendor, qtype, rcode, protocol]:
                verdict = _VERDICT[outcome]
                self._counters["moatdns_dns_requests"][protocol, qtype] += count
                self._counters["moatdns_dns_responses"][rcode, verdict] += count
                self._by_verdict[verdict] += count
                if verdict in ("block", "monitor", "exempt"):
                    self._counters["moatdns_policy_hits"][group, vendor, verdict] += count
                kind = outcome.partition("_")[0]
                if kind in ("cached", "forwarded"):
                    self._counters["moatdns_cache_hits"]["hit" if kind == "cached" else "miss",] += count
            case ["seconds", verdict, le]:
                self._waited[verdict][le] += count
            case ["seconds_sum", verdict]:
                self._seconds[verdict] += count
            case ["upstream_seconds", name, le]:
                self._upstream_waited[name][le] += count
            case ["upstream_seconds_sum", name]:
                self._upstream_seconds[name] += count
            case [kind, *labels] if kind in _METRIC_OF and len(labels) == len(COUNTERS[_METRIC_OF[kind]][1]):
                self._counters[_METRIC_OF[kind]][tuple(labels)] += count

    def collect(self) -> Iterable[Metric]:
        """All metrics, counters first."""
        for name, (says, labels) in COUNTERS.items():
            family = CounterMetricFamily(name, says, labels=labels)
            for values, count in sorted(self._counters[name].items()):
                family.add_metric(values, count)
            yield family
        yield _histogram(
            "moatdns_dns_request_duration_seconds",
            "From reading a query to its answer; answers without upstream are in the first bucket, unmeasured.",
            "verdict",
            {verdict: self._waited[verdict] for verdict in self._by_verdict},
            self._seconds,
        )
        yield _histogram(
            "moatdns_upstream_request_duration_seconds",
            "From sending a query to an upstream to its response.",
            "upstream",
            self._upstream_waited,
            self._upstream_seconds,
        )
        for name, (says, labels) in GAUGES.items():
            gauge = GaugeMetricFamily(name, says, labels=labels)
            for values, value in sorted(self._gauges.get(name, {}).items()):
                gauge.add_metric(values, value)
            yield gauge


def _histogram(
    name: str, says: str, label: str, waited: Mapping[str, Counter[str]], microseconds: Mapping[str, int]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, says, labels=(label,))
    for value, buckets in sorted(waited.items()):
        family.add_metric((value,), list(_cumulative(buckets)), microseconds[value] / 1e6)
    return family


def _cumulative(waited: Counter[str]) -> Iterator[tuple[str, float]]:
    count = 0
    for le in BUCKET_NAMES:
        count += waited[le]
        yield le, count
