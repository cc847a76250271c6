"""Sends mails to the configured server: encrypted, with a verified name, within bounds of time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Final

import aiosmtplib
from aiosmtplib.response import SMTPResponse

from admin_api.outbox.receivers import Delivery
from resolver.config.fields import secret
from resolver.config.settings import MailSettings
from resolver.errors import MoatdnsError, RuleError
from resolver.system.safe_text import visible

TRY_SECONDS: Final = 30.0
"""Time for a connection with its login, and again for each mail."""

_PERMANENT = range(500, 600)
_MOST_SAID = 200  # characters of a server's words


class MailNotSent(MoatdnsError):
    """The server cannot be reached, or refuses the connection or the login; fit to show."""


@asynccontextmanager
async def connected(settings: MailSettings) -> AsyncIterator[aiosmtplib.SMTP]:
    """A connection to the server, logged in where there is a user. Raises MailNotSent."""
    client = aiosmtplib.SMTP(
        hostname=settings.host,
        port=settings.port,
        use_tls=settings.is_tls,
        start_tls=settings.starttls
        and not settings.is_tls,  # never if it likes: then nobody would notice that it fails
        tls_context=_context(settings),
        timeout=TRY_SECONDS,
    )
    try:
        async with asyncio.timeout(TRY_SECONDS):
            await client.connect()
            if settings.user is not None:
                await client.login(settings.user, secret(settings.password or ""))
    except Exception as error:  # whatever it is, the next try is made
        client.close()
        raise MailNotSent(why_not(error)) from error
    try:
        yield client
    finally:
        try:
            async with asyncio.timeout(1):
                await client.quit()
        except Exception:  # the mails are sent, or not, however it says goodbye
            client.close()


async def sent(
    client: aiosmtplib.SMTP, message: EmailMessage, sender: str, to: list[str]
) -> tuple[Delivery, list[str]]:
    """Send one mail; gives what came of it, and who has it.

    Where the server refuses some recipients, the others have it: those that are refused for now are to be tried again,
    and of those that are refused for good it is told who they are.
    """
    try:
        async with asyncio.timeout(TRY_SECONDS):
            refused, _ = await client.send_message(message, sender=sender, recipients=to)
    except aiosmtplib.SMTPRecipientsRefused as error:
        refused = {one.recipient: SMTPResponse(one.code, one.message) for one in error.recipients}
    except aiosmtplib.SMTPResponseException as error:
        return Delivery(why_not(error), for_good=error.code in _PERMANENT), []
    except Exception as error:  # likewise
        return Delivery(why_not(error)), []
    have_it = [one for one in to if one not in refused]
    if not refused:
        return Delivery(), have_it
    why = "; ".join(f"{one}: {_answered(response.code, response.message)}" for one, response in refused.items())
    if any(response.code not in _PERMANENT for response in refused.values()):
        return Delivery(why), have_it
    return (Delivery(partly=why) if have_it else Delivery(why, for_good=True)), have_it


def _context(settings: MailSettings) -> ssl.SSLContext | None:
    """The TLS of a client that verifies chain and name; None where nothing is encrypted. Raises MailNotSent."""
    if not (settings.is_tls or settings.starttls):
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except ssl.SSLError as error:
        raise MailNotSent(f"mail.ca_file: {settings.ca_file} contains no certificates in PEM form") from error
    except OSError as error:
        raise MailNotSent(f"mail.ca_file: {settings.ca_file} cannot be read: {error.strerror or error}") from error


def why_not(error: BaseException) -> str:
    """Return why a mail was not sent, fit to show: the server's words are bounded, and no secret is in them."""
    if isinstance(error, RuleError):
        return f"mail.password: {error}"
    if (why := _tls_error(error)) is not None:
        return why
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return f"the server refuses the login ({error.code})"  # its words may hold what was sent
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _answered(error.code, error.message)
    if isinstance(error, TimeoutError):  # aiosmtplib's is one, too
        return f"it took longer than {TRY_SECONDS:g} s"
    if isinstance(error, aiosmtplib.SMTPConnectError | OSError):
        return "the server cannot be reached"
    if type(error) is aiosmtplib.SMTPException:  # what the client itself finds wanting, before it sends anything
        return "the server offers no STARTTLS, or no way to log in"
    if isinstance(error, aiosmtplib.SMTPException | EOFError):
        return "the connection to the server broke off"
    return f"an unexpected error: {type(error).__name__}"  # ours, or the library's: nobody should look at the server


def _answered(code: int, said: str) -> str:
    return f"the server answered {code} {visible(' '.join(said.split()))[:_MOST_SAID]}".rstrip()


def _tls_error(error: BaseException | None) -> str | None:
    """Return what is wrong with the server's certificate or TLS, where that lies under an error."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"the server's certificate is not valid: {error.verify_message}"
        if isinstance(error, ssl.SSLError):
            return "the server speaks no TLS that can be used"
        error = error.__cause__ or error.__context__
    return None
