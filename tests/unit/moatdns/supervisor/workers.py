"""Workers that are scripts: healthy ones, and each way in which one can go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resolver.config.settings import WorkerSettings
from resolver.snapshot.journal_places import Position
from resolver.snapshot.manifests import LayerFiles, Manifest, Origin
from resolver.system.channel import Refusal
from resolver.worker.messages import (
    BeginCounters,
    CountersBegun,
    Counts,
    Flush,
    Flushed,
    Listening,
    Ping,
    PolicyInForce,
    Serve,
    StopWorker,
    SubjectsInForce,
    UsePolicy,
    UseSubjects,
    WorkerAlive,
)
from tests.unit.children import FakeChild, Script

SETTINGS = WorkerSettings()
SUBJECTS = Position(Path("/state/subjects/journal-000001.jsonl"), 100)


def policy(revision: int) -> Manifest:
    """A policy whose file's name is its revision."""
    entry = {"name": "x", "sha256": "0", "bytes": 1}
    layers = (LayerFiles(entry, entry, entry),)
    origin = Origin(f"print-{revision}", "")
    return Manifest(Path(f"/snapshots/{revision}"), revision, float(revision), origin, layers, entry)


@dataclass
class Ways:
    """How a worker goes wrong; by default it does not."""

    start_seconds: float = 0.0  # before it listens
    refuses: Collection[int] = ()  # policies, when it is to begin with them or to use them
    crashes_over: Collection[int] = ()  # likewise
    crash_status: int = -11
    lives_seconds: float | None = None  # then it crashes
    answers_pings: bool = True
    takes_subjects: bool = True
    begins_counters: bool = True
    answers_flush: bool = True
    stops: bool = True
    says: bytes = b""  # when it is asked for a sign of life


def worker(**ways: Any) -> Script:
    """A worker's script."""
    way = Ways(**ways)

    async def play(child: FakeChild) -> int | None:
        await asyncio.sleep(way.start_seconds)
        child.channel.tell(Listening())
        async with asyncio.timeout(way.lives_seconds) as life:
            try:
                return await obey(child)
            except TimeoutError:
                assert life.expired()
        return way.crash_status

    async def obey(child: FakeChild) -> int:
        async for received in child.channel.heard():
            child.heard.append(received.message)
            answer: object = None
            match received.message:
                case Serve(manifest=path) | UsePolicy(path):
                    revision = int(path.name)
                    if revision in way.crashes_over:
                        return way.crash_status
                    answer = Refusal("damaged") if revision in way.refuses else PolicyInForce(revision)
                case UseSubjects():
                    answer = SubjectsInForce() if way.takes_subjects else Refusal("no journal")
                case BeginCounters():
                    answer = CountersBegun() if way.begins_counters else Refusal("the disk is full")
                case Flush():
                    answer = Flushed(3) if way.answers_flush else None
                case Ping() if way.says:
                    child.theirs.send(way.says)
                case Ping() if way.answers_pings:
                    child.channel.tell(WorkerAlive(1000, (), ()))
                case StopWorker() if way.stops:
                    child.channel.tell(Counts({"outcomes": {}}))
                    return 0
            if answer is not None:
                child.channel.answer(received.request, answer)
        return 0  # the supervisor is gone

    return play


async def silent(child: FakeChild) -> None:
    """It runs, and never says a word."""
    await asyncio.Event().wait()


async def deaf(child: FakeChild) -> None:
    """It listens, and answers nothing."""
    child.channel.tell(Listening())
    async for received in child.channel.heard():
        child.heard.append(received.message)


async def dies(child: FakeChild) -> int:
    """It ends at once."""
    return 1
