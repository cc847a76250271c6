"""The clients of one worker: who has asked, what each may see right now, and the answers that are ready for it.

A client is worked out when it first asks, and again when something about it changes: by an order (lease, exemption,
pause, policy) or by time. Answers belong to views, so a client that changes its view leaves no answer behind.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from resolver.answering.accounts import Accounts
from resolver.answering.client import Client, ViewAnswers, ceiling_of
from resolver.answering.client_bounds import ClientBounds
from resolver.answering.client_networks import Networks
from resolver.answering.proxies import TrustedProxies
from resolver.answering.rates import PLENTY, QueryBudgets
from resolver.cache.table import FOR_EVER, AnswerTable, Prepared, TableBudget
from resolver.policy.groups import NetworkTable, parse_client
from resolver.policy.moments import Moment
from resolver.policy.proved_names import PROVED
from resolver.policy.situation import Situation, situation_of, situation_with
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.subjects import Plain, Subjects
from resolver.system.discards import DISCARDS
from resolver.wire.proxy_header import ProxyHeader

# Sockets show addresses that begin so with a link's name, or with a dotted end.
_MANY_SPELLINGS: Final = ("fe8", "fe9", "fea", "feb", "::")
_CHANGES_LET_BE: Final = 1_000  # that may have come to nothing, beside as many as there are clients

_NOBODY: dict[str, Client] = {}


class Clients:
    """The clients that a worker remembers. UDP readers read `known`, `by_octets` and `next_change` at each wake-up."""

    def __init__(
        self,
        bounds: ClientBounds,
        accounts: Accounts,
        dropped: Counter[str],
        *,
        clock: Callable[[], float],
        moment: Callable[[], Moment],
    ) -> None:
        """`clock` gives monotonic seconds, `moment` the time on the clocks that leases and exemptions end by."""
        limits, rates = bounds.limits, bounds.rates
        self.subjects = Subjects()
        self._allowed = NetworkTable((network, True) for network in bounds.allowed)
        self.proxies = TrustedProxies(bounds.trusted_proxies)
        self._unlimited = NetworkTable((network, True) for network in rates.exempt)
        self.networks = networks = Networks(bounds.networks)
        per_network = networks.bound(rates.queries_per_second)
        self.budgets = QueryBudgets(rates.queries_per_second, limits.clients, dropped, per_network)
        self._rates_responses = rates.responses_per_second > 0
        self._limits = limits
        self._accounts = accounts
        self._dropped = dropped
        self._clock = clock
        self._moment = moment
        self.known: dict[str, Client] = {}
        self.by_octets: dict[bytes, Client] = {}  # of these, whom the UDP reader has seen, by socket address
        self._snapshot: PolicySnapshot
        self._budget = TableBudget(limits.answer_table_entries, dropped)

    def use(self, snapshot: PolicySnapshot) -> None:
        """Judge by a policy: all answers that were ready are forgotten."""
        self._snapshot = snapshot
        self._forget_answers()

    def _forget_answers(self) -> None:
        self._budget.give_up()
        self._budget = TableBudget(self._limits.answer_table_entries, self._dropped)
        self._answers: dict[tuple[int, int | None], ViewAnswers] = {}
        self._refused = ViewAnswers(self._snapshot.views[0], None, self._budget)
        self.forget()

    def forget(self) -> None:
        """Work out every client anew when it next asks; answers stay ready."""
        DISCARDS.give_up(self.known)
        DISCARDS.give_up(self.by_octets)
        self.known, self.by_octets = {}, {}
        self._named: dict[str, dict[str, Client]] = {}  # by address and name
        self._named_clients = 0  # how many are in there
        self._changes: list[tuple[float, str, str]] = []  # a heap: when a client has to be worked out anew
        self._period_ends = FOR_EVER  # when what is recorded of clients changes for all of them
        self.next_change = FOR_EVER

    def at(self, address: str, name: str = "") -> Client:
        """The client at an address, remembered until something about it changes. Raises ValueError for what is none.

        `name` is what it calls itself, in lower case, or proves to be (resolver.policy.proved_names); one that is
        merely claimed, and that no group has, is forgotten at once.
        """
        if name and (name.startswith(PROVED) or self._snapshot.view_of_client_name(name) is not None):
            client = self._named.get(address, _NOBODY).get(name)
        else:
            name = ""
            client = self.known.get(address)
        if client is not None and (client.until is FOR_EVER or client.until > self._clock()):
            return client
        return self._work_out(address, name)

    def who_asked(self, before: Client) -> Client:
        """The client that asked as `before`, as policy and subjects have it now; that itself where nothing has changed.

        Of an address that changed hands meanwhile, or whose lease is over, it is who had it when it asked: what is let
        through, and whose use of an exemption that is, go by the same person.
        """
        client = self.at(before.address, before.name)
        if client is before:
            return before
        if client.identity != before.identity:
            address, moment = parse_client(before.address), self._moment()
            asked = situation_with(self._snapshot, self.subjects, address, before.lease, moment, before.name)
            answers, _ = self._answers_for(asked)
            client = replace(client, answers=answers, lease=before.lease)
        return client.asked_as(before)

    def behind(self, proxy: Client, header: ProxyHeader) -> Client:
        """The client that a trusted proxy's header names; where it names nobody, the proxy itself, lacking a word."""
        if header.is_local:
            return proxy.itself()
        if header.client is None:
            return proxy
        client = self.at(header.client)
        return client.itself() if client.packed == proxy.packed else client

    def _work_out(self, address: str, name: str) -> Client:
        parsed = parse_client(address)
        moment = self._moment()
        situation = situation_of(self._snapshot, self.subjects, parsed, moment, name)
        answers, until = self._answers_for(situation)
        is_allowed = self._allowed.find(parsed) is not None
        tables = answers.tables if is_allowed else self._refused.tables
        account = self._accounts.client(address, situation.identity, moment.wall)
        recorded_until = FOR_EVER if account.seconds == math.inf else self._clock() + account.seconds
        words = self.proxies.words_of(parsed)
        is_unlimited = words != 0 or self._unlimited.find(parsed) is not None
        client = Client(
            address,
            name,
            parsed.packed,
            b"" if words else self.networks.of(parsed.packed),
            is_allowed,
            words,
            is_unlimited,
            answers,
            self._ready_tables(tables, words, is_unlimited=is_unlimited),
            account.cell,
            account.shown,
            account.person,
            situation.lease,
            min(until, recorded_until),
            PLENTY if is_unlimited or not self.budgets.is_limited else 0,
        )
        if len(self.known) + self._named_clients >= self._limits.clients:
            self._dropped["clients"] += len(self.known) + self._named_clients
            self.forget()
        if name:
            named = self._named.setdefault(address, {})
            self._named_clients += name not in named
            named[name] = client
        else:
            self._forget_octets(self.known.get(address))
            self.known[address] = client
        if until != FOR_EVER:
            heapq.heappush(self._changes, (until, address, name))
            if len(self._changes) > 2 * (len(self.known) + self._named_clients) + _CHANGES_LET_BE:
                self._tidy_changes()
        self._period_ends = min(self._period_ends, recorded_until)
        if self._changes or self._period_ends != FOR_EVER:
            self.next_change = self._next_change()
        return client

    def _next_change(self) -> float:
        """When somebody has to be worked out anew: of a period's end, all have to."""
        return min(self._changes[0][0], self._period_ends) if self._changes else self._period_ends

    def _ready_tables(
        self, tables: tuple[AnswerTable, ...], words: int, *, is_unlimited: bool
    ) -> tuple[dict[bytes, Prepared], ...]:
        """By transport, the answers that a client may have before its query is read."""
        if words:  # what needs a proxy's word goes through the pipeline
            return tuple({} for _ in tables)
        ready = tuple(table.entries for table in tables)
        # Where responses over UDP are rated, so does each of them.
        return ready if is_unlimited or not self._rates_responses else ({}, *ready[1:])

    def met(self, octets: bytes, address: str) -> Client | None:
        """The client at a socket address, remembered by its octets from now on; None where it is not known yet."""
        client = self.known.get(address)
        if client is not None:
            self._forget_octets(client)
            client.octets = octets
            self.by_octets[octets] = client
        return client

    def _forget_octets(self, client: Client | None) -> None:
        if client is not None and client.octets:
            self.by_octets.pop(client.octets, None)

    def _tidy_changes(self) -> None:
        """Forget the changes that came to nothing: a client that is worked out anew before its time leaves one."""
        changes = [(client.until, client.address, "") for client in self.known.values()]
        for named in self._named.values():
            changes += [(client.until, client.address, client.name) for client in named.values()]
        self._changes = [change for change in changes if change[0] != FOR_EVER]
        heapq.heapify(self._changes)

    def admits(self, client: Client) -> bool:
        """Count one more query of a client; False where it has asked too many. Counted as dropped then."""
        if self.spend(client, self._clock()):
            return True
        self._dropped[self.budgets.ended] += 1
        return False

    def spend(self, client: Client, now: float) -> bool:
        """Take one query from what a client may ask; False where there is none left. `now`: monotonic seconds."""
        left = client.left or self.refill(client, now)
        if not left:
            return False
        client.left = left - 1
        return True

    def refill(self, client: Client, now: float) -> int:
        """Let a client that has no queries left have some more, if it may; gives how many. `now`: monotonic seconds."""
        client.left = self.budgets.portion(client.address, now, client.network)
        return client.left

    def _answers_for(self, situation: Situation) -> tuple[ViewAnswers, float]:
        """The answers for a client, and until when (monotonic seconds) they are the right ones."""
        ceiling, seconds = ceiling_of(situation.seconds)
        key = (situation.view.number, ceiling)
        answers = self._answers.get(key)
        if answers is None:
            if len(self._answers) >= self._limits.views:
                self._dropped["views"] += len(self._answers)
                self._forget_answers()
            answers = self._answers[key] = ViewAnswers(situation.view, ceiling, self._budget)
        return answers, FOR_EVER if seconds == math.inf else self._clock() + seconds

    def expire(self, now: float) -> None:
        """Forget clients about whom something has changed by time."""
        if self._period_ends <= now:
            self.forget()
            return
        changes = self._changes
        while changes and changes[0][0] <= now:
            _, address, name = heapq.heappop(changes)
            client = self._named.get(address, _NOBODY).get(name) if name else self.known.get(address)
            if client is not None and client.until <= now:
                self._forget_client(address, name)
        self.next_change = self._next_change()

    def _forget_client(self, address: str, name: str) -> None:
        if not name:
            self._forget_octets(self.known.pop(address))
            return
        named = self._named[address]
        del named[name]
        self._named_clients -= 1
        if not named:
            del self._named[address]

    def _forget_address(self, address: str) -> None:
        """Forget the client at an address, by whatever names."""
        self._forget_octets(self.known.pop(address, None))
        if self._named:
            self._named_clients -= len(self._named.pop(address, _NOBODY))

    def take(self, records: Iterable[Plain]) -> None:
        """Take in changes of leases, exemptions and pauses."""
        for record in records:
            concerned = self.subjects.apply(record)
            if concerned is None:
                self.forget()
                continue
            for address in concerned:
                if address.startswith(_MANY_SPELLINGS):
                    self.forget()
                self._forget_address(address)
                if "." in address:  # as a socket for both versions shows it
                    self._forget_address(f"::ffff:{address}")

    def replace(self, subjects: Subjects) -> None:
        """Take other leases, exemptions and pauses in place of all."""
        self.subjects = subjects
        self.forget()

    def clock_was_set(self) -> None:
        """End what is over by now, for good: a clock that is set back opens nothing again."""
        self.tidy()
        self.forget()

    def tidy(self) -> None:
        """Forget subjects that are over."""
        for subject in self.subjects.over(self._moment()):
            self.subjects.drop(subject.to_plain()[0], subject.key)
