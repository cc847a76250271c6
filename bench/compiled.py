"""A wheel in a virtual environment of its own, as its users have it: ``python -m bench.compiled WHEEL FOLDER``."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

from bench.errors import BenchError

_ROOT = Path(__file__).resolve().parent.parent
_BORROWED = "borrowed.pth"


def installed(wheel: Path, folder: Path) -> str:
    """Install a wheel into a new environment in `folder`; its interpreter. Raises BenchError where that fails.

    In place of a wheel, an environment that this made before may be named.

    What moatdns needs besides is borrowed from the environment that we run in, and tests from the source tree; started
    with -P, it finds moatdns itself in the wheel alone.
    """
    if (wheel / "bin" / "python").exists():
        return str(wheel.absolute() / "bin" / "python")
    if not wheel.is_file():
        raise BenchError(f"there is no {wheel}: 'make compiled' makes it")
    _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    python = str(folder / "bin" / "python")
    install = ("install", "--no-deps", "--quiet", "--disable-pip-version-check", "--force-reinstall", str(wheel))
    _run(sys.executable, "-m", "pip", "--python", python, *install)
    libraries = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    # Folders named in a .pth file come last, and .pth files in them, that of our editable install, do not count.
    (libraries / _BORROWED).write_text(f"{sysconfig.get_path('purelib')}\n{_ROOT}\n")
    return python


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(command)} ended with status {done.returncode}: {done.stderr.strip()[-2000:]}")


if __name__ == "__main__":
    print(installed(Path(sys.argv[1]), Path(sys.argv[2])))
