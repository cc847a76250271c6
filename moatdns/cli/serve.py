"""The command that serves."""

from __future__ import annotations

import asyncio
import os
import signal

import typer

from moatdns.cli.common import ConfigOption, fail
from moatdns.supervisor.supervisor import Supervisor
from resolver import __version__
from resolver.config.finding import find_config
from resolver.errors import ConfigError, MoatdnsError
from resolver.telemetry.log import make_log

app = typer.Typer()


@app.command()
def serve(config: ConfigOption = None) -> None:
    """Run everything in the foreground. SIGHUP reloads the config, SIGTERM drains and stops."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it is understood, it must not end us
    log = make_log()
    try:
        path = find_config(config, os.environ)
        log.info("moatdns starts", version=__version__, config=str(path or "built-in defaults"))
        asyncio.run(Supervisor(path, log).run())
    except ConfigError as error:
        fail(*error.problems)
    except MoatdnsError as error:
        fail(str(error))
