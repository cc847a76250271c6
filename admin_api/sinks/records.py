"""Records of a sink, by its format: each row of a block of the query log, or of the audit trail, as JSON on one line.

A block's rows share their facts, names and clients, so that a record is put together from pieces of text that are
made once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Final, Protocol

from admin_api.query_log.shown import Shown
from admin_api.sinks import ecs
from admin_api.sinks.moments import Stamps
from admin_api.sinks.rows import AUDIT, QUERY, SinkRow
from admin_api.store.audit import AuditRow
from resolver.system.safe_text import visible_json
from resolver.telemetry.query_block_lines import BlockClient, Facts
from resolver.telemetry.query_block_reading import QueryBlock
from resolver.telemetry.query_blocks import FACTS

_VERDICT: Final = FACTS.index("verdict")
_ALL: Final = Shown()
_GAP: Final = "\0"  # no name of the log holds it, as JSON has it
_MOST_REMEMBERED: Final = 10_000  # facts: many blocks have the same
_NANOSECONDS: Final = 1_000_000


class QueryFormat(Protocol):
    """How a query is written: a head with its time, its client, the rest with its name, and an end."""

    def client(self, client: BlockClient) -> str:
        """Members about a client, each with a comma behind it."""

    def facts(self, facts: Facts) -> tuple[str, str]:
        """The text before the name, the text behind it."""

    def put(self, stamp: str, moment: int, client: str, rest: str, identity: str, milliseconds: float) -> str:
        """The record of its pieces."""

    def audit(self, row: AuditRow, stamp: str) -> str:
        """The record of a row of the audit trail."""


class EcsFormat:
    """The Elastic Common Schema."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._beside = _members({"ecs": {"version": ecs.VERSION}, "observer": ecs.observer(host)})

    def client(self, client: BlockClient) -> str:
        """Members `source` and `user`."""
        return _members(ecs.of_client(client))

    def facts(self, facts: Facts) -> tuple[str, str]:
        """All but these; the end is within `event`."""
        before, behind = _json(ecs.of_query(_GAP, facts)).split(_json(_GAP), 1)
        return self._beside + before[1:], behind[:-2]

    def put(self, stamp: str, moment: int, client: str, rest: str, identity: str, milliseconds: float) -> str:
        """The record; `moment` is in `stamp` already."""
        duration = int(milliseconds * _NANOSECONDS)
        return f'{{"@timestamp":"{stamp}",{client}{rest},"id":"{identity}","duration":{duration}}}}}'

    def audit(self, row: AuditRow, stamp: str) -> str:
        """The record of a row of the audit trail."""
        return _json(ecs.of_audit(row, stamp, self._host))


class PlainFormat:
    """As the API has queries (`GET /queries`) and `moatdns audit export` the audit trail; of a query its id, too."""

    def client(self, client: BlockClient) -> str:
        """Members `client`, and `identity` where it is known."""
        known = {} if client.identity is None else {"identity": client.identity}
        return _members({"client": client.address or None, **known})

    def facts(self, facts: Facts) -> tuple[str, str]:
        """The facts in the API's names."""
        said = dict(zip(FACTS, facts, strict=False))
        if said.get("remark") is None:
            said.pop("remark", None)
        before, behind = _json({"group": said.pop("group"), "name": _GAP, **said}).split(_json(_GAP), 1)
        return before[1:], behind[:-1]

    def put(self, stamp: str, moment: int, client: str, rest: str, identity: str, milliseconds: float) -> str:
        """The record; `moment` is in `stamp` already."""
        return f'{{"at":"{stamp}","id":"{identity}",{client}{rest},"duration_ms":{milliseconds:.3g}}}'

    def audit(self, row: AuditRow, stamp: str) -> str:
        """The record of a row of the audit trail, with its mac, to be held against the trail."""
        return _json(row.plain())


class SplunkFormat(EcsFormat):
    """The same in envelopes of Splunk's HTTP Event Collector, which wants the time beside the event."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self._about = _members({"host": host, "source": "moatdns", "sourcetype": "_json"})

    def put(self, stamp: str, moment: int, client: str, rest: str, identity: str, milliseconds: float) -> str:
        """The record in its envelope."""
        event = super().put(stamp, moment, client, rest, identity, milliseconds)
        return self._within(moment / 1000, event)

    def audit(self, row: AuditRow, stamp: str) -> str:
        """The record in its envelope."""
        return self._within(row.at.timestamp(), super().audit(row, stamp))

    def _within(self, seconds: float, event: str) -> str:
        return f'{{"time":{seconds:.3f},{self._about}"event":{event}}}'


class Records:
    """Maker of rows in one format. `host` is this machine's name, by which ids differ from other nodes'.

    `shown` says whom they tell of.
    """

    def __init__(self, form: str, host: str, shown: Shown = _ALL) -> None:
        self._shown = shown
        makers: dict[str, QueryFormat] = {
            "ecs": EcsFormat(host),
            "plain": PlainFormat(),
            "splunk-hec": SplunkFormat(host),
        }
        self._format = makers[form]
        self._host = visible_json(json.dumps(host))[1:-1]
        self._stamps = Stamps()
        self._facts: dict[tuple[str | None, ...], tuple[str, str, str]] = {}

    def queries(self, block: QueryBlock, places: Sequence[int], base: int) -> list[SinkRow]:
        """The rows at some places of a block, whose ids are above `base`. Raises BlockError."""
        columns, moments, durations = block.columns(), block.moments(), block.durations()
        names, clients = block.names(), [self._format.client(self._shown.client(one)) for one in block.clients()]
        facts = [self._pieces(tuple(each)) for each in block.facts()]
        of_names: dict[int, str] = {}
        put, stamp_of, host = self._format.put, self._stamps.of, self._host
        rows = []
        for place in places:
            name = columns.names[place]
            before, behind, verdict = facts[columns.facts[name]]
            rest = of_names.get(name)
            if rest is None:
                rest = of_names[name] = f"{before}{_json(names[name])}{behind}"
            moment = moments[place]
            stamp = stamp_of(moment)
            # With its time, since a day's ids begin anew where its file was damaged.
            identity = f"{host}-{moment:x}-{base | place:x}"
            text = put(stamp, moment, clients[columns.clients[place]], rest, identity, durations[place])
            rows.append(SinkRow(QUERY, stamp, verdict, text))
        return rows

    def audit(self, row: AuditRow) -> SinkRow:
        """A row of the audit trail."""
        stamp = row.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return SinkRow(AUDIT, stamp, "", self._format.audit(row, stamp))

    def _pieces(self, facts: tuple[str | None, ...]) -> tuple[str, str, str]:
        known = self._facts.get(facts)
        if known is None:
            if len(self._facts) >= _MOST_REMEMBERED:
                self._facts.clear()
            known = self._facts[facts] = (*self._format.facts(facts), str(facts[_VERDICT]))
        return known


def _json(value: object) -> str:
    return visible_json(json.dumps(value, separators=(",", ":")))


def _members(fields: Mapping[str, object]) -> str:
    """The members of an object, each with a comma behind it."""
    return f"{_json(fields)[1:-1]}," if fields else ""
