"""The receiver of the outbox that writes mails: a bounded number in an hour, and what is beyond as a digest."""

from __future__ import annotations

import json
import socket
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from admin_api.mail.recipients import EVENTS, SUMMARY, recipients_of
from admin_api.mail.texts import MailText, Sender, digest_of, text_of
from admin_api.outbox.receivers import Delivery
from admin_api.store.webhooks import MessageRow
from resolver.config.settings import MailSettings

if TYPE_CHECKING:
    import aiosmtplib

KEY: Final = "mail"
"""Key of its messages in the store."""

HOUR_SECONDS: Final = 3600.0
_LONGEST_PAUSE_SECONDS = 30.0
_AT_ONCE = 200  # messages: a digest has them all


class HourlyBudget:
    """How many mails may still be sent: so many within an hour."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._sent: deque[float] = deque()

    @property
    def free(self) -> int:
        """Mails that may be sent now."""
        while self._sent and self._clock() - self._sent[0] >= HOUR_SECONDS:
            self._sent.popleft()
        return self._most - len(self._sent)

    def take(self) -> None:
        """Count one that was sent."""
        self._sent.append(self._clock())

    def seconds_until_free(self) -> float:
        """For how long none may be sent."""
        return 0.0 if self.free > 0 else max(0.0, HOUR_SECONDS - (self._clock() - self._sent[0]))


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

    def pause_seconds(self) -> float:
        """For how long no mail may be sent, at most half a minute at once."""
        return min(self.budget.seconds_until_free(), _LONGEST_PAUSE_SECONDS)

    async def deliver(self, rows: Sequence[MessageRow]) -> AsyncIterator[tuple[MessageRow, Delivery]]:
        """Send what there is room for in this hour; what is not, waits for the next digest."""
        by_recipients: defaultdict[tuple[str, ...], list[_Event]] = defaultdict(list)
        for event in map(_read, rows):
            to = recipients_of(event.what, event.data, self.settings.to, self.settings.domains)
            if to:
                by_recipients[tuple(to)].append(event)
            else:
                self.unaddressed += 1
                yield event.row, Delivery(is_skipped=True)
        if not by_recipients or self.budget.free <= 0:
            return
        from admin_api.mail.sending import MailNotSent, connected  # noqa: PLC0415 (2 MiB, for a mail now and then)

        tried: set[int] = set()
        try:
            async with connected(self.settings) as client:
                async for event, outcome in self._send(client, by_recipients):
                    tried.add(event.row.id)
                    yield event.row, outcome
        except MailNotSent as error:
            for events in by_recipients.values():
                for event in events:
                    if event.row.id not in tried:
                        yield event.row, Delivery(str(error))

    async def _send(
        self, client: aiosmtplib.SMTP, by_recipients: dict[tuple[str, ...], list[_Event]]
    ) -> AsyncIterator[tuple[_Event, Delivery]]:
        for to, events in by_recipients.items():
            if (free := self.budget.free) <= 0:
                return
            are_single = len(events) == 1 or len(events) < free
            for some in [[event] for event in events] if are_single else [events]:
                outcome = await self._send_one(client, to, some)
                for event in some:
                    yield event, outcome

    async def _send_one(self, client: aiosmtplib.SMTP, to: tuple[str, ...], events: list[_Event]) -> Delivery:
        """Send one mail about one event, or a digest of several."""
        from admin_api.mail.message import message_of  # noqa: PLC0415 (likewise)
        from admin_api.mail.sending import sent  # noqa: PLC0415

        first = events[0]
        number = first.row.message_id if len(events) == 1 else f"{first.row.message_id}.{len(events)}"
        message = message_of(self._text(events), sender=self.settings.sender, to=to, message_id=number, at=first.at)
        outcome = await sent(client, message, self.settings.sender, list(to))
        if outcome.why is None:
            self.budget.take()
            self.digests += len(events) > 1
        return outcome

    def _text(self, events: list[_Event]) -> MailText:
        if len(events) == 1:
            return text_of(events[0].what, events[0].data, self._sender)
        return digest_of([(event.what, event.at, event.data) for event in events], self._sender)


def _read(row: MessageRow) -> _Event:
    body = json.loads(row.body)
    data = body["data"]
    return _Event(row, body["type"], datetime.fromisoformat(body["timestamp"]), data if isinstance(data, dict) else {})
