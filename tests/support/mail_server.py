"""A real mail server on loopback, with TLS as it is told, and what it took."""

from __future__ import annotations

import ssl
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from tests.support.programs import free_port

LOGIN = ("moat", "a long secret")


class MailServer:
    """Takes mails while the context lasts; `replies` are given to the next ones instead of taking them.

    Recipients in `refuses` get what stands there.
    """

    def __init__(
        self, folder: Path, *, name: str = "localhost", tls: str = "starttls", needs_login: bool = False
    ) -> None:
        """`tls` is starttls, smtps or none; `name` is whom its certificate is for."""
        folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        self.ca_file = folder / "mail-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(context)
        self.port = free_port()
        self.took: list[Envelope] = []
        self.replies: list[str] = []
        self.refuses: dict[str, str] = {}
        self._tls = tls
        settings: dict[str, Any] = {"hostname": "localhost", "port": self.port, "server_hostname": "mail.test"}
        if tls == "starttls":
            settings |= {"tls_context": context, "require_starttls": True}
        elif tls == "smtps":
            settings |= {"ssl_context": context}
        if needs_login:
            settings |= {"authenticator": _is_known, "auth_required": True, "auth_require_tls": tls == "starttls"}
        self._settings = settings
        self._controller: Controller | None = None

    def __enter__(self) -> MailServer:
        self._controller = Controller(self, **self._settings)
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._controller is not None
        self._controller.stop()

    @property
    def section(self) -> dict[str, Any]:
        """The section `mail` of a config that uses it."""
        scheme = "smtps" if self._tls == "smtps" else "smtp"
        section = {
            "server": f"{scheme}://localhost:{self.port}",
            "from": "moatdns@corp.example",
            "to": ["dns@corp.example"],
        }
        tls = {} if self._tls == "none" else {"ca_file": str(self.ca_file)}
        return {**section, **tls, **({"starttls": True} if self._tls == "starttls" else {})}

    @property
    def mails(self) -> list[EmailMessage]:
        """Mails that it took."""
        return [message_from_bytes(one.content, policy=default) for one in self.took]  # type: ignore[arg-type,misc]

    async def handle_RCPT(
        self, _server: SMTP, _session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take a recipient, or refuse it as told."""
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:
        """Take a mail, or reply as told."""
        if self.replies:
            return self.replies.pop(0)
        self.took.append(envelope)
        return "250 taken"


def _is_known(_server: SMTP, _session: Any, _envelope: Envelope, _mechanism: str, login: Any) -> AuthResult:
    known = isinstance(login, LoginPassword) and (login.login.decode(), login.password.decode()) == LOGIN
    return AuthResult(success=known, handled=False)
