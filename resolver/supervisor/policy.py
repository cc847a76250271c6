"""The policy in force: the last good snapshot on disk, or a new one from the compiler's process."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from resolver.errors import SnapshotError
from resolver.snapshot_file import Manifest, last_good, read_manifest
from resolver.supervisor.plan import Plan
from resolver.telemetry.log import Log

SNAPSHOTS = "snapshots"  # folder below state_dir
OLD_POLICY_AFTER_SECONDS = 2.0  # how long a start waits for a new policy before it serves the last good one


async def first_policy(plan: Plan, good: Manifest | None, log: Log) -> tuple[Manifest, asyncio.Task[Manifest] | None]:
    """The policy to start with, and the compilation still running where the last good one has to serve meanwhile.

    Raises SnapshotError when nothing can be compiled and nothing `good` is on disk.
    """
    if good is not None and good.fingerprint == plan.fingerprint:
        return good, None
    compiling = asyncio.ensure_future(compile_policy(plan, log))
    if good is None:
        return await compiling, None
    done, _ = await asyncio.wait([compiling], timeout=OLD_POLICY_AFTER_SECONDS)
    if not done:
        log.warning("still compiling the new policy; serving the last good one", policy=good.revision)
        return good, compiling
    try:
        return compiling.result(), None
    except SnapshotError as error:
        log.error("the new policy cannot be compiled; serving the last good one", policy=good.revision, why=str(error))
        return good, None


async def compile_policy(plan: Plan, log: Log) -> Manifest:
    """Compile in a process of its own, which ends with it. Raises SnapshotError."""
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # never code of the folder that we happen to be started in
            "-m",
            "resolver.build",
            str(plan.state_dir / SNAPSHOTS),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
    except OSError as error:  # no process, no file descriptor left
        raise SnapshotError(f"the compiler cannot be started: {error.strerror or error}") from error
    try:
        output, _ = await process.communicate(json.dumps(plan.policy).encode())
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    try:
        outcome = json.loads(output)
    except ValueError:
        raise SnapshotError(f"the compiler ended with status {process.returncode} and no word") from None
    if "error" in outcome:
        raise SnapshotError(outcome["error"])
    log.info("policy compiled", policy=outcome["revision"], seconds=outcome["seconds"])
    return read_manifest(Path(outcome["manifest"]))


def policy_on_disk(state_dir: Path, log: Log) -> Manifest | None:
    """The last good snapshot, checked; what is damaged is told."""
    folder = state_dir / SNAPSHOTS
    try:
        _, manifest, refused = last_good(folder)
    except SnapshotError as error:
        if folder.is_dir():
            log.error("no compiled policy on disk can be used; compiling anew", why=str(error))
        return None
    for why in refused:
        log.error("a damaged policy is refused; the last good one is used", why=why, policy=manifest.revision)
    return manifest
