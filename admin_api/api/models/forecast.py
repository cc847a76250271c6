"""Models of the roll-out: who would be hit if what groups watch were enforced, and how far each group is."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import Items, Looking, Told, Window, WindowReply
from resolver.config.settings import Clients

RollOutState = Literal["not begun", "watching", "forecast ready", "watch is over", "enforced", "exempt"]


class ForecastQuery(Window, Looking):
    """A time, and one group or all."""

    group: str | None = Field(None, min_length=1, max_length=63, description="Default: every group.")


class ForecastClients(Told):
    """Clients that would have met a block, of those seen. All null where the query log tells no clients."""

    hit: int | None
    seen: int | None = Field(description="Clients that asked for anything.")
    seen_in: Literal["group", "node"] = Field(
        description="Where they were seen: in the group if the log has all queries, else on the whole node."
    )
    share: float | None = Field(description="`hit` / `seen`, at most 1.")


class ForecastService(Told):
    """A service, or a list of your own for names without one."""

    service: str | None
    list: str | None
    queries: int
    clients: int | None
    regular_clients: int | None = Field(description="Clients that asked on three different days or more.")


class ForecastName(Told):
    """A name that would have been blocked."""

    name: str
    service: str | None
    list: str | None
    queries: int
    clients: int | None


class ForecastTop(Told):
    """A client with most such queries: an identity, an address or a network, as the query log has it."""

    client: str
    queries: int
    services: int


class ForecastRequest(Told):
    """An exemption that will probably be asked for: its scope, and for how many."""

    scope: str
    clients: int
    queries: int


class ForecastGroup(Told):
    """Changes that enforcing would make in a group."""

    group: str
    queries: int = Field(description="That would have been blocked.")
    blocked: int = Field(description="That were blocked.")
    exempted: int
    clients: ForecastClients
    services: list[ForecastService]
    names: list[ForecastName]
    names_left_out: int
    top_clients: list[ForecastTop] = Field(description="Which they are is told with a reason.")
    requests: list[ForecastRequest]


class Forecast(WindowReply):
    """Clients and names that would be hit, by the query log of a time and the policy of then."""

    log_since: str | None = Field(description="First day of the query log within that time; null where it has none.")
    clients_are: Clients = Field(description="query_log.clients")
    groups: list[ForecastGroup]
    cannot_show: list[str] = Field(description="Finished sentences.")


class RollOutGroup(Told):
    """How far a group is. `since`: when that state began, as far as is known; a watch when what it watches changed."""

    name: str
    origin: str
    version: int = Field(description="Version of the group, for If-Match.")
    state: RollOutState
    since: AwareDatetime | None
    until: AwareDatetime | None = Field(description="When its watch of single names ends (`monitor_until`).")
    watches: list[str] = Field(description="Names that are watched beside `mode`.")
    monitored: int = Field(description="Queries that would have been blocked, in the last `watch_days` days.")
    blocked: int = Field(description="Queries that were blocked in the last `watch_days` days.")
    waits: str | None = Field(description="Change request of this group that waits for another owner; the newest.")
    notes: list[str]


class RollOut(Items[RollOutGroup]):
    """All groups."""

    watch_days: int = Field(description="Days after which a forecast is ready.")
