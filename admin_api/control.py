"""The control process's composition root: store, keepers and servers.

Run by the supervisor as ``python -m admin_api.control FD``. DNS does not depend on it: when it ends, the workers go on
with the policy that they have, their counts stay in their files, and their query events wait in the socket.
"""

from __future__ import annotations

import gc

gc.disable()  # until all is imported, which makes no garbage: to look for some took a fifth of that time

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from admin_api.api.certificate_ends import CertificateEnds
from admin_api.channel import SupervisorChannel
from admin_api.editing.exemption_checks import Terms
from admin_api.host_names.keeper import HostNames
from admin_api.keepers import Keepers
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
from admin_api.persons import normal_form
from admin_api.policy_file.growth import Growth
from admin_api.query_log.gaps import log_lacks
from admin_api.query_log.writer import QueryLogWriter
from admin_api.servers import Servers
from admin_api.store.access import StoreAccess
from admin_api.store.errors import StoreAway, StoreHeld
from admin_api.store.groups import all_groups
from admin_api.store.owner import Owner, holder_of
from admin_api.store.roles import may
from admin_api.store.tokens import all_tokens, ensure_first_token
from admin_api.store.widened import note_widened
from admin_api.subjects.closing import close_what_opens
from admin_api.subscriptions.feed.opening import open_catalogue
from admin_api.unlisted.reading import UnlistedReader
from resolver.config.notes import leaves_clouds_open
from resolver.errors import ChannelError
from resolver.system.child_process import ignore_signals
from resolver.telemetry.log import Log, make_log
from resolver.worker.messages import RenewCertificate

_SETTLING_SECONDS = 3.0  # for the store to be opened; then calls are answered in any case


