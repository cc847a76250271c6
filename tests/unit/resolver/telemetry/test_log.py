"""The log as other programs read it: the same fields, in the same order, as structlog's JSON would have."""

from __future__ import annotations

import json
import re
import subprocess
import sys

_LINES = """
import sys
from pathlib import Path
from resolver.telemetry.log import make_log
log = make_log()
log.info("serving", workers=2, listen=["127.0.0.1:53"])
log.warning("a note", file=Path("/tmp/ä"), nothing=None)
log.error("no event", level="mine", many={"a": [1.5, True]})
assert "structlog" not in sys.modules
"""


def test_a_line_is_one_object_with_its_facts_first() -> None:
    done = subprocess.run([sys.executable, "-c", _LINES], check=True, capture_output=True, text=True)
    serving, note, error = (json.loads(line) for line in done.stderr.splitlines())
    assert list(serving) == ["workers", "listen", "event", "level", "timestamp"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", serving["timestamp"])
    assert (serving["event"], serving["level"], serving["workers"]) == ("serving", "info", 2)
    assert (note["file"], note["nothing"], note["level"]) == ("/tmp/ä", None, "warning")
    assert (error["level"], error["many"]) == ("error", {"a": [1.5, True]})
