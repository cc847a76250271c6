"""A wheel, compiled or not, in a virtual environment of its own, as its users would have it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

from bench.errors import BenchError

_OUR_LIBRARIES = "of_the_bench.pth"


def installed(wheel: Path, folder: Path) -> str:
    """Install a wheel into a new environment in `folder`; its interpreter. Raises BenchError where that fails.

    What moatdns needs besides is borrowed from the environment that we run in: both forms then have the same.
    """
    if not wheel.is_file():
        raise BenchError(f"there is no {wheel}: 'make compiled' makes it")
    _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    python = str(folder / "bin" / "python")
    install = ("install", "--no-deps", "--quiet", "--disable-pip-version-check", "--force-reinstall", str(wheel))
    _run(sys.executable, "-m", "pip", "--python", python, *install)
    libraries = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    # A folder named in a .pth file comes last, and the .pth files in it, that of our editable install, do not count.
    (libraries / _OUR_LIBRARIES).write_text(sysconfig.get_path("purelib") + "\n")
    return python


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(command)} ended with status {done.returncode}: {done.stderr.strip()[-2000:]}")
