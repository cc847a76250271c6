"""The control process's composition root: store, compile rounds, statistics, query log and the admin API.

Run by the supervisor as ``python -m admin_api.control FD``. DNS does not depend on it: when it ends, the workers go on
with the policy that they have, their counts stay in their files, and their query events wait in the socket.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import uvloop

from admin_api.audit_head import keep_head
from admin_api.audit_syslog import AuditSyslog
from admin_api.block_page.making import make_block_page
from admin_api.block_page.serving import Serving as BlockPage
from admin_api.channel import Channel, Order
from admin_api.compiling.keeper import Keeper
from admin_api.config_policy import ConfigPolicy
from admin_api.context import Address, AdminSettings, Context, Serves
from admin_api.door import Door
from admin_api.editing.exemption_form import Terms
from admin_api.editing.leases import LeaseTerms
from admin_api.gauges import Gauges
from admin_api.query_log.reader import QueryLogReader
from admin_api.query_log.writer import QueryLogWriter
from admin_api.serving import Serving
from admin_api.statistics.service import StatisticsService
from admin_api.store.tokens import ensure_first_token
from admin_api.subjects.keeper import SubjectKeeper
from admin_api.subscriptions.service import Subscriptions
from admin_api.webhooks.delivery import Deliveries
from admin_api.webhooks.hooks import Outbox
from admin_api.webhooks.watching import Watcher
from blocklists.versions import load_kept
from resolver.config.settings import ControlSettings, WorkerSettings
from resolver.errors import MoatdnsError
from resolver.explaining import access_of
from resolver.telemetry.log import Log, make_log

_CERTIFICATE_SECONDS = 2.0  # between looks for one that is not there yet
_SETTLING_SECONDS = 3.0  # for the store to be opened; then calls are answered in any case


class Control:
    """All that the control process does, put together."""

    def __init__(self, first: Order, channel: Channel, log: Log) -> None:
        settings = ControlSettings.from_plain(first["settings"])
        self._first = first
        self._channel = channel
        self._log = log
        self._state_dir = Path(settings.state_dir)
        self._settings = settings
        catalogue = load_kept(Path(settings.catalogue) if settings.catalogue else None)
        self._door = Door(settings.store_url, self._state_dir, log)
        self._keeper = Keeper(
            self._door,
            self._state_dir,
            catalogue,
            channel.publish,
            log,
            url=settings.store_url,
            catalogue_folder=settings.catalogue,
        )
        self._outbox = Outbox(settings.webhooks)
        self._deliveries = Deliveries(self._door, self._outbox, log)
        self._watcher = Watcher(self._door, self._outbox, self._troubles)
        self._subjects = SubjectKeeper(
            self._door,
            self._state_dir,
            channel.use_subjects,
            log,
            history_days=settings.lease_history_days,
            outbox=self._outbox,
        )
        self._config_policy = ConfigPolicy(self._door, self._keeper, channel, log)
        self._serving: Serving | None = None
        self._block_page: BlockPage | None = None
        self._gauges = Gauges(
            self._door, self._state_dir, self._keeper, self._subjects, channel, self._open_connections
        )
        self._subscriptions = Subscriptions(
            self._door,
            self._keeper,
            self._state_dir,
            log,
            max_mib=settings.fetch_max_mib,
            timeout_seconds=settings.fetch_timeout_seconds,
        )
        self._statistics = StatisticsService(self._door, settings, log, self._all_gauges, own_counts=self._own_counts)
        events = socket.socket(fileno=first["events"])
        self._query_log = QueryLogWriter(events, settings, log) if settings.query_log else None
        worker_settings = WorkerSettings.from_plain(first["worker_settings"])
        if settings.block_page.listen:
            self._block_page = make_block_page(
                settings.block_page,
                worker_settings,
                _terms(settings),
                door=self._door,
                policy=self._keeper,
                subjects=self._subjects,
                catalogue=catalogue,
                log=log,
            )
        if settings.admin_host is not None:
            context = Context(
                settings=_admin_settings(
                    settings, worker_settings.telemetry.query_log, _serves(worker_settings, first["serving"])
                ),
                access=access_of(worker_settings),
                log=log,
                door=self._door,
                policy=self._keeper,
                subjects=self._subjects,
                outbox=self._outbox,
                deliveries=self._deliveries,
                subscriptions=self._subscriptions,
                statistics=self._statistics,
                query_log=QueryLogReader(self._state_dir),
                node=channel,
                catalogue=catalogue,
                state_dir=self._state_dir,
                began=first["began"],
                config_problems=lambda: self._config_policy.problems,
            )
            self._serving = Serving(context)

    def _all_gauges(self) -> Mapping[str, Mapping[tuple[str, ...], float]]:
        return {**self._gauges.values(), **self._subscriptions.gauges(), **self._deliveries.gauges()}

    def _own_counts(self) -> Mapping[tuple[str, str], int]:
        """What this process counts by itself: metric and label."""
        page = self._block_page
        if page is None:
            return {}
        dropped = {("dropped", what): count for what, count in page.dropped.items()}
        return {**dropped, **{("block_page", what): count for what, count in page.events.items()}}

    def _troubles(self) -> list[str]:
        """Why the node is not well."""
        parts = (self._door.trouble, self._keeper.trouble, self._subjects.trouble, *self._config_policy.problems)
        return [text for text in parts if text]

    def _open_connections(self) -> Mapping[str, int]:
        parts = {"admin": self._serving, "block_page": self._block_page}
        return {name: part.connections if part is not None else 0 for name, part in parts.items()}

    async def run(self) -> None:
        """Work until the supervisor says stop, or is gone."""
        manifest = self._first["manifest"]
        await self._keeper.adopt(Path(manifest) if manifest else None)
        self._config_policy.give(self._first["policy"], self._first["fingerprint"])
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
            await self._block_page.start([socket.socket(fileno=fd) for fd in self._first["block_page"]])
        serving = asyncio.ensure_future(self._serve_api(self._serving) if self._serving is not None else self._rest())
        await asyncio.wait([work, orders, serving], return_when=asyncio.FIRST_COMPLETED)
        for task in (work, orders, serving):
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
        await self._door.close()
        self._channel.close()

    async def _serve_api(self, serving: Serving) -> None:
        """Serve the API, once its certificate can be used: policy and statistics do not wait for that."""
        listening = socket.socket(fileno=self._first["listen"])
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

    async def _work(self) -> None:
        """What needs the store begins when it is open; a part that fails ends the process, and the next one begins."""
        await self._door.open()
        token = await ensure_first_token(self._door.store, self._state_dir)
        if token is not None:
            self._log.info("a first token for the admin API was made; take it from its file", file=str(token))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._door.watch())
            tasks.create_task(self._subjects.run())
            tasks.create_task(self._deliveries.run())
            tasks.create_task(self._watcher.run())
            if self._settings.audit_syslog is not None:
                tasks.create_task(AuditSyslog(self._door, self._settings.audit_syslog, self._log).run())
            tasks.create_task(self._config_policy.run())
            await self._config_policy.tried.wait()  # without the config's part, the store's policy is not whole
            tasks.create_task(self._keeper.run())
            tasks.create_task(self._subscriptions.run())
            tasks.create_task(keep_head(self._door, self._state_dir, self._log))
            tasks.create_task(self._statistics.run())
            tasks.create_task(self._gauges.run())

    async def _obey(self) -> None:
        async for order in self._channel.orders():
            match order["do"]:
                case "config":
                    self._config_policy.give(order["policy"], order["fingerprint"])
                case "recompile":
                    self._keeper.recompile()
                case "renew" if self._serving is not None:
                    self._serving.renew()
                case "stop":
                    return


def _log_lacks(settings: ControlSettings, what: str) -> Iterator[str]:
    """What cannot be learnt from the query log, as it is kept."""
    if what == "off":
        yield "no query log is kept (query_log.enabled)"
    elif what == "hits":
        yield "the log has hits only (query_log.what): names that no rule matched are not there"
    if settings.clients != "full":
        yield f"the log does not have clients' addresses (query_log.clients is {settings.clients})"


def _terms(settings: ControlSettings) -> Terms:
    return Terms(settings.approval == "four-eyes", settings.longest_exemption_seconds)


def _serves(settings: WorkerSettings, serving: list[dict[str, Any]]) -> Serves:
    def of(kind: str) -> tuple[Address, ...]:
        return tuple((each["host"], each["port"]) for each in serving if each["kind"] == kind)

    return Serves(
        do53=of("do53"),
        dot=of("dot"),
        doh=of("doh"),
        server_name=settings.encrypted.server_name,
        identity=settings.server.identity,
        trusted_proxies=settings.trusted_proxies,
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
        log_lacks=tuple(_log_lacks(settings, what)),
        serves=serves,
    )


async def _run(fd: int) -> None:
    channel = await Channel.open(fd)
    await Control(await channel.first(), channel, make_log()).run()


def main(fd: int) -> None:
    """Run the control process on the channel `fd`."""
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)  # a terminal sends them to all; the supervisor decides
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(fd))


if __name__ == "__main__":
    main(int(sys.argv[1]))
