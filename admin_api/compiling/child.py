"""The compiler's process for what is large. Its memory and its time are nobody else's.

Run by the keeper as ``python -m admin_api.compiling.child FD``; asked to `CompileLayer` (admin_api.compiling.messages).
"""

from __future__ import annotations

import asyncio

from admin_api.child_process import do_for_parent
from admin_api.compiling.layers import base_rules, overlay_rules, read_wanted
from admin_api.compiling.messages import LAYER_CHANNEL, CompileLayer, LayerCompiled
from admin_api.store.store import Store
from resolver.policy.stack import RuleStack
from resolver.snapshot.manifests import SNAPSHOTS
from resolver.snapshot.snapshot_file import open_layers, write_layer
from resolver.telemetry.log import make_log


async def compile_layer(order: CompileLayer) -> LayerCompiled:
    """Compile what is ordered, and write it. Raises MoatdnsError."""
    folder = order.state_dir / SNAPSHOTS
    catalogue = order.catalogue.load()
    store = await Store.open(order.store_url, order.state_dir, make_log())
    try:
        async with store.read() as connection:
            wanted = await read_wanted(connection, catalogue)
            if order.below:
                stack = RuleStack(open_layers(folder, order.below))
                rules = await overlay_rules(connection, wanted, stack, order.below[-1].revision)
            else:
                rules = await base_rules(connection, wanted, catalogue, order.state_dir)
    finally:
        await store.close()
    return LayerCompiled(write_layer(folder, rules, wanted.revision), wanted.base)


if __name__ == "__main__":
    do_for_parent(LAYER_CHANNEL, (CompileLayer,), lambda order: asyncio.run(compile_layer(order)))
