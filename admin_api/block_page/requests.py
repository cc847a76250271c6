"""Requests for exemptions: filed as pending, whatever the policy says of approval, and looked up again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from admin_api.block_page.bounds import Bounds
from admin_api.block_page.findings import NameFinding
from admin_api.block_page.form import Form
from admin_api.editing import exemptions as editing
from admin_api.editing.exemption_checks import Terms
from admin_api.editing.exemptions import UNVERIFIED, Who
from admin_api.persons import BLOCK_PAGE, NOT_VERIFIED
from admin_api.store import exemptions
from admin_api.store.access import StoreAccess
from admin_api.store.exemptions import ExemptionRow
from admin_api.subjects.keeper import SubjectKeeper
from resolver.config.references import KnownReferences
from resolver.config.settings import BlockPageSettings
from resolver.errors import MoatdnsError
from resolver.telemetry.log import Log

ACTOR = BLOCK_PAGE


class TooManyRequests(MoatdnsError):
    """A bound on what waits is reached; the text is for the visitor."""


class Requests:
    """Requests for exemptions that clients make."""

    def __init__(
        self,
        access: StoreAccess,
        subjects: SubjectKeeper,
        known: Callable[[], KnownReferences],
        terms: Terms,
        settings: BlockPageSettings,
        bounds: Bounds,
        log: Log,
    ) -> None:
        self._access = access
        self._subjects = subjects
        self._known = known
        self._terms = terms
        self._settings = settings
        self._bounds = bounds
        self._log = log

    @property
    def longest_seconds(self) -> int:
        """The longest that may be asked for."""
        return self._terms.longest_seconds

    async def state_of(self, client: str, scope: str) -> ExemptionRow | None:
        """The client's request that was not granted (yet): pending, or denied not long ago. Raises StoreAway."""
        async with self._access.store.read() as connection:
            rows = await exemptions.undone(connection, ACTOR, client, datetime.now(UTC))
        return next((row for row in rows if row.scope == (scope,)), None)

    async def file(self, finding: NameFinding, scope: str, form: Form, request_id: str) -> None:
        """File a request; one that waits already is not filed again.

        Raises TooManyRequests, Invalid, TooMany, StoreAway.
        """
        if not self._bounds.may_ask(finding.client):
            raise TooManyRequests("Many requests are coming in right now. Wait a minute, and send yours again.")

        filed = True

        def admit(
            waiting: Sequence[ExemptionRow], kind: str, who: tuple[str, ...], scope: tuple[str, ...]
        ) -> ExemptionRow | None:
            nonlocal filed
            same = next((row for row in waiting if (row.kind, row.who, row.scope) == (kind, who, scope)), None)
            filed = same is None
            if filed:
                self._check_room(waiting, finding.client)
            return same

        body = {
            "subject": {"client": finding.client},
            "scope": [scope],
            "owner": f"{form.who}{NOT_VERIFIED}",
            "reason": f"{form.reason} (asked on the block page, for {finding.name})",
            "duration_seconds": form.seconds,
        }
        who = Who(ACTOR, UNVERIFIED, request_id)
        row, _ = await editing.grant(self._subjects, body, known=self._known(), terms=self._terms, who=who, admit=admit)
        self._bounds.events["filed" if filed else "asked_again"] += 1
        if filed:
            self._log.info("an exemption is asked for on the block page", id=row.id, client=finding.client, scope=scope)

    def _check_room(self, waiting: Sequence[ExemptionRow], client: str) -> None:
        """Raise TooManyRequests."""
        settings, networks = self._settings, self._bounds.networks
        clients = [row.who[0] for row in waiting if row.kind == "client"]
        own = clients.count(client)
        if own >= settings.most_pending_per_client:
            self._bounds.bite("most_pending_per_client", client)
            raise TooManyRequests(f"{own} requests from your device are pending. Wait until somebody decides on them.")
        if network := networks.of_text(client):
            others = sum(networks.of_text(other) == network for other in clients)
            if others >= networks.bound(settings.most_pending_per_client, settings.most_pending):
                self._bounds.bite("most_pending_per_network", client)
                raise TooManyRequests(f"{others} requests from your network are pending. Try again another day.")
        if len(waiting) >= self._settings.most_pending:
            self._bounds.bite("most_pending", client)
            raise TooManyRequests("Too many requests are pending. Try again another day.")
