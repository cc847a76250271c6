"""Kinds of data about people and clients: the one table of what is stored, where, how long, and who reads it.

Whatever new is stored about a person has an entry here: tests/unit/admin_api/test_privacy.py holds each table of the
store against it, tests/end_to_end/test_privacy.py each file of a running server's state directory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, Table

from admin_api.store import tables
from resolver.config.settings import ControlSettings, Retention


@dataclass(frozen=True, slots=True)
class DataKind:
    """A kind of data.

    `table` is counted in the store, `at` the time by which it is old; `files` are patterns below state_dir. `kept` and
    `holds` are sentences by the settings. `operations` are those of the API that read it; `settings` the config's keys.
    """

    name: str
    holds: Callable[[ControlSettings], str]
    kept: Callable[[Retention], str]
    operations: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    table: Table | None = None
    at: str | None = None
    files: tuple[str, ...] = ()

    @property
    def time(self) -> Column[object] | None:
        """The column by which the oldest entry is found."""
        return None if self.table is None or self.at is None else self.table.c[self.at]


_CLIENT: Final[Mapping[str, str]] = {
    "full": "its address",
    "network": "its network (/24, /48)",
    "pseudonym": "a pseudonym of its address",
    "hidden": "nothing of its address",
}
_PERSON: Final[Mapping[str, str]] = {
    "full": "whose it was",
    "pseudonym": "a pseudonym of whose it was",
    "hidden": "nothing of whose it was",
}


def _of_client(settings: ControlSettings) -> str:
    return f"of the client {_CLIENT[settings.clients]} and {_PERSON[settings.identities]}"


def _query_log(settings: ControlSettings) -> str:
    if not settings.query_log:
        return "nothing: query_log.enabled is false"
    return f"each recorded query (query_log.what): time, name, type, verdict and why, group; {_of_client(settings)}"


def _statistics(settings: ControlSettings) -> str:
    if not settings.statistics:
        return "nothing: statistics.enabled is false"
    return f"counts by service, list, name and group, and {_of_client(settings)}"


def _always(sentence: str) -> Callable[[object], str]:
    return lambda _: sentence


def _for_days(key: str, what: str = "", else_: str = "for ever") -> Callable[[Retention], str]:
    def told(kept: Retention) -> str:
        days = getattr(kept, key)
        return f"{days} days (retention.{key}){what}" if days is not None else f"{else_} (retention.{key})"

    return told


def _statistics_kept(kept: Retention) -> str:
    return (
        f"by the minute {kept.statistics_minutes_days}, by the hour {kept.statistics_hours_days}, by the day "
        f"{kept.statistics_days} days (retention.statistics_minutes_days, .statistics_hours_days, .statistics_days)"
    )


_RECORDED: Final = ("query_log.clients", "query_log.identities")
_FOR_GOOD: Final = _always("until they are removed")

KINDS: Final[tuple[DataKind, ...]] = (
    DataKind(
        "query log",
        _query_log,
        _for_days("query_log_days", "; less where query_log.max_mib is reached"),
        ("GET /queries",),
        ("query_log.enabled", "query_log.what", *_RECORDED),
        files=("query-log/*",),
    ),
    DataKind(
        "secrets of pseudonyms",
        _always("a random secret for each period: with it, whose a pseudonym is can be tried"),
        _always("until the query log has no row of the period (query_log.pseudonym_days)"),
        (),
        ("query_log.pseudonym_days", "query_log.pseudonyms_found_by"),
        files=("pseudonyms.secret",),
    ),
    DataKind(
        "statistics",
        _statistics,
        _statistics_kept,
        ("GET /stats/top", "GET /reports/usage"),
        ("statistics.enabled", *_RECORDED),
        table=tables.stats_rollup,
        at="at",
    ),
    DataKind(
        "counts on their way to the statistics",
        _statistics,
        _always("until they are in the statistics, and their file is full or its worker has ended"),
        (),
        ("statistics.enabled", *_RECORDED),
        files=("counters/*",),
    ),
    DataKind(
        "leases",
        _always("which identity has which address, in which group: by name, since they decide"),
        _always("until they end (leases.longest_seconds)"),
        ("GET /leases",),
        ("leases.longest_seconds",),
        table=tables.leases,
        at="created_at",
        files=("subjects/*",),
    ),
    DataKind(
        "lease history",
        _always("which identity had which address: by name"),
        _for_days("lease_history_days"),
        ("GET /lease-history",),
        ("retention.lease_history_days",),
        table=tables.lease_history,
        at="at",
    ),
    DataKind(
        "exemptions and requests",
        _always("for whom, of what, owner, reason, ticket, who asked and who decided: by name"),
        _for_days("exemptions_days", " after their end"),
        ("GET /exemptions", "GET /exemptions/{id}", "GET /reports/exemptions"),
        ("retention.exemptions_days",),
        table=tables.exemptions,
        at="created_at",
    ),
    DataKind(
        "change requests",
        _always("changes that wait for another owner, or were decided: who asked, who decided, what"),
        _for_days(
            "change_requests_days", " after they were decided; at most 1,000", "the newest 1,000 that are decided"
        ),
        ("GET /change-requests", "GET /change-requests/{id}"),
        ("retention.change_requests_days",),
        table=tables.change_requests,
        at="created_at",
    ),
    DataKind(
        "audit trail",
        _always("who changed what, and why; personal texts are commitments, with the texts in a table beside"),
        _for_days("audit_days"),
        ("GET /audit", "GET /audit:export"),
        ("retention.audit_days",),
        table=tables.audit,
        at="at",
    ),
    DataKind(
        "personal texts of the audit trail",
        _always("texts that the trail commits to: subjects, reasons, owners"),
        _always("as long as their rows, or until an erasure strikes them"),
        ("GET /audit",),
        ("retention.audit_days",),
        table=tables.audit_texts,
    ),
    DataKind(
        "tokens",
        _always("name, owner, roles, last use, of those who call the API or sign in; secrets as digests"),
        _FOR_GOOD,
        ("GET /tokens",),
        table=tables.tokens,
        at="created_at",
    ),
    DataKind(
        "groups",
        _always("networks and client names of groups; a name that a certificate proves may be a person's"),
        _FOR_GOOD,
        ("GET /groups",),
        ("policy.groups",),
        table=tables.groups,
        files=("snapshots/*",),
    ),
    DataKind(
        "the config, as it is in force, and looks that were agreed to",
        _always(
            "the config's values, without secrets: people.legal_holds, client names of groups, recipients of mail; of "
            "looks under four eyes who looks, at whom, and why"
        ),
        _always(
            "until the next reading of the config, older values are in the audit trail; a look until an hour after "
            "its end (audit.look_seconds)"
        ),
        ("GET /audit",),
        ("people.legal_holds", "policy.groups", "mail", "policy.look_approval", "audit.look_seconds"),
        table=tables.documents,
        files=("boot.json",),
    ),
    DataKind(
        "revisions of the policy",
        _always("when the policy changed, by whom"),
        _always("the newest 10,000"),
        ("GET /policy/history",),
        table=tables.policy_revisions,
        at="at",
    ),
    DataKind(
        "pauses",
        _always("groups whose blocking pauses, and who set it"),
        _always("until they end"),
        ("GET /pauses",),
        table=tables.pauses,
        at="created_at",
    ),
    DataKind(
        "unlisted names",
        _always("domains that look like an AI service, with how many clients asked on a day: no client"),
        _always("the unlisted.most_kept with most evidence"),
        ("GET /unlisted",),
        ("unlisted.enabled", "unlisted.clients"),
        table=tables.unlisted,
    ),
    DataKind(
        "messages on their way",
        _always("what webhooks and mail are to be told: exemptions, changes, lists, by name"),
        _always("until they are delivered, or given up"),
        (),
        ("webhooks", "mail"),
        table=tables.webhook_messages,
    ),
    DataKind(
        "journal of erasures",
        _always("a digest of each client or person that was erased, and when: no name"),
        _always("the newest query_log.most_erasures"),
        (),
        ("query_log.most_erasures",),
        files=("erasures.jsonl",),
    ),
)

NO_PERSON: Final[Mapping[str, str]] = {
    "meta": "facts of the store itself",
    "store_owner": "the process that has it open",
    "lists": "lists of the policy",
    "rules": "rules of lists",
    "removed_rules": "rules of lists",
    "group_networks": "networks of groups",
    "local_names": "names that are answered here",
    "exemption_events": "told with the exemptions",
    "stats_clients": "sketches, from which only a number of clients can be reckoned",
    "counter_files": "values that were folded last, without their keys",
    "node_periods": "runs of the node",
    "node_spans": "troubles, and policies in force",
}
"""Tables of the store about no person, or told with another kind, and why."""

NO_PERSON_FILES: Final[Mapping[str, str]] = {
    "admin.token": "the secret of the first token",
    "audit.head": "where the trail ends",
    "audit.head.signed": "the same, signed",
    "audit.key": "the trail's key",
    "catalogue/*": "the bundled catalogue, or the one that is fed",
    "cookie.secret": "the secret of DNS cookies",
    "lists/*": "contents of lists that are fetched",
    "log-sinks/*": "how far each sink is",
    "moatdns.lock": "the process that runs",
    "privacy.json": "the privacy settings in force",
    "moatdns.sqlite*": "the store, whose tables are told one by one",
    "signing.key": "the key of evidence and heads",
}
"""Files below state_dir about no person, as patterns, and why."""
