"""The control process's composition root: store, compile rounds, statistics, query log and the admin API.

Run by the supervisor as ``python -m admin_api.control FD``. DNS does not depend on it: when it ends, the workers go on
with the policy that they have, their counts stay in their files, and their query events wait in the socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from admin_api.api.context import Address, AdminSettings, ChangeTerms, Context, Serves
from admin_api.api.gauges import Gauges
from admin_api.api.http.auth import may
from admin_api.api.serving import ApiServer
from admin_api.audit.head import HeadKeeper
from admin_api.audit.syslog import AuditSyslog
from admin_api.block_page.making import make_block_page
from admin_api.block_page.serving import BlockPageServer
from admin_api.channel import SupervisorChannel
from admin_api.compiling.keeper import Keeper
from admin_api.config_policy import ConfigPolicy
from admin_api.config_told import ConfigTold
from admin_api.editing.exemption_form import Terms
from admin_api.editing.leases import LeaseTerms
from admin_api.messages import (
    Begin,
    NoteReading,
    NoteTroubles,
    Recompile,
    StopControl,
    StoreState,
    StoreTold,
    UseConfigPolicy,
)
from admin_api.pages.site import add_pages
from admin_api.persons import normal_form
from admin_api.policy_file.plans import Plans
from admin_api.query_log.reader import QueryLogReader
from admin_api.query_log.writer import QueryLogWriter
from admin_api.statistics.service import StatisticsService
from admin_api.store.access import StoreAccess
from admin_api.store.errors import StoreAway, StoreHeld
from admin_api.store.owner import Owner, holder_of
from admin_api.store.tokens import all_tokens, ensure_first_token
from admin_api.subjects.closing import close_what_opens
from admin_api.subjects.keeper import SubjectKeeper
from admin_api.subscriptions.service import Subscriptions
from admin_api.upstream_watch import UpstreamWatch
from admin_api.webhooks.delivery import Deliveries
from admin_api.webhooks.hooks import Outbox
from admin_api.webhooks.watching import Watcher
from blocklists.versions import load_kept
from resolver.answering.explaining import access_of
from resolver.config.settings import PROXY, ControlSettings, WorkerSettings
from resolver.errors import ChannelError, MoatdnsError
from resolver.listeners.sockets import Listen
from resolver.system.child_process import ignore_signals
from resolver.telemetry.log import Log, make_log
from resolver.worker.messages import RenewCertificate

_CERTIFICATE_SECONDS = 2.0  # between looks for one that is not there yet
FOUR_EYES = "four-eyes"
_SETTLING_SECONDS = 3.0  # for the store to be opened; then calls are answered in any case


class Control:
    """All that the control process does, put together."""

    def __init__(self, first: Begin, channel: SupervisorChannel, log: Log) -> None:
        settings = first.settings
        self._first = first
        self._channel = channel
        self._log = log
        self._state_dir = Path(settings.state_dir)
        self._settings = settings
        catalogue = load_kept(Path(settings.catalogue) if settings.catalogue else None)
        supervisor = os.getppid()
        owner = Owner(holder_of(supervisor, first.began), supervisor, lambda: self._tell_store(StoreState.WAITS))
        self._access = StoreAccess(settings.store_url, self._state_dir, log, owner, self._hear_of_store)
        self._closing: asyncio.Task[None] | None = None
        self._ends_for_good = False  # or another process of this run goes on
        self._heads = HeadKeeper(self._access, self._state_dir, log)
        self._keeper = Keeper(
            self._access,
            self._state_dir,
            catalogue,
            channel.publish,
            log,
            url=settings.store_url,
            catalogue_folder=settings.catalogue,
        )
        self._plans = Plans(
            settings.store_url,
            self._state_dir,
            settings.catalogue,
            at_once=settings.plans_at_once,
            seconds=settings.plan_seconds,
        )
        self._outbox = Outbox(settings.webhooks)
        self._deliveries = Deliveries(self._access, self._outbox, log)
        self._upstreams = UpstreamWatch(channel, self._access, self._outbox, log)
        self._watcher = Watcher(self._access, self._outbox, self._troubles)
        self._subjects = SubjectKeeper(
            self._access,
            self._state_dir,
            channel.use_subjects,
            log,
            history_days=settings.lease_history_days,
            outbox=self._outbox,
        )
        self._config_policy = ConfigPolicy(self._access, self._keeper, channel, log)
        self._config_told = ConfigTold(self._access, log)
        self._serving: ApiServer | None = None
        self._block_page: BlockPageServer | None = None
        self._gauges = Gauges(
            self._access,
            self._state_dir,
            self._keeper,
            self._subjects,
            self._heads,
            channel,
            self._open_connections,
        )
        self._subscriptions = Subscriptions(
            self._access,
            self._keeper,
            self._state_dir,
            log,
            max_mib=settings.fetch_max_mib,
            timeout_seconds=settings.fetch_timeout_seconds,
        )
        self._statistics = StatisticsService(self._access, settings, log, self._all_gauges, own_counts=self._own_counts)
        events = socket.socket(fileno=first.sockets.events)
        self._query_log = QueryLogWriter(events, settings, log) if settings.query_log else None
        worker_settings = first.worker_settings
        if settings.block_page.listen:
            self._block_page = make_block_page(
                settings.block_page,
                worker_settings,
                _terms(settings),
                store_access=self._access,
                policy=self._keeper,
                subjects=self._subjects,
                catalogue=catalogue,
                log=log,
            )
        if settings.admin_host is not None:
            context = Context(
                settings=_admin_settings(
                    settings, worker_settings.telemetry.query_log, _serves(worker_settings, first.serving)
                ),
                access=access_of(worker_settings),
                log=log,
                store_access=self._access,
                policy=self._keeper,
                subjects=self._subjects,
                outbox=self._outbox,
                deliveries=self._deliveries,
                audit_heads=self._heads,
                plans=self._plans,
                subscriptions=self._subscriptions,
                statistics=self._statistics,
                query_log=QueryLogReader(self._state_dir),
                node=channel,
                catalogue=catalogue,
                state_dir=self._state_dir,
                began=first.began,
                config_problems=lambda: self._config_policy.problems,
                upstream_troubles=lambda: self._upstreams.states.troubles,
            )
            self._serving = ApiServer(context, add_pages)

    def _all_gauges(self) -> Mapping[str, Mapping[tuple[str, ...], float]]:
        return {
            **self._gauges.values(),
            **self._subscriptions.gauges(),
            **self._deliveries.gauges(),
            "moatdns_upstream_up": self._upstreams.states.up,
        }

    def _own_counts(self) -> Mapping[tuple[str, str], int]:
        """Counts of this process itself, by metric and label."""
        page = self._block_page
        plans = {("dropped", "policy_plans"): self._plans.refused}
        if page is None:
            return plans
        dropped = {("dropped", what): count for what, count in page.dropped.items()}
        return {**plans, **dropped, **{("block_page", what): count for what, count in page.events.items()}}

    def _troubles(self) -> list[str]:
        """Why the node is not well."""
        keepers = (self._access, self._heads, self._keeper, self._subjects)
        parts = (*(keeper.trouble for keeper in keepers), *self._config_policy.problems)
        return [*(text for text in parts if text), *self._upstreams.states.troubles]

    def _open_connections(self) -> Mapping[str, int]:
        parts = {"admin": self._serving, "block_page": self._block_page}
        return {name: part.connections if part is not None else 0 for name, part in parts.items()}

    async def run(self) -> None:
        """Work until the supervisor says stop, or is gone."""
        first = self._first
        await self._keeper.adopt(first.manifest)
        self._config_policy.miss(first.troubles)
        self._config_policy.give(first.config)
        self._config_told.give(first.reading)
        if self._query_log is not None:
            self._query_log.start()
        orders = asyncio.ensure_future(self._obey())  # from the start: we may be told to stop before all has begun
        work = asyncio.ensure_future(self._work())
        if self._serving is not None or self._block_page is not None:
            # Calls wait in the socket meanwhile, rather than hear that the store is not open yet.
            tried = asyncio.ensure_future(self._config_policy.tried.wait())
            await asyncio.wait([tried, orders], timeout=_SETTLING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            tried.cancel()
        if self._block_page is not None:
            await self._block_page.start([socket.socket(fileno=fd) for fd in first.sockets.block_page])
        serving = asyncio.ensure_future(self._serve_api(self._serving) if self._serving is not None else self._rest())
        watching = asyncio.ensure_future(self._upstreams.run())  # whether there is a store or not
        await asyncio.wait([work, orders, serving, watching], return_when=asyncio.FIRST_COMPLETED)
        for task in (work, orders, serving, watching):
            task.cancel()
        for task in (work, serving):
            try:
                await task
            except asyncio.CancelledError:
                pass
            except Exception as error:  # the supervisor starts another process, which begins anew
                self._log.error("a task of the control process failed", error=repr(error))
        for part in (self._block_page, self._serving):
            if part is not None:
                await part.stop()
        if self._query_log is not None:
            await self._query_log.close()
        await self._statistics.close()
        await self._keeper.close()
        await self._subjects.close()
        with contextlib.suppress(StoreAway):
            await self._heads.note()  # of the last changes
        await self._access.close(for_good=self._ends_for_good)
        self._channel.close()

    async def _serve_api(self, serving: ApiServer) -> None:
        """Serve the API, once its certificate can be used: policy and statistics do not wait for that."""
        listening = socket.socket(fileno=self._first.sockets.admin)
        told = None
        while True:
            try:
                await serving.start(listening)
            except MoatdnsError as error:
                if str(error) != told:
                    told = str(error)
                    self._log.error("the admin API is not served", why=told, so="it waits for a certificate")
                await asyncio.sleep(_CERTIFICATE_SECONDS)
            else:
                break
        if told is not None:
            self._log.info("the certificate is there by now: the admin API is served")
        await self._rest()

    async def _rest(self) -> None:
        """Do nothing, until the process ends."""
        await asyncio.get_running_loop().create_future()

    def _hear_of_store(self, error: StoreAway | None) -> None:
        """Tell the supervisor, who ends a start that another node is in the way of."""
        is_held = isinstance(error, StoreHeld)
        self._tell_store(StoreState.TOLD, str(error) if is_held else None)
        if is_held and self._closing is None:
            closing = close_what_opens(self._state_dir, self._channel.use_subjects, self._log)
            self._closing = asyncio.ensure_future(closing)

    def _tell_store(self, state: StoreState, held: str | None = None) -> None:
        self._channel.tell(StoreTold(state, held))

    async def _work(self) -> None:
        """Parts that need the store begin when it is open; one that fails ends the process, and the next one begins."""
        self._tell_store(StoreState.OPENS)
        await self._access.open()
        token = await ensure_first_token(self._access.store, self._state_dir)
        if token is not None:
            self._log.info("a first token for the admin API was made; take it from its file", file=str(token))
        if self._settings.approval == FOUR_EYES:
            await self._tell_of_owners()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._access.watch())
            tasks.create_task(self._access.hold())
            tasks.create_task(self._heads.run())
            tasks.create_task(self._subjects.run())
            tasks.create_task(self._deliveries.run())
            tasks.create_task(self._watcher.run())
            if self._settings.audit_syslog is not None:
                tasks.create_task(AuditSyslog(self._access, self._settings.audit_syslog, self._log).run())
            tasks.create_task(self._config_policy.run())
            tasks.create_task(self._config_told.run())
            await self._config_policy.tried.wait()  # without the config's part, the store's policy is not whole
            tasks.create_task(self._keeper.run())
            tasks.create_task(self._subscriptions.run())
            tasks.create_task(self._statistics.run())
            tasks.create_task(self._gauges.run())

    async def _tell_of_owners(self) -> None:
        """Warn where four eyes leave nobody to approve anything."""
        async with self._access.store.read() as connection:
            rows = await all_tokens(connection)
        deciding = [row for row in rows if may(row.role, "operator") and not row.has_expired(datetime.now(UTC))]
        if len({normal_form(row.owner) for row in deciding}) < 2:
            self._log.warning(
                "policy.approval is four-eyes, and only one owner has a token that decides: nothing can be approved; "
                "make another's on this machine (moatdns token create --role admin --owner NAME)"
            )

    async def _obey(self) -> None:
        async for order in self._channel.orders():
            match order:
                case UseConfigPolicy():
                    self._config_policy.give(order)
                case NoteReading(reading):
                    self._config_told.give(reading)
                case NoteTroubles(troubles):
                    self._config_policy.miss(troubles)
                case Recompile():
                    self._keeper.recompile()
                case RenewCertificate() if self._serving is not None:
                    self._serving.renew()
                case StopControl(for_good):
                    self._ends_for_good = for_good
                    return
        self._ends_for_good = True  # the supervisor is gone


def _log_lacks(settings: ControlSettings, what: str) -> Iterator[str]:
    """Gaps of the query log, as it is kept."""
    if what == "off":
        yield "no query log is kept (query_log.enabled)"
    elif what == "hits":
        yield "the log has hits only (query_log.what): names that no rule matched are not there"
    if settings.clients != "full":
        yield f"the log does not have clients' addresses (query_log.clients is {settings.clients})"


def _terms(settings: ControlSettings) -> Terms:
    return Terms(settings.approval == FOUR_EYES, settings.longest_exemption_seconds)


def _serves(settings: WorkerSettings, serving: tuple[Listen, ...]) -> Serves:
    def of(kind: str) -> tuple[Address, ...]:
        return tuple((each.host, each.port) for each in serving if each.kind == kind)

    return Serves(
        do53=of("do53"),
        dot=of("dot"),
        doh=of("doh"),
        server_name=settings.encrypted.server_name,
        identity=settings.server.identity,
        trusted_proxies=tuple(one.network for one in settings.trusted_proxies if PROXY in one.sources),
    )


def _admin_settings(settings: ControlSettings, what: str, serves: Serves) -> AdminSettings:
    return AdminSettings(
        host=str(settings.admin_host),
        port=settings.admin_port,
        allowed_hosts=settings.allowed_hosts,
        metrics=settings.metrics,
        certificate=Path(settings.certificate) if settings.certificate else None,
        private_key=Path(settings.private_key) if settings.private_key else None,
        exemptions=_terms(settings),
        leases=LeaseTerms(settings.most_leases, settings.longest_lease_seconds),
        longest_pause_seconds=settings.longest_pause_seconds,
        longest_emergency_pause_seconds=settings.longest_emergency_pause_seconds,
        changes=ChangeTerms(settings.most_change_requests, settings.change_request_seconds),
        log_lacks=tuple(_log_lacks(settings, what)),
        serves=serves,
        ipv6_prefix=settings.networks.ipv6_prefix,
    )


async def _run(fd: int) -> None:
    channel = await SupervisorChannel.open(fd)
    try:
        await Control(await channel.first(), channel, make_log()).run()
    except ChannelError as error:
        sys.exit(f"the control process cannot read its orders: {error}")


def main(fd: int) -> None:
    """Run the control process on the channel `fd`."""
    ignore_signals()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(fd))


if __name__ == "__main__":
    main(int(sys.argv[1]))
