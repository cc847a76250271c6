"""A gateway's set-up of the lease hooks: config, token, map and state in a folder, and the scripts that ship."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import psutil

from tests.support.lease_api import TOKEN
from tests.support.programs import PATIENCE_SECONDS, program

ROOT = Path(__file__).parents[2]
VPN = ROOT / "deploy/vpn"
DHCP = ROOT / "deploy/dhcp"
_CONFIG_VARIABLE = "MOATDNS_LEASE_HOOK_CONF"


class Gateway:
    """The hooks' files below a folder. `more` are further lines of the config."""

    def __init__(self, folder: Path, url: str, *, devices: str = "", **more: str) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.config_file = folder / "lease-hook.conf"
        self.token_file = folder / "token"
        self.token_file.write_text(f"{TOKEN}\n")
        self.token_file.chmod(0o600)
        map_file = folder / "map"
        map_file.write_text(devices)
        values = {"URL": url, "TOKEN_FILE": str(self.token_file), "STATE_DIR": str(self.state), "MAP": str(map_file)}
        self.config_file.write_text("".join(f"{key}={value}\n" for key, value in (values | more).items()))

    def run(self, script: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """One call of a hook, as its server makes it, until its output's end as well; `given` is its input."""
        environment = {_CONFIG_VARIABLE: str(self.config_file), "PATH": os.environ["PATH"]}
        return subprocess.run(
            [str(script), *words],
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def wrapper(self, script: Path) -> Path:
        """A script that calls a hook with this config: for servers that give their hooks no environment of ours."""
        wrapper = self.folder / f"run-{script.name}"
        wrapper.write_text(f'#!/bin/sh\n{_CONFIG_VARIABLE}={self.config_file} exec {script} "$@"\n')
        wrapper.chmod(0o755)
        return wrapper

    def sender(self) -> psutil.Process | None:
        """The process that sends, if there is one."""
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            process = psutil.Process(int((self.state / "sender.lock").read_text()))
            if process.environ().get(_CONFIG_VARIABLE) == str(self.config_file):
                return process
        return None

    def end(self) -> None:
        """End the process that sends: where the API is away for good, it would try for minutes."""
        if sender := self.sender():
            sender.kill()

    def waiting(self) -> int:
        """How many orders are not sent yet."""
        return len(list((self.state / "orders").iterdir()))


def in_namespace(rig: str, folder: Path, *words: str) -> str:
    """What a rig printed: a module of tests.deploy.rigs, run in a network of its own, in which it is root.

    Nothing that it started lives on after it.
    """
    namespace = [
        program("unshare"),
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--map-root-user",
        "--",
    ]
    ran = subprocess.run(
        [*namespace, sys.executable, "-m", f"tests.deploy.rigs.{rig}", str(folder), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
