"""Host names beside clients' addresses in replies, for callers who may see persons there."""

from __future__ import annotations

from collections.abc import Iterable

from admin_api.api.http.call import Call
from admin_api.api.people import PERSONS


async def host_names(call: Call, operation: str, clients: Iterable[str | None]) -> dict[str, str]:
    """The host names of those clients that are addresses, by address; none for a caller who may not see the clients.

    `operation` is one of PERSONS. For no other caller is anybody asked.
    """
    return await call.context.host_names.of(clients) if PERSONS[operation].shown_to(call.roles) else {}
