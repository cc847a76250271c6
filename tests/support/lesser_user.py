"""moatdns started as root, to become an ordinary user of this machine: a Python that this user may run, a folder."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from resolver.system.privileges import Account
from tests.support.moatdns import Moatdns
from tests.support.programs import PATIENCE_SECONDS, free_port

ROOT_OF_PROJECT = Path(__file__).parents[2]
LESSER = Account.named("nobody")


@functools.cache
def python_for_anybody() -> str:
    """A Python of this version that an ordinary user may run, too: the one in use may lie in root's home."""
    wanted = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = [sys.executable, *(str(place) for place in (Path("/usr/bin") / wanted, Path("/usr/local/bin") / wanted))]
    for python in found:
        if Path(python).exists() and _may_run(python):
            return python
    raise RuntimeError(f"no {wanted} that {LESSER.name!r} may run; install Debian's")


def _may_run(python: str) -> bool:
    become = f"import os; os.setgroups([]); os.setresgid(*[{LESSER.gid}] * 3); os.setresuid(*[{LESSER.uid}] * 3)"
    command = [python, "-P", "-c", "import moatdns.cli.serve, moatdns.build, admin_api.control"]
    done = subprocess.run(
        [sys.executable, "-c", f"{become}; os.execv({python!r}, {command!r})"],
        env=environment(),
        cwd="/",
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def environment() -> dict[str, str]:
    """Where that Python finds the project, and what it is made with."""
    return {**os.environ, "PYTHONPATH": f"{ROOT_OF_PROJECT}:{sysconfig.get_path('purelib')}"}


class RootStarted(Moatdns):
    """A server that root starts with `user: nobody` (or `user`), in a folder that everybody may pass to."""

    def __init__(self, folder: Path, config: dict[str, Any], *, user: str | None = LESSER.name, **more: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        super().__init__(folder, {"user": user, "workers": 1, **config}, **more)
        self.command = [python_for_anybody(), "-P", "-m", "moatdns"]
        self.environment = environment()
        self.ready_to_start: Callable[[], None] = lambda: None  # what a test does once the config is there

    def give_state_away(self) -> None:
        """Have the state directory be the user's, as an earlier start leaves it."""
        self.state_dir.mkdir(exist_ok=True)
        shutil.chown(self.state_dir, LESSER.uid, LESSER.gid)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of ours, as root."""
        return subprocess.run(
            [*self.command, *words, "--config", str(self.config_file)],
            env=self.environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @contextlib.contextmanager
    def started_or_refused(self) -> Iterator[None]:
        """Start it, and see whether it serves or says why not: either is good, so long as nothing else happens."""
        self.prepare()
        self.launch()
        assert self.process
        with contextlib.suppress(EOFError):
            self.wait_for("serving")
        self.expects_trouble = True  # what it says as it ends is no JSON
        try:
            yield
        finally:
            self.stop()
        assert "Traceback" not in self.log_text

    def refusal(self) -> str:
        """Start it, and give what it says where it ends at once."""
        self.prepare()
        self.launch()
        assert self.process
        assert self.process.wait(PATIENCE_SECONDS) == 1, self.log_text
        return self.log_text

    def prepare(self) -> None:
        """Write its config, with ports that are free."""
        self.port, self.admin_port = free_port(), free_port()
        self.write_config(self._config)
        self.ready_to_start()
