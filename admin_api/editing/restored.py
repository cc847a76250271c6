"""Confirm what a restore suspended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from admin_api.editing.common import validated
from admin_api.editing.errors import Invalid
from admin_api.store import restored
from admin_api.store.exemptions import ExemptionRow
from admin_api.subjects.keeper import SubjectKeeper
from admin_api.subjects.rows import exemption_of
from resolver.config import fields
from resolver.config.section import Section
from resolver.snapshot.clocks import now as moment


class _Body(Section):
    tokens: fields.Texts = ()
    exemptions: fields.Texts = ()
    all: bool = Field(default=False)


async def confirm(
    keeper: SubjectKeeper, body: Mapping[str, Any], *, owner: str, actor: str, request_id: str | None = None
) -> tuple[list[str], list[ExemptionRow], int]:
    """Confirm; gives names of tokens, exemptions, and the change to wait for.

    Raises Invalid, NotFound, NothingLost, StoreAway.
    """
    wanted = validated(_Body, body)
    if wanted.all == bool(wanted.tokens or wanted.exemptions):
        raise Invalid([("/all", "name tokens or exemptions, or set all and name none")])
    names, ids = (None, None) if wanted.all else (wanted.tokens, wanted.exemptions)
    async with keeper.change(actor, request_id) as changing:
        tokens, exemptions = await restored.confirm(changing.store, names, ids, owner=owner)
        changing.put += [exemption_of(row, moment()) for row in exemptions]
    return tokens, exemptions, changing.number
