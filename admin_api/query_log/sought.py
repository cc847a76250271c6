"""Somebody who is looked for in the query log to be erased, in all forms that rows may have them in."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from admin_api.query_log.erased import digest_of
from admin_api.query_log.pseudonyms import pseudonyms_of
from resolver.errors import RuleError
from resolver.policy.proved_names import normal_identity
from resolver.telemetry.pseudonyms import What, is_pseudonym
from resolver.telemetry.query_block_lines import BlockClient


@dataclass(frozen=True, slots=True)
class Sought:
    """One who is to be erased, as rows may have them: the text that was given, and the pseudonyms of it."""

    what: What
    texts: tuple[str, ...]  # the one given, first

    def digests(self, key: bytes) -> tuple[str, ...]:
        """Each as the journal has it."""
        return tuple(digest_of(key, text, self.what) for text in self.texts)

    def is_in(self, client: BlockClient) -> bool:
        """Whether a row is theirs."""
        return (client.address if self.what == "client" else client.identity) in self.texts


def sought_for(state_dir: Path, what: What, text: str) -> Sought:
    """One who is to be erased, with the pseudonyms that they have in rows, whoever may find people by those else.

    Raises MoatdnsError where the secrets cannot be read: rows of theirs would be left.
    """
    if is_pseudonym(text):
        return Sought(what, (text,))
    written = {text: None}
    if what == "identity":
        with contextlib.suppress(RuleError):
            written[normal_identity(text)] = None  # as a certificate's
    found = frozenset[str]()
    for one in written:
        found |= pseudonyms_of(state_dir, what, one)
    return Sought(what, (*written, *sorted(found)))
