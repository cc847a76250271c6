"""The desk where reports of evidence are asked for: one is made at a time, in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from admin_api.child_process import in_child_apart
from admin_api.editing.refusals import BadRequest
from admin_api.evidence.messages import EVIDENCE_CHANNEL, EvidenceMade, EvidenceNotSigned, EvidenceRefused, MakeEvidence
from admin_api.policy_file.plans import Plans
from admin_api.signed.signer import Signer
from resolver.errors import MoatdnsError

_WAIT_SECONDS: Final = 4.0  # for another's report
_CHILD: Final = "admin_api.evidence.child"
_LATER: Final = "5"  # seconds


class EvidenceDesk:
    """All reports go through here. A report counts as a plan; `refused` counts those that came beside another one."""

    def __init__(self, plans: Plans, signing: Signer) -> None:
        self.refused = 0
        self.signing = signing
        self._plans = plans
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """The one who may make a report, within the time of a plan. Raises BadRequest (503)."""
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._lock.acquire()
        except TimeoutError:
            self.refused += 1
            raise BadRequest(
                503, "another report of evidence is being made: ask again soon", Retry_After=_LATER
            ) from None
        try:
            async with self._plans.turn():
                yield
        finally:
            self._lock.release()

    async def make(self, order: MakeEvidence) -> dict[str, Any]:
        """The signed file's JSON; to be called within a turn. Raises BadRequest."""
        try:
            outcome = await self._outcome(order)
        except MoatdnsError as error:
            raise BadRequest(503, str(error), Retry_After=_LATER) from None
        match outcome:
            case EvidenceNotSigned(why):
                self.signing.tell(why)
                raise BadRequest(503, why)
            case EvidenceRefused(status, detail, errors):
                later = {"Retry_After": _LATER} if status == 503 else {}
                raise BadRequest(status, detail, list(errors), **later)
            case EvidenceMade(whole):
                self.signing.tell(None)
                return dict(whole)

    async def _outcome(self, order: MakeEvidence) -> EvidenceMade | EvidenceNotSigned | EvidenceRefused:
        return await in_child_apart(_CHILD, EVIDENCE_CHANNEL, order, MoatdnsError, "the report")
