"""The control process's composition root: store, compile rounds, statistics, query log and the admin API.

Run by the supervisor as ``python -m admin_api.control FD``. DNS does not depend on it: when it ends, the workers go on
with the policy that they have, their counts stay in their files, and their query events wait in the socket.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from admin_api.audit_head import keep_head
from admin_api.channel import Channel, Order
from admin_api.compiling.keeper import Keeper
from admin_api.config_policy import ConfigPolicy
from admin_api.door import Door
from admin_api.store.tokens import ensure_first_token
from blocklists.catalogue import load_catalogue
from resolver.config.settings import ControlSettings
from resolver.telemetry.log import Log, make_log


class Control:
    """All that the control process does, put together."""

    def __init__(self, first: Order, channel: Channel, log: Log) -> None:
        settings = ControlSettings.from_plain(first["settings"])
        self._first = first
        self._channel = channel
        self._log = log
        self._state_dir = Path(settings.state_dir)
        catalogue = load_catalogue()
        self._door = Door(settings.store_url, self._state_dir, log)
        self._keeper = Keeper(self._door, self._state_dir, catalogue, channel.publish, log, url=settings.store_url)
        self._config_policy = ConfigPolicy(self._door, self._keeper, channel, log)

    async def run(self) -> None:
        """Work until the supervisor says stop, or is gone."""
        manifest = self._first["manifest"]
        await self._keeper.adopt(Path(manifest) if manifest else None)
        self._config_policy.give(self._first["policy"], self._first["fingerprint"])
        work = asyncio.ensure_future(self._work())
        orders = asyncio.ensure_future(self._obey())
        await asyncio.wait([work, orders], return_when=asyncio.FIRST_COMPLETED)
        for task in (work, orders):
            task.cancel()
        try:
            await work
        except asyncio.CancelledError:
            pass
        except Exception as error:  # the supervisor starts another process, which begins anew
            self._log.error("a task of the control process failed", error=repr(error))
        await self._keeper.close()
        await self._door.close()
        self._channel.close()

    async def _work(self) -> None:
        """What needs the store begins when it is open; a part that fails ends the process, and the next one begins."""
        await self._door.open()
        token = await ensure_first_token(self._door.store, self._state_dir)
        if token is not None:
            self._log.info("a first token for the admin API was made; take it from its file", file=str(token))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._door.watch())
            tasks.create_task(self._config_policy.run())
            await self._config_policy.tried.wait()  # without the config's part, the store's policy is not whole
            tasks.create_task(self._keeper.run())
            tasks.create_task(keep_head(self._door, self._state_dir, self._log))

    async def _obey(self) -> None:
        async for order in self._channel.orders():
            match order["do"]:
                case "config":
                    self._config_policy.give(order["policy"], order["fingerprint"])
                case "recompile":
                    self._keeper.recompile()
                case "stop":
                    return


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
