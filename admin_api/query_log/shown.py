"""People and addresses as log, statistics and log sinks still tell of them: no more than the config records now.

Where less is recorded from some day on, what was recorded until then is not shown either. It is there until its time
is over, or somebody erases it, and is shown again where the config says so again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from resolver.telemetry.pseudonyms import is_address, is_pseudonym
from resolver.telemetry.query_block_lines import BlockClient
from resolver.telemetry.recording import network_of

_PSEUDONYM: Final = "~" + "_" * 16  # of LIKE
_NETWORK: Final = "%/%"

Aliases = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Shown:
    """By `query_log.clients` and `query_log.identities`, as the config has them."""

    clients: str = "full"
    identities: str = "full"

    def address(self, recorded: str) -> str:
        """An address, network or pseudonym of the log as it is shown; "" where it is not."""
        match self.clients:
            case "full":
                return recorded
            case "network" if is_address(recorded):
                return network_of(recorded)
            case "network":
                return "" if is_pseudonym(recorded) else recorded
            case "pseudonym":
                return "" if is_address(recorded) else recorded
        return ""

    def identity(self, recorded: str | None) -> str | None:
        """An identity or pseudonym of the log as it is shown; None where it is not."""
        if self.identities == "full" or recorded is None:
            return recorded
        return recorded if self.identities == "pseudonym" and is_pseudonym(recorded) else None

    def client(self, recorded: BlockClient) -> BlockClient:
        """Both."""
        return BlockClient(self.address(recorded.address), self.identity(recorded.identity))

    def is_shown(self, what: str, recorded: str) -> bool:
        """Whether a client or an identity, as `what` says, is shown as it was recorded."""
        if what == "client":
            return recorded != "" and self.address(recorded) == recorded
        return self.identity(recorded) == recorded

    def shows(self, somebody: str) -> bool:
        """Whether one who is counted by identity where that is known, else by address, is shown."""
        if is_pseudonym(somebody):
            return self.is_shown("client", somebody) or self.is_shown("identity", somebody)
        is_place = is_address(somebody.partition("/")[0])
        return self.is_shown("client" if is_place else "identity", somebody)

    def sought(self, filters: Mapping[str, str], aliases: Aliases) -> tuple[Mapping[str, str], Aliases] | None:
        """Filters of a search that look for nobody who is not shown; None where nobody is left to be looked for."""
        found, others = dict(filters), dict(aliases)
        for what in ("client", "identity"):
            if what not in filters:
                continue
            texts = [filters[what], *sorted(aliases.get(what, ()))]
            shown = [text for text in texts if self.is_shown(what, text)]
            if not shown:
                return None
            found[what], others[what] = shown[0], frozenset(shown[1:])
        return found, others

    def like(self, what: str) -> str | None:
        """A pattern of LIKE that all clients or identities have that are shown; "" for nobody, None for all."""
        how = self.clients if what == "client" else self.identities
        return {"full": None, "network": _NETWORK, "pseudonym": _PSEUDONYM}.get(how, "")
