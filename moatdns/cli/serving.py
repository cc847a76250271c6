"""The service from the command line's point of view: a config file in, an exit status out. Without typer."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from moatdns.cli.output import print_problems
from moatdns.supervisor.nursery_process import NurseryKeeper
from moatdns.supervisor.spawning import Spawned
from moatdns.supervisor.supervisor import Supervisor
from resolver import __version__
from resolver.config.finding import find_config
from resolver.errors import ConfigError, MoatdnsError
from resolver.telemetry.log import Log, make_log

_INTERRUPTED = 130  # as shells have it: 128 and the number of SIGINT


def serve_until_stopped(config: str | None, early: Spawned | None = None) -> int:
    """Serve by a config file, None for the usual one, until told to stop; return the exit status.

    Problems are printed, and are status 1. `early` is the nursery of workers, if it is loading already.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it is understood, it must not end us
    log = make_log()
    try:
        path = find_config(config, os.environ)
        log.info("moatdns starts", version=__version__, config=str(path or "built-in defaults"))
        asyncio.run(_serve(path, log, early))
    except ConfigError as error:
        print_problems(*error.problems)
        return 1
    except MoatdnsError as error:
        print_problems(str(error))
        return 1
    except KeyboardInterrupt:  # before it serves; from then on SIGINT is understood
        return _INTERRUPTED
    return 0


async def _serve(path: Path | None, log: Log, early: Spawned | None) -> None:
    nursery = NurseryKeeper(log, early)
    try:
        await Supervisor(path, log, nursery.start).run()
    finally:
        await nursery.end()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):  # told again, we are ending already: the exit status stays
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
