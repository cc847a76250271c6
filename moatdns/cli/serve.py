"""The command that serves."""

from __future__ import annotations

import typer

from moatdns.cli.common import ConfigOption
from moatdns.cli.serving import serve_until_stopped

app = typer.Typer()


@app.command()
def serve(config: ConfigOption = None) -> None:
    """Run everything in the foreground. SIGHUP reloads the config, SIGTERM drains and stops."""
    raise typer.Exit(serve_until_stopped(config))
