"""Mails as messages (RFC 5322), by the standard library's API, which refuses line breaks in headers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from admin_api.mail.texts import MailText

_NAME = "moatdns"


def message_of(text: MailText, *, sender: str, to: Sequence[str], message_id: str, at: datetime) -> EmailMessage:
    """One mail; `message_id` is the same at each try, so that a mail that comes twice is known as one."""
    local, _, domain = sender.rpartition("@")
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(_NAME, local, domain)
    message["To"] = [_address(one) for one in to]
    message["Subject"] = text.subject
    message["Date"] = at.astimezone(UTC)
    message["Message-ID"] = f"<{message_id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation replies to it
    message.set_content(text.body, cte="quoted-printable" if not text.body.isascii() else "7bit")
    return message


def _address(text: str) -> Address:
    local, _, domain = text.rpartition("@")
    return Address("", local, domain)
