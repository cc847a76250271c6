"""The compiler's process for what is large. Its memory and its time are nobody else's.

Run by the keeper as ``python -m admin_api.compiling.child``: one order on stdin, one outcome on stdout, as JSON.
``{"url", "state_dir", "catalogue", "below": [layers]}`` → ``{"layer", "base"}`` or ``{"error"}``. Over
nothing, it is a base.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from admin_api.compiling.layers import base_rules, overlay_rules, read_wanted
from admin_api.store.store import Store
from blocklists.versions import load_kept
from resolver.errors import MoatdnsError
from resolver.policy.stack import RuleStack
from resolver.snapshot.snapshot_file import SNAPSHOTS, LayerFiles, open_layers, write_layer
from resolver.telemetry.log import make_log

_NICE = 10  # serving comes first


async def compile_layer(order: dict[str, Any]) -> tuple[LayerFiles, str]:
    """Compile what is ordered, and write it; also gives what a base stands for. Raises MoatdnsError."""
    folder = Path(order["state_dir"]) / SNAPSHOTS
    state_dir = Path(order["state_dir"])
    below = [LayerFiles(**layer) for layer in order["below"]]
    catalogue = load_kept(Path(order["catalogue"]) if order["catalogue"] else None)
    store = await Store.open(order["url"], state_dir, make_log())
    try:
        async with store.read() as connection:
            wanted = await read_wanted(connection, catalogue)
            if below:
                stack = RuleStack(open_layers(folder, below))
                rules = await overlay_rules(connection, wanted, stack, below[-1].revision)
            else:
                rules = await base_rules(connection, wanted, catalogue, state_dir)
    finally:
        await store.close()
    return write_layer(folder, rules, wanted.revision), wanted.base


def main() -> None:
    """Do what stdin says."""
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(ignored, signal.SIG_IGN)  # a terminal sends them to all; the supervisor decides
    os.nice(_NICE)
    gc.disable()  # a million rules make no cycles, and the process ends soon
    order = json.loads(sys.stdin.readline())
    outcome: dict[str, Any]
    try:
        layer, base = asyncio.run(compile_layer(order))
        outcome = {"layer": asdict(layer), "base": base}
    except MoatdnsError as error:
        outcome = {"error": str(error)}
    sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main()
