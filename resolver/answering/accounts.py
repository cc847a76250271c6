"""Accounts of answers: the counters and the query-log facts of each, worked out once, and then remembered."""

from __future__ import annotations

from typing import Final, Protocol

from resolver.policy.decision import Decision, MatchedRule, Verdict
from resolver.policy.rule_layer import Member
from resolver.system.discards import DISCARDS
from resolver.telemetry.counters import KIND_OF, KINDS, NO_SORT, VERDICT_OF, Account, Counters, PersonHits
from resolver.telemetry.json_text import array_of, quoted
from resolver.telemetry.query_blocks import LogFacts
from resolver.telemetry.query_events import QueryEvents
from resolver.wire.codes import Rcode
from resolver.wire.message import type_name
from resolver.wire.names import to_text, wire_of_key
from resolver.wire.question import Question

_MOST_REMEMBERED = 50_000
_PROTOCOLS = ("udp", "tcp", "dot", "doh")  # by transport
_RCODES = {int(rcode): rcode.name for rcode in Rcode}
_NO_HIT: Final = 3  # of KINDS


class Counted(Protocol):
    """Client, as far as its answers are counted."""

    cell: int
    shown: bytes
    person: PersonHits | None


class ClientAccount:
    """How a client is counted: its cell, what the query log says of it, its person, and for how many seconds so."""

    def __init__(self, cell: int, shown: bytes, person: PersonHits | None, seconds: float) -> None:
        self.cell = cell
        self.shown = shown
        self.person = person
        self.seconds = seconds


class Accounts:
    """The accounts of one worker; what they count is in its counters."""

    def __init__(self, counters: Counters, events: QueryEvents) -> None:
        self._counters = counters
        self._events = events
        self._known: dict[tuple[object, ...], Account] = {}
        self._rests: dict[bytes, bytes] = {}  # of facts: many names have the same
        self._names: dict[bytes, tuple[str, bytes]] = {}  # by key, as text and as JSON: groups and types share it
        self._rules: dict[bytes, tuple[Member, str]] = {}  # by a name's key, a rule on it, and how it is written

    def forget(self) -> None:
        """Begin anew: the policy, or the counters' cells, are others."""
        for table in (self._known, self._rests, self._names, self._rules):
            DISCARDS.empty(table)

    def client(self, address: str, identity: str | None, now: float) -> ClientAccount:
        """How a client is counted. `identity` is whose it is, None for nobody's; `now` is Unix time."""
        counters = self._counters
        recorded = counters.recording.of(address, identity, now)
        return ClientAccount(
            counters.client(recorded.address),
            recorded.line(),
            counters.person(recorded.identity),
            counters.recording.seconds_left(now),
        )

    def of(
        self,
        outcome: int,
        decision: Decision,
        question: Question,
        transport: int,
        rcode: int,
        remark: str | None = None,
    ) -> Account:
        """The account of an answer. What is remarked of one that is none of the policy's doing is logged with it."""
        kind = KIND_OF[outcome]
        is_logged = self._events.logs_all or (kind != _NO_HIT and self._events.logs_hits)
        key: tuple[object, ...]
        if kind == _NO_HIT and not is_logged:  # most of what is asked for once
            key = (outcome, decision.group, question.qtype, transport, rcode)
        else:
            rule = decision.rule if kind != _NO_HIT else None
            name = question.key if is_logged or rule is not None else None
            key = (outcome, decision.group, decision.service, rule and rule.list, rule and rule.key, question.qtype,
                   transport, rcode, name, decision.exemption, remark)  # fmt: skip
        account = self._known.get(key)
        if account is None:
            if len(self._known) >= _MOST_REMEMBERED:
                self.forget()
            account = self._known[key] = self._made(
                outcome, decision, question, transport, rcode, remark, is_logged=is_logged
            )
        return account

    def _made(
        self,
        outcome: int,
        decision: Decision,
        question: Question,
        transport: int,
        rcode: int,
        remark: str | None,
        *,
        is_logged: bool,
    ) -> Account:
        kind = KIND_OF[outcome]
        is_hit = kind != _NO_HIT
        rule = decision.rule if is_hit else None
        domain, shown_domain = self._name(question.key) if is_hit or is_logged else (None, b"")
        qtype, protocol = type_name(question.qtype), _PROTOCOLS[transport]
        rcode_name = _RCODES.get(rcode, str(rcode))
        service = decision.service if is_hit else None
        in_list = rule.list if rule else None
        known_type = qtype if not qtype.startswith("TYPE") else "other"
        exemption = decision.exemption if is_hit else None
        of_hit = domain if is_hit else None
        facts = (decision.group, service, in_list, known_type, rcode_name, protocol, exemption, of_hit)
        logged: LogFacts | None = None
        if domain is not None and is_logged:
            said = self._written(rule) if rule else None
            rules = (service, in_list, said, exemption)
            said_last = () if remark is None else (remark,)
            rest = array_of(
                (decision.group, qtype, rcode_name, VERDICT_OF[outcome], *rules, protocol, *said_last)
            ).encode()
            logged = LogFacts(shown_domain, self._rests.setdefault(rest, rest))
        sort = self._counters.sort(KINDS[kind], service, exemption) if is_hit else NO_SORT
        return self._counters.answer(outcome, facts), kind, logged, sort

    def _name(self, key: bytes) -> tuple[str, bytes]:
        """A name as text, and as the query log has it."""
        found = self._names.get(key)
        if found is None:
            text = to_text(wire_of_key(key))
            found = self._names[key] = text, quoted(text).encode()
        return found

    def _written(self, rule: MatchedRule) -> str:
        """A rule as it is written."""
        found = self._rules.get(rule.key)
        if found is None or found[0] is not rule.meaning:
            found = self._rules[rule.key] = rule.meaning, rule.text
        return found[1]

    def count(self, client: Counted, account: Account, milliseconds: float = 0) -> None:
        """Count an answer for a client, and log it if it is to be."""
        cell, kind, facts, sort = account
        cells = self._counters.cells
        cells[cell] += 1
        cells[client.cell + kind] += 1
        person = client.person
        if person is not None and sort >= 0:
            of_person = person.cells.get(sort)
            cells[self._counters.person_cell(person, sort) if of_person is None else of_person] += 1
        if facts is not None:
            self._events.put(client.shown, facts, milliseconds)

    def without_policy(
        self, outcome: int, client: Counted, group: str, question: Question, transport: int, rcode: int
    ) -> None:
        """Count an answer that no rule was asked for."""
        self.count(client, self.of(outcome, Decision(Verdict.ALLOW, group), question, transport, rcode))

    def unreadable(self, outcome: int, client: Counted, group: str, transport: int, rcode: int) -> None:
        """Count an answer to what could not be read as a query."""
        facts = (group, None, None, None, _RCODES.get(rcode, str(rcode)), _PROTOCOLS[transport], None, None)
        self.count(client, (self._counters.answer(outcome, facts), _NO_HIT, None, NO_SORT))