class Control:
    """The control process: the store, its keepers, and the servers that stand over them."""

    def __init__(self, first: Begin, channel: SupervisorChannel, log: Log) -> None:
        settings = first.settings
        self._first = first
        self._settings = settings
        self._channel = channel
        self._log = log
        self._state_dir = Path(settings.state_dir)
        self._closing: asyncio.Task[None] | None = None
        self._ends_for_good = False  # or another process of this run goes on
        self._was_told_to_end = False  # or the supervisor is gone
        supervisor = os.getppid()
        owner = Owner(holder_of(supervisor, first.began), supervisor, lambda: self._tell_store(StoreState.WAITS))
        self._access = StoreAccess(settings.store_url, self._state_dir, log, owner, self._hear_of_store)
        opened = open_catalogue(settings)
        self._servers = Servers(first, log)
        served = {"tls": first.worker_settings.encrypted.certificate, "admin": settings.certificate}
        self._keepers = Keepers(
            *(settings, channel, self._access, opened, log),
            connections=self._servers.connections,
            counts=self._counts,
            certificates=CertificateEnds(served, first.worker_settings.encrypted.clients),
            host_names=HostNames(settings.host_names, first.worker_settings, log),
        )
        self._servers.make(self._keepers, channel)
        events = socket.socket(fileno=first.sockets.events)
        take = self._keepers.inbox.take if settings.unlisted.enabled else None
        self._events: QueryLogWriter | UnlistedReader | None = None
        if settings.query_log:
            self._events = QueryLogWriter(events, settings, log, take)
        elif take is not None:
            self._events = UnlistedReader(events, take)

    def _counts(self) -> Mapping[tuple[str, str], int]:
        """Counts of the servers, and what could not be written into the query log, by metric and label."""
        lost = self._events.dropped if isinstance(self._events, QueryLogWriter) else 0
        return {**self._servers.counts(), ("dropped", "query_log"): lost}

    async def run(self) -> None:
        """Work until the supervisor says stop, or is gone."""
        first = self._first
        keepers, servers = self._keepers, self._servers
        await keepers.policy.adopt(first.manifest)
        growth = Growth(
            *(keepers.policy, keepers.subjects, self._access, self._state_dir, self._log),
            lacks=tuple(log_lacks(self._settings, first.worker_settings.telemetry.query_log)),
            unreadable=keepers.unreadable_blocks,
            waits=self._settings.catalogue is not None,
        )
        keepers.feed.foretell = growth.tell_fed
        keepers.config_policy.miss(first.troubles)
        keepers.config_policy.give(first.config)
        keepers.config_told.give(first.reading)
        if self._events is not None:
            self._events.start()
        if isinstance(self._events, QueryLogWriter):
            keepers.erasures.start(self._events)
        orders = asyncio.ensure_future(self._obey())  # from the start: we may be told to stop before all has begun
        work = asyncio.ensure_future(self._work(growth))
        if servers.api is not None or servers.block_page is not None:
            # Calls wait in the socket meanwhile, rather than hear that the store is not open, or leases are not read.
            settled = asyncio.ensure_future(self._settled())
            await asyncio.wait([settled, orders], timeout=_SETTLING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            settled.cancel()
        await servers.start_block_page()
        serving = asyncio.ensure_future(servers.serve())
        watching = asyncio.ensure_future(keepers.upstreams.run())  # whether there is a store or not
        sending = asyncio.ensure_future(keepers.sinks.run())  # likewise: the query log needs none
        naming = asyncio.ensure_future(keepers.host_names.run())
        tasks = (work, orders, serving, watching, sending, naming)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for task in (work, serving, sending, naming):
            try:
                await task
            except asyncio.CancelledError:
                pass
            except Exception as error:  # the supervisor starts another process, which begins anew
                self._log.error("a task of the control process failed", error=repr(error))
        await servers.stop()
        if self._events is not None:
            await self._events.close()
        await keepers.persons.close()
        await keepers.erasures.close()
        await keepers.statistics.close()
        await keepers.policy.close()
        await keepers.subjects.close()
        with contextlib.suppress(StoreAway):
            await keepers.heads.note()  # of the last changes
        await keepers.recorder.close(self._ending)
        await self._access.close(for_good=self._ends_for_good)
        self._channel.close()

    @property
    def _ending(self) -> str | None:
        """How this run of the service ends; None where it goes on with another control process."""
        if not self._ends_for_good:
            return None
        return "stopped" if self._was_told_to_end else "lost"

    async def _settled(self) -> None:
        await self._keepers.config_policy.tried.wait()
        await self._keepers.subjects.loaded.wait()

    def _hear_of_store(self, error: StoreAway | None) -> None:
        """Tell the supervisor, who ends a start that another node is in the way of."""
        is_held = isinstance(error, StoreHeld)
        self._tell_store(StoreState.TOLD, str(error) if is_held else None)
        if is_held and self._closing is None:
            closing = close_what_opens(self._state_dir, self._channel.use_subjects, self._log)
            self._closing = asyncio.ensure_future(closing)

    def _tell_store(self, state: StoreState, held: str | None = None) -> None:
        self._channel.tell(StoreTold(state, held))

    async def _work(self, growth: Growth) -> None:
        """Parts that need the store begin when it is open; one that fails ends the process, and the next one begins."""
        keepers = self._keepers
        self._tell_store(StoreState.OPENS)
        await self._access.open()
        token = await ensure_first_token(self._access.store, self._state_dir)
        if token is not None:
            self._log.info("a first token for the admin API was made; take it from its file", file=str(token))
        if widened := await note_widened(self._access.store):
            self._log.info(
                "tokens of before go on to see persons: they have the role investigator now; a holder who need not see "
                "persons gets a new token without it, and loses the old one (docs/api.md)",
                tokens=list(widened),
            )
        if Terms.of(self._settings).four_eyes and self._settings.oidc is None:  # people who sign in decide, too
            await self._tell_of_owners()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._access.watch())
            tasks.create_task(self._access.hold())
            tasks.create_task(keepers.heads.run())
            tasks.create_task(keepers.signing_key.run())
            tasks.create_task(keepers.audit_retention.run())
            tasks.create_task(keepers.restored.run())
            tasks.create_task(keepers.recorder.run(self._first.began))
            tasks.create_task(keepers.subjects.run())
            tasks.create_task(keepers.deliveries.run())
            tasks.create_task(keepers.watcher.run())
            tasks.create_task(keepers.retention.run())
            tasks.create_task(keepers.config_policy.run())
            tasks.create_task(keepers.config_told.run())
            await keepers.config_policy.tried.wait()  # without the config's part, the store's policy is not whole
            if token is not None:
                await self._tell_of_clouds()
            tasks.create_task(keepers.policy.run())
            tasks.create_task(growth.run())
            tasks.create_task(keepers.subscriptions.run())
            tasks.create_task(keepers.inbox.run())
            tasks.create_task(keepers.feed.run())
            tasks.create_task(keepers.statistics.run())
            tasks.create_task(keepers.gauges.run())
            tasks.create_task(keepers.weekly.run())

    async def _tell_of_owners(self) -> None:
        """Warn where four eyes leave nobody to approve anything."""
        async with self._access.store.read() as connection:
            rows = await all_tokens(connection)
        at = datetime.now(UTC)
        deciding = [row for row in rows if may(row.roles, "operator") and not (row.suspended or row.has_expired(at))]
        if len({normal_form(row.owner) for row in deciding}) < 2:
            self._log.warning(
                "policy.approval is four-eyes, and only one owner has a token that decides: nothing can be approved; "
                "make another's on this machine (moatdns token create --role admin --owner NAME)"
            )

    async def _tell_of_clouds(self) -> None:
        """Say at a first start what is open, though it serves rivals' models to whoever has an account."""
        async with self._access.store.read() as connection:
            rows = await all_groups(connection)
        if leaves_clouds_open(rows, datetime.now(UTC)):
            self._log.info(
                "model services of clouds are open (Amazon Bedrock, Vertex AI, Azure OpenAI and others), since a "
                "company's own systems may use them: block the set 'clouds', or watch it first (docs/policy.md)"
            )

    async def _obey(self) -> None:
        keepers, api = self._keepers, self._servers.api
        async for order in self._channel.orders():
            match order:
                case UseConfigPolicy():
                    keepers.config_policy.give(order)
                case NoteReading(reading):
                    keepers.config_told.give(reading)
                case NoteTroubles(troubles):
                    keepers.config_policy.miss(troubles)
                case Recompile():
                    keepers.policy.recompile()
                case RenewCertificate():
                    keepers.gauges.certificates.renew()
                    if api is not None:
                        api.renew()
                case StopControl(for_good):
                    self._ends_for_good, self._was_told_to_end = for_good, True
                    return
        self._ends_for_good = True  # the supervisor is gone


async def _run(fd: int) -> None:
    channel = await SupervisorChannel.open(fd)
    try:
        await Control(await channel.first(), channel, make_log()).run()
    except ChannelError as error:
        sys.exit(f"the control process cannot read its orders: {error}")


def main(fd: int) -> None:
    """Run the control process on the channel `fd`."""
    gc.freeze()  # no collection need ever go through what was imported
    gc.enable()
    ignore_signals()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(fd))


if __name__ == "__main__":
    main(int(sys.argv[1]))
