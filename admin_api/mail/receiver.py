"""The receiver of the outbox that writes mails: a bounded number in an hour, and what is beyond as a digest."""

from __future__ import annotations

import json
import socket
import time
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from admin_api.mail.budget import HourlyBudget
from admin_api.mail.recipients import EVENTS, SUMMARY, recipients_of
from admin_api.mail.texts import MailText, Sender, digest_of, text_of
from admin_api.outbox.receivers import URGENT, Delivery
from admin_api.store.webhooks import MessageRow
from resolver.config.settings import MailSettings

if TYPE_CHECKING:
    import aiosmtplib

KEY: Final = "mail"
"""Key of its messages in the store."""

_LONGEST_PAUSE_SECONDS = 30.0
_AT_ONCE = 200  # messages: a digest has them all
_MOST_REMEMBERED = 1000  # messages that some have, and others shall have yet


@dataclass(frozen=True, slots=True)
class _Event:
    row: MessageRow
    what: str
    at: datetime
    data: dict[str, Any]


class MailReceiver:
    """Mails to those who look after the node, and to persons whose address is known."""

    key = kind = KEY
    at_once = _AT_ONCE

    def __init__(self, settings: MailSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.budget = HourlyBudget(settings.most_per_hour, clock)
        self.digests = 0
        self.unaddressed = 0  # events for persons whose address is not known
        # Who has a message already, by its id, while others are to have it: nobody gets it at each try.
        self._had: OrderedDict[str, set[str]] = OrderedDict()
        self._sender = Sender(socket.gethostname() or "this node", settings.url)

    @property
    def shown(self) -> str:
        """The server, without the login."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"{'smtps' if self.settings.is_tls else 'smtp'}://{host}:{self.settings.port}"

    def wants(self, event: str) -> bool:
        """Whether it is mailed."""
        return event in EVENTS and (event != SUMMARY or self.settings.weekly)

    def own_counts(self) -> dict[tuple[str, str], int]:
        """For Prometheus, beside what is delivered and failed."""
        return {("mail", "digests"): self.digests, ("mail", "unaddressed"): self.unaddressed}

    def pause_seconds(self, *, is_urgent: bool) -> float:
        """For how long no mail may be sent, at most half a minute at once."""
        return min(self.budget.seconds_until_free(is_urgent=is_urgent), _LONGEST_PAUSE_SECONDS)

    async def deliver(self, rows: Sequence[MessageRow]) -> AsyncIterator[tuple[MessageRow, Delivery]]:
        """Send what there is room for in this hour; what is not, waits for the next digest."""
        by_recipients: defaultdict[tuple[str, ...], list[_Event]] = defaultdict(list)
        for event in map(_read, rows):
            had = self._had.get(event.row.message_id, ())
            to = recipients_of(event.what, event.data, self.settings.to, self.settings.domains)
            if to := [one for one in to if one not in had]:
                by_recipients[tuple(to)].append(event)
            else:
                self.unaddressed += 1
                yield event.row, Delivery(is_skipped=True)
        # A lane has only what is urgent, or nothing of it.
        is_urgent = any(event.what in URGENT for events in by_recipients.values() for event in events)
        if not by_recipients or self.budget.free_for(is_urgent=is_urgent) <= 0:
            return
        from admin_api.mail.sending import MailNotSent, connected  # noqa: PLC0415 (2 MiB, for a mail now and then)

        tried: set[int] = set()
        try:
            async with connected(self.settings) as client:
                async for event, outcome in self._send(client, by_recipients, is_urgent=is_urgent):
                    tried.add(event.row.id)
                    yield event.row, outcome
        except MailNotSent as error:
            for events in by_recipients.values():
                for event in events:
                    if event.row.id not in tried:
                        yield event.row, Delivery(str(error))

    async def _send(
        self, client: aiosmtplib.SMTP, by_recipients: dict[tuple[str, ...], list[_Event]], *, is_urgent: bool
    ) -> AsyncIterator[tuple[_Event, Delivery]]:
        for to, events in by_recipients.items():
            if (free := self.budget.free_for(is_urgent=is_urgent)) <= 0:
                return
            are_single = len(events) == 1 or len(events) < free
            for some in [[event] for event in events] if are_single else [events]:
                self.budget.take(is_urgent=is_urgent)  # before: the other lane may send one meanwhile
                outcome, have_it = await self._send_one(client, to, some)
                if not have_it:
                    self.budget.give_back(is_urgent=is_urgent)
                for event in some:
                    yield event, self._with_those_before(event.row.message_id, outcome, have_it)

    def _with_those_before(self, message_id: str, outcome: Delivery, have_it: Collection[str]) -> Delivery:
        """The outcome of a message by now. Who has it is noted as long as others are to have it at the next try."""
        had = self._had.pop(message_id, set()) | set(have_it)
        if not had or outcome.why is None:
            return outcome
        if outcome.for_good:
            return Delivery(partly=outcome.why)
        self._had[message_id] = had
        if len(self._had) > _MOST_REMEMBERED:
            self._had.popitem(last=False)
        return outcome

    async def _send_one(
        self, client: aiosmtplib.SMTP, to: tuple[str, ...], events: list[_Event]
    ) -> tuple[Delivery, Collection[str]]:
        """Send one mail about one event, or a digest of several; gives what came of it, and who has it."""
        from admin_api.mail.message import message_of  # noqa: PLC0415 (likewise)
        from admin_api.mail.sending import sent  # noqa: PLC0415

        first = events[0]
        number = first.row.message_id if len(events) == 1 else f"{first.row.message_id}.{len(events)}"
        message = message_of(self._text(events), sender=self.settings.sender, to=to, message_id=number, at=first.at)
        outcome, have_it = await sent(client, message, self.settings.sender, list(to))
        self.digests += bool(have_it) and len(events) > 1
        return outcome, have_it

    def _text(self, events: list[_Event]) -> MailText:
        if len(events) == 1:
            return text_of(events[0].what, events[0].data, self._sender)
        return digest_of([(event.what, event.at, event.data) for event in events], self._sender)


def _read(row: MessageRow) -> _Event:
    body = json.loads(row.body)
    data = body["data"]
    return _Event(row, body["type"], datetime.fromisoformat(body["timestamp"]), data if isinstance(data, dict) else {})
