"""Upstreams of the runs' own, each a process: one that answers as told and keeps a record, and one that lies."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.programs import end, free_port, wait_until

_ROOT = Path(__file__).resolve().parent.parent
ADDRESS = "192.0.2.1"


@dataclass(frozen=True, slots=True)
class UpstreamQuery:
    """One query that an upstream got, at a monotonic second."""

    at: float
    port: int  # that it came from
    message_id: int
    name: str
    transport: str = "udp"


class _Program:
    """A program on a port of 127.0.0.1 while the context lasts; then `asked` is its record."""

    def __init__(self, folder: Path, module: str, behaviour: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.asked: list[UpstreamQuery] = []
        self._module = module
        self._folder = folder
        self._behaviour = {
            "port": self.port,
            "ready": str(folder / "ready"),
            "asked": str(folder / "asked"),
            **behaviour,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def server(self) -> str:
        """As `upstream.servers` names it."""
        return f"udp://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, json.dumps(self._behaviour)], cwd=_ROOT, stdout=log, stderr=log
            )
        try:
            wait_until((self._folder / "ready").exists, f"{self._module} is ready")
        except BaseException:
            end(self._process)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            end(self._process)
            self._process = None
            if kind is None:
                lines = (self._folder / "asked").read_text(encoding="ascii").splitlines()
                self.asked = [UpstreamQuery(*json.loads(line)) for line in lines]
                log = (self._folder / "log").read_text()
                assert not log, f"{self._module}: {log}"

    def stop(self) -> None:
        """End it now, and read its record."""
        self.__exit__(None, None, None)

    def toggle(self) -> float:
        """Make it silent, or have it speak again; gives the moment."""
        assert self._process
        self._process.send_signal(signal.SIGUSR1)
        return time.monotonic()


class Upstream(_Program):
    """An upstream that answers every A query with one address; `aliases` lead to other names, with that address.

    Names below `attacked_zone` do not exist, which is told after a delay of their own, or get no answer at all. They
    are in no record.
    One that `truncates` says over UDP that its answers are too large for it. Over TCP it never answers: it refuses
    connections, or takes them and is silent (`silent_tcp`).
    """

    def __init__(
        self,
        folder: Path,
        *,
        address: str = ADDRESS,
        ttl_seconds: int = 300,
        delay_seconds: float = 0.0,
        aliases: Mapping[str, str] | None = None,
        silent: bool = False,
        keeps_record: bool = True,
        attacked_zone: str = "",
        attacked_delay_seconds: float = 0.0,
        attacked_is_silent: bool = False,
        truncates: bool = False,
        silent_tcp: bool = False,
    ) -> None:
        behaviour = {
            "address": address,
            "ttl_seconds": ttl_seconds,
            "delay_seconds": delay_seconds,
            "aliases": dict(aliases or {}),
            "silent": silent,
            "keeps_record": keeps_record,
            "attacked_zone": attacked_zone,
            "attacked_delay_seconds": attacked_delay_seconds,
            "attacked_is_silent": attacked_is_silent,
            "truncates": truncates,
            "silent_tcp": silent_tcp,
        }
        super().__init__(folder, "prove.upstream_program", behaviour)


class Liar(_Program):
    """An upstream that lies `lies` times before it tells the truth; how, the name's first letters say."""

    def __init__(self, folder: Path, *, lies: int) -> None:
        super().__init__(folder, "prove.liar_program", {"lies": lies})


class WorstUpstream(_Program):
    """An upstream over TCP whose answers cost a parser most (prove.worst_messages)."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "prove.worst_program", {})

    @property
    def server(self) -> str:
        """As `upstream.servers` names it."""
        return f"tcp://127.0.0.1:{self.port}"
