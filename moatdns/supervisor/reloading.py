"""Changes while the service runs: the config is read again, the system's nameservers are followed, workers restart."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

from admin_api.messages import NoteReading, NoteTroubles
from moatdns.plan import NodePlan
from moatdns.supervisor.control_keeper import LAST_WORD_SECONDS
from moatdns.supervisor.node import RunningNode, tell_notes
from moatdns.supervisor.policy import PolicySource
from moatdns.supervisor.service_manager import ServiceManager
from moatdns.supervisor.system_servers import LOOK_SECONDS
from resolver.errors import ConfigError, MoatdnsError
from resolver.telemetry.log import Log
from resolver.worker.messages import RenewCertificate

_OTHER_CATALOGUE_SECONDS = 120.0  # for a whole new base, a million rules included


class Reloader:
    """Changes one running node, one change after the other. `reload_asked` and `restart_asked` are set by signals."""

    def __init__(
        self, node: RunningNode, source: PolicySource, manager: ServiceManager, stop_asked: asyncio.Event, log: Log
    ) -> None:
        self._node = node
        self._source = source
        self._manager = manager
        self._stop_asked = stop_asked
        self._log = log
        self.reload_asked = asyncio.Event()
        self.restart_asked = asyncio.Event()
        self._reconfiguring = asyncio.Lock()  # one config, or set of upstreams, after the other

    async def reload_for_ever(self) -> None:
        """SIGHUP: what the config says by now."""
        node = self._node
        while True:
            await self.reload_asked.wait()
            self.reload_asked.clear()
            self._manager.reloading()
            try:
                async with self._reconfiguring:
                    await self._reload()
            except ConfigError as error:
                for problem in error.problems:
                    self._log.error("the config is not used; the old one stays in force", problem=problem)
            except MoatdnsError as error:
                # A service manager may end all processes at once, and the child that was asked has heard it first.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop_asked.wait(), LAST_WORD_SECONDS)
                    return
                self._log.error("reload did not finish", why=str(error), policy=node.crew.manifest.revision)
            self._manager.ready(node.serves)

    async def follow_system_for_ever(self) -> None:
        """Ask the nameservers that the system names by now, where the config wants them."""
        node = self._node
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            async with self._reconfiguring:
                if node.plan.places is None:
                    continue
                told = node.troubles
                await node.system.look(node.plan.ground.listen)
                node.plan = node.with_system_servers(node.plan)
                if node.plan.settings != node.crew.settings:
                    node.crew.use_upstreams(node.plan.settings)
                if node.troubles != told:
                    node.control.tell(NoteTroubles(node.troubles))

    async def _reload(self) -> None:
        node = self._node
        old = node.plan
        new = await self._read_anew()
        if new.places is not None:
            await node.system.look(new.ground.listen)
            new = node.with_system_servers(new)
        if new.certificate_trouble:
            raise ConfigError([new.certificate_trouble])
        needs_restart = new.ground != old.ground
        if needs_restart:
            new = new.with_fixed_of(old)
        has_other_catalogue = new.control.catalogue != old.control.catalogue
        # Another catalogue is for a new control process: the one that runs has read the old.
        if new.fingerprint != node.crew.manifest.fingerprint and not has_other_catalogue:
            await node.control.put_in_force(node.policy_of(new), new.fingerprint)
        tell_notes(new, self._log)
        if needs_restart:
            self._log.warning(
                "listen, workers, state_dir, admin.listen and block_page.listen change only with a restart; "
                "the rest is reloaded"
            )
        node.plan, node.crew.settings = new, new.settings
        node.readings += 1
        node.control.tell(NoteReading(node.reading()))
        secret, periods = node.crew.cookie_secret, node.crew.pseudonyms
        node.crew.cookie_secret = node.cookie_secret(new, secret)
        wanted = node.pseudonyms(new, periods)
        if wanted:  # else workers that are yet to be replaced go on with theirs
            node.crew.use_pseudonyms(wanted)
        try:
            replaced = await node.crew.replace(only_outdated=True)
        except MoatdnsError:
            # Back to the settings with which workers are known to start.
            node.plan, node.crew.settings = replace(new, settings=old.settings), old.settings
            node.crew.cookie_secret = secret
            node.crew.use_pseudonyms(node.pseudonyms(node.plan, periods))
            raise
        node.crew.use_pseudonyms(wanted)
        if new.control != old.control or new.settings != old.settings:
            await node.control.restart()
            if has_other_catalogue:
                await node.control.config_in_force(new.fingerprint, _OTHER_CATALOGUE_SECONDS)
        else:
            node.control.tell(RenewCertificate())
        node.control.tell(NoteTroubles(node.troubles))
        node.crew.tell(RenewCertificate())
        if not needs_restart:
            self._source.remember(new)
        self._log.info("reloaded", policy=node.crew.manifest.revision, workers_replaced=replaced)

    async def _read_anew(self) -> NodePlan:
        try:
            return await self._source.read()
        finally:
            await self._source.end()

    async def restart_for_ever(self) -> None:
        """SIGUSR2: new workers for old, one after the other, with no query lost."""
        node = self._node
        while True:
            await self.restart_asked.wait()
            self.restart_asked.clear()
            try:
                await node.crew.replace()
                self._log.info("workers restarted")
            except MoatdnsError as error:
                self._log.error("rolling restart stopped; the other workers go on as they are", why=str(error))
