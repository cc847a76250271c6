"""The C programs of the comparison, compiled when it runs: the load and the echo (bench/c)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bench.errors import BenchError

_SOURCES = Path(__file__).resolve().parent / "c"
_SECONDS = 60.0


def built(program: str, folder: Path) -> Path:
    """Compile bench/c/`program`.c into `folder`, unless it is there; its path. Raises BenchError where that fails."""
    path = folder / program
    if path.exists():
        return path
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise BenchError("no C compiler: the load is a C program (apt-get install gcc libc6-dev)")
    folder.mkdir(parents=True, exist_ok=True)
    command = [compiler, "-O2", "-o", str(path), str(_SOURCES / f"{program}.c"), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if done.returncode:
        raise BenchError(f"{program}.c does not compile: {done.stderr.strip()[-2000:]}")
    return path
