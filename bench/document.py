"""``python -m bench.document FILE``: a run's figures into docs/performance.md, .json and .svg.

FILE is what `bench.compare --json` wrote; the picture lies beside it, as .svg. The page's text stays: only what stands
between its two marks is replaced.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from bench.errors import BenchError

DOCS = Path(__file__).resolve().parent.parent / "docs"
BEGIN, END = "<!-- figures of a run: begin -->", "<!-- figures of a run: end -->"


def told(run: dict[str, object]) -> str:
    """The part of the page between the marks."""
    machine, versions, effort = (run[part] for part in ("machine", "versions", "effort"))
    assert isinstance(machine, dict)
    assert isinstance(versions, dict)
    assert isinstance(effort, dict)
    programs = ", ".join(f"{program} {version}" for program, version in versions.items())
    system = f"{machine['cores']} cores, CPython {machine['python']}, Linux {machine['kernel']}"
    effort_told = f"{effort['rounds']} rounds of {effort['seconds']:g} s"
    idle = f"load average before {machine['load_average']}"
    head = f"`{run['command']}` on {str(run['date'])[:10]}: {system}, {idle}; {effort_told}; {programs}."
    picture = "![CPU a query of each server in relation to unbound's](performance.svg)"
    return f"{head}\n\n{picture}\n\n{run['tables']}"


def replaced(page: str, part: str) -> str:
    """The page with a new part between the marks. Raises BenchError when they are not there."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise BenchError(f"the page has no {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{part}\n\n{END}{after}"


def main() -> int:
    """Write the three files; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.document", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("file", type=Path)
    file = parser.parse_args().file
    picture = file.with_suffix(".svg")
    if missing := [str(one) for one in (file, picture) if not one.is_file()]:
        parser.error(f"there is no {' and no '.join(missing)}: --json and --svg of bench.compare write them")
    run = json.loads(file.read_text())
    page = DOCS / "performance.md"
    page.write_text(replaced(page.read_text(), told(run)))
    for result in run["results"]:
        for server in result["servers"].values():
            server.pop("samples", None)  # megabytes
    (DOCS / "performance.json").write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n")
    shutil.copy(picture, DOCS / "performance.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
