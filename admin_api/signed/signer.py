"""The control process's way to a signature: a child signs, and is gone again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

from admin_api.child_process import in_child
from admin_api.signed.files import Content, digest_of, digests_of, signed_file
from admin_api.signed.messages import SIGN_CHANNEL, SignDigest
from blocklists.feed.minisign import PublicKey
from resolver.errors import MoatdnsError

_CHILD: Final = "admin_api.signed.child"


class Signer:
    """Signs files with the key by the config (`audit.signing_key`). `trouble`: why the last one was not signed."""

    def __init__(self, configured: str | None, state_dir: Path) -> None:
        self.trouble: str | None = None
        self._configured = configured
        self._state_dir = state_dir

    async def sign(self, kind: str, content: Content) -> dict[str, Any]:
        """A signed file's JSON. Raises MoatdnsError where the key cannot be read, ValueError as canonical JSON does."""
        digests = await asyncio.to_thread(digests_of, content)
        digest = digest_of(kind, digests).hex()
        order = SignDigest(digest, self._configured, self._state_dir)
        try:
            done = await in_child(_CHILD, SIGN_CHANNEL, order, MoatdnsError, "the signer")
        except MoatdnsError as error:
            self.trouble = f"evidence and audit heads are not signed: {error}"
            raise
        self.trouble = None
        return signed_file(kind, content, digests, PublicKey.parse(done.key), done.value)
