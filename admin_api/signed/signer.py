"""The control process's way to a signature: a child signs, and is gone again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

from admin_api.child_process import in_child_apart
from admin_api.signed.files import Content, digest_of, digests_of, signed_file
from admin_api.signed.messages import SIGN_CHANNEL, DigestSigned, SignDigest
from blocklists.feed.minisign import PublicKey
from resolver.errors import MoatdnsError

_CHILD: Final = "admin_api.signed.child"


class Signer:
    """Signs files with the key by the config (`audit.signing_key`).

    `failure` is why the last one was not signed, `warning` what is odd about the key (audit/signing_key.py).

    `makes_key` says whether our own key is made where there is none: not any more once one is known, since another
    would be trusted by nobody.
    """

    def __init__(self, configured: str | None, state_dir: Path) -> None:
        self.failure: str | None = None
        self.warning: str | None = None
        self.makes_key = True
        self.configured = configured
        self.state_dir = state_dir

    @property
    def trouble(self) -> str | None:
        """Why evidence is not signed, or by which key; None where all is well."""
        return self.failure or self.warning

    def tell(self, why: str | None) -> None:
        """Note why something was not signed; None: it was."""
        self.failure = None if why is None else f"evidence and audit heads are not signed: {why}"

    async def sign(self, kind: str, content: Content) -> dict[str, Any]:
        """A signed file's JSON. Raises MoatdnsError where the key cannot be read, ValueError as canonical JSON does."""
        digests = await asyncio.to_thread(digests_of, content)
        done = await self._signed(digest_of(kind, digests))
        return signed_file(kind, content, digests, PublicKey.parse(done.key), done.value)

    async def make_key(self) -> None:
        """Make our own key, where there is none. Raises MoatdnsError."""
        await self._signed(bytes(32), makes_key=True)

    async def _signed(self, digest: bytes, *, makes_key: bool | None = None) -> DigestSigned:
        makes_key = self.makes_key if makes_key is None else makes_key
        order = SignDigest(digest.hex(), self.configured, self.state_dir, makes_key)
        try:
            done = await in_child_apart(_CHILD, SIGN_CHANNEL, order, MoatdnsError, "the signer")
        except MoatdnsError as error:
            self.tell(str(error))
            raise
        self.tell(None)
        return done
