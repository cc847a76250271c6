"""moatdns as the runs need it: with lists too long for a YAML library to write, and with its memory in view."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import psutil

from resolver.snapshot.manifests import Manifest, read_manifest
from tests.support.encrypted import Certificates
from tests.support.moatdns import Event, Moatdns

_TROUBLES = ("unexpected error in a worker", "a task of the supervisor failed", "workers that do not serve")


class Service(Moatdns):
    """A running `moatdns serve`. `block` goes into a list of the company's own, beside the policy of `config`.

    Trouble in its log fails no assertion here; `troubles` counts it, and a figure tells it.
    """

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        *,
        block: Sequence[str] = (),
        patience_seconds: float = 30.0,
        with_api: bool = False,
        certificates: Certificates | None = None,
    ) -> None:
        super().__init__(folder, config, with_api=with_api, certificates=certificates)
        self.expects_trouble = True
        self.makes_its_store = True  # as a first start does, whose time is a figure
        self.block = block
        self._patience_seconds = patience_seconds

    def __enter__(self) -> Self:
        self.start()
        return self

    def write_config(self, config: dict[str, Any]) -> None:
        """As the other does it, then the list, a line a rule."""
        super().write_config(config)
        if self.block:
            with self.config_file.open("a", encoding="utf-8") as file:
                file.write("policy:\n  lists:\n  - name: house\n    block:\n")
                file.writelines(f"    - {name}\n" for name in self.block)

    def wait_for(self, name: str, *, seconds: float | None = None) -> Event:
        """The first event of that name. Raises EOFError when the server ends without it, AssertionError when late."""
        return self.wait_for_another(name, 0, seconds=seconds)

    def wait_for_another(self, name: str, known: int, *, seconds: float | None = None) -> Event:
        """The first event of that name behind the `known` first events of the log."""
        deadline = time.monotonic() + (self._patience_seconds if seconds is None else seconds)
        while True:
            assert self.process
            has_ended = self.process.poll() is not None
            for event in self.events[known:]:
                if event["event"] == name:
                    return event
            if has_ended:
                raise EOFError(name)
            assert time.monotonic() < deadline, f"{name!r} is not in the log in time:\n{self.log_text[-2000:]}"
            time.sleep(0.02)

    @property
    def troubles(self) -> list[Event]:
        """Log lines about crashes and errors that nobody expected."""
        return [event for event in self.events if event["level"] == "text" or event["event"].startswith(_TROUBLES)]

    @property
    def manifest(self) -> Manifest:
        """The newest policy on disk."""
        return read_manifest(max(self.snapshots.glob("manifest-*.json")))

    def worker_pids(self) -> list[int]:
        """Of the workers that run now, in order."""
        return sorted(worker.pid for worker in self.workers())

    def worker_mib(self) -> list[float]:
        """Memory of each worker that is its own (USS), in MiB; shared pages do not count."""
        return [psutil.Process(pid).memory_full_info().uss / 2**20 for pid in self.worker_pids()]

    def workers_cpu_seconds(self) -> float:
        """CPU time that the workers of now have used, in seconds, in user and kernel."""
        times = (psutil.Process(pid).cpu_times() for pid in self.worker_pids())
        return sum(each.user + each.system for each in times)
