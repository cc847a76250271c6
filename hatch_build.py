"""With MOATDNS_COMPILE=1, a wheel has its query path compiled to C by mypyc: the same modules, a missed query for less.

Otherwise the wheel holds the Python modules alone. An editable install is never compiled: what is edited there must be
what runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_SETUP = """
import sys
from mypyc.build import mypycify
from setuptools import setup
options = ["--ignore-missing-imports", *sys.argv.pop(1).split(",")]
# A C file for each module: gcc takes half the time of one that holds them all.
setup(name="moatdns", packages=[], ext_modules=mypycify(options, opt_level="3", multi_file=True))
"""


class CompiledQueryPath(BuildHookInterface):  # type: ignore[type-arg]
    """Puts an extension module beside each module that pyproject.toml names here."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, in a folder that is gone afterwards."""
        if version == "editable" or os.environ.get("MOATDNS_COMPILE") != "1":
            return
        compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
        if not shutil.which(compiler):
            raise RuntimeError(f"there is no C compiler ({compiler}): install one, or leave MOATDNS_COMPILE out")
        modules = self.compiled_modules()
        self._folder = tempfile.TemporaryDirectory()
        built = Path(self._folder.name)
        script = built / "setup.py"
        script.write_text(_SETUP)
        command = [sys.executable, str(script), ",".join(modules), "build_ext", "--build-lib", str(built / "lib")]
        done = subprocess.run(
            [*command, "--build-temp", str(built / "temp"), "--parallel", str(os.cpu_count() or 1)],
            cwd=self._copied(built / "source"),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the query path cannot be compiled:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        for one in (built / "lib").rglob(f"*{suffix}"):
            build_data["force_include"][str(one)] = str(one.relative_to(built / "lib"))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Let go of the folder: its files are in the wheel."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()

    def compiled_modules(self) -> list[str]:
        """Those of `folders` but for `interpreted`, and `modules`. Raises RuntimeError where one is no file."""
        root = Path(self.root)
        paths = [path for folder in self.config["folders"] for path in (root / folder).glob("*.py")]
        inside = {str(path.relative_to(root)) for path in paths}
        interpreted, named = set(self.config["interpreted"]), set(self.config["modules"])
        if strangers := (interpreted - inside) | {name for name in named if not (root / name).is_file()}:
            raise RuntimeError(f"pyproject.toml: there is no module {', '.join(sorted(strangers))}")
        found = inside - interpreted | named
        return sorted(name for name in found if not name.endswith("__init__.py"))

    def _copied(self, folder: Path) -> Path:
        """The packages alone: mypyc writes beside what it compiles."""
        for package in ("resolver", "blocklists"):
            shutil.copytree(Path(self.root) / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
        return folder
