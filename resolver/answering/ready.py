"""Ready answers: the fast path. A repeated query is one look-up in the answer table and an ID.

A query in another letter case, or with a cookie, is two look-ups: by its octets, and by its table key. What has other
options, or none of this, goes through the pipeline, whose last step looks here, too.
"""

from __future__ import annotations

from typing import Final

from resolver.answering.client import Client
from resolver.answering.clients import Clients
from resolver.answering.replies import Replies
from resolver.answering.resolution import Resolver
from resolver.cache.table import Prepared
from resolver.telemetry.counters import Counters
from resolver.telemetry.query_events import QueryEvents
from resolver.wire.codes import HEADER, MAX_MESSAGE, UDP_PAYLOAD, UDP_PAYLOAD_PLAIN
from resolver.wire.question import Question
from resolver.wire.table_key import key_and_cookie
from resolver.wire.transport import Transport

_UDP: Final = int(Transport.UDP)
_SHORTEST: Final = 17  # octets of a query: header, root, type and class
_PAYLOAD_AT: Final = 8  # octets before the options: where an OPT record says how much its sender takes


class ReadyAnswers:
    """The answers that a worker has ready, each counted as it is given."""

    def __init__(
        self, clients: Clients, resolver: Resolver, counters: Counters, events: QueryEvents, replies: Replies
    ) -> None:
        self._clients = clients
        self._resolver = resolver
        self._counters = counters
        self._events = events
        self._replies = replies

    def answer(self, query: bytes, client: Client, transport: int, now: float) -> bytes | None:
        """The answer that is ready for a client's query; None where the pipeline is to be asked.

        `now` is in monotonic seconds. Never raises, whatever the octets.
        """
        # Every line here runs for every query: no calls but the look-up, and the one that counts what the client asks.
        table = client.tables[transport]
        if client.varies:
            return self._answer_varied(query, client, transport, now)
        prepared = table.get(query[2:])
        if prepared is None:
            return self._answer_varied(query, client, transport, now) if table else None
        if (prepared.ends_at <= now and not self._renewed(prepared, now)) or not self._clients.spend(client, now):
            return None
        cells = self._counters.cells
        cells[prepared.cell] += 1  # before it is sent: whatever was answered is counted
        cells[client.cell + prepared.kind] += 1
        person = client.person
        if person is not None and prepared.sort >= 0:
            cell = person.cells.get(prepared.sort)
            cells[self._counters.person_cell(person, prepared.sort) if cell is None else cell] += 1
        if prepared.facts is not None:
            self._events.put(client.shown, prepared.facts)
        return b"".join((query[:2], prepared.head, query[HEADER : prepared.question_end], prepared.rest))

    def answer_to(self, question: Question, client: Client, transport: int, now: float) -> bytes | None:
        """The answer that is ready for a client's question, to which its options are yet to be added.

        That the client may ask it has been seen to, and counted.
        """
        prepared = client.answers.tables[transport].entries.get(question.table_key)
        if prepared is None or (prepared.ends_at <= now and not self._renewed(prepared, now)):
            return None
        self._count(prepared, client)
        return prepared.reply(question.query)

    def _renewed(self, prepared: Prepared, now: float) -> bool:
        """Whether an answer goes on, its TTLs counted down: its entry is still in the cache, and fresh."""
        origin = prepared.origin
        if origin is None:
            return False
        entry = self._resolver.unchanged(origin.cache_key, origin.stored_at, now)
        if entry is None:
            return False
        prepared.renew(entry.body(now, most=origin.most_seconds), entry.ticks_at(now))
        return True

    def _count(self, prepared: Prepared, client: Client) -> None:
        cells = self._counters.cells
        cells[prepared.cell] += 1
        cells[client.cell + prepared.kind] += 1
        person = client.person
        if person is not None and prepared.sort >= 0:
            cell = person.cells.get(prepared.sort)
            cells[self._counters.person_cell(person, prepared.sort) if cell is None else cell] += 1
        if prepared.facts is not None:
            self._events.put(client.shown, prepared.facts)

    def _answer_varied(self, query: bytes, client: Client, transport: int, now: float) -> bytes | None:
        """The same for a query that is not in the table as it is written, or whose client's last one was not."""
        if len(query) < _SHORTEST:
            return None
        key, cookie_at = key_and_cookie(query)
        prepared = client.tables[transport].get(key)
        if prepared is None or (prepared.ends_at <= now and not self._renewed(prepared, now)):
            return None
        if not cookie_at:
            reply = prepared.reply(query)
        else:
            if prepared.question_end + 11 != cookie_at:  # an octet 0 in a label: what looked like the OPT is none
                return None
            option = self._replies.cookie_option(query[cookie_at:], client, now)
            if option is None:
                return None
            reply = prepared.reply_with(query, option)
            if len(reply) > _most(query, cookie_at, transport):
                return None
        if not self._clients.spend(client, now):
            return None
        self._count(prepared, client)
        client.varies = cookie_at != 0 or key != query[2:]  # then the next one does, too
        return reply


def _most(query: bytes, options_at: int, transport: int) -> int:
    """The octets that a client takes, as it says in the OPT record whose options begin at `options_at`."""
    if transport != _UDP:
        return MAX_MESSAGE
    payload = query[options_at - _PAYLOAD_AT] << 8 | query[options_at - _PAYLOAD_AT + 1]
    return min(max(payload, UDP_PAYLOAD_PLAIN), UDP_PAYLOAD)
