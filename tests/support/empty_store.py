"""An empty store, made once a run: to make one costs a start more than all else that it does with the store."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.programs import PYTHON

_MAKE = """
import asyncio, sys
from pathlib import Path
from admin_api.store.engine import StoreLimits, open_engines
from admin_api.store.migrating import bring_up_to_date
from resolver.telemetry.log import make_log

async def make(folder):
    engines = open_engines(None, folder, StoreLimits())
    await bring_up_to_date(engines, folder, make_log(), StoreLimits())
    await engines.changing.dispose()

asyncio.run(make(Path(sys.argv[1])))
"""


def put_empty_store(state_dir: Path) -> None:
    """Make a state directory with a store of today's tables that nobody has written to."""
    state_dir.mkdir(mode=0o700)
    for name, octets in _files().items():
        path = state_dir / name
        path.touch(mode=0o600)
        path.write_bytes(octets)


@functools.cache
def _files() -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        subprocess.run([PYTHON, "-P", "-c", _MAKE, folder], check=True, capture_output=True)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.name == "moatdns.sqlite"}
