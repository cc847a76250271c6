"""A bind to all addresses on a host with several of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.programs import program


def test_a_reply_leaves_from_the_address_that_was_asked_also_when_it_came_up_after_the_start(tmp_path: Path) -> None:
    namespace = [program("unshare"), "--net", "--map-root-user", "--"]
    ran = subprocess.run(
        [*namespace, sys.executable, "-m", "tests.support.namespace", str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    answers = json.loads(ran.stdout)
    assert len(answers) == 7
    assert answers == {address: [["0.0.0.0"], ["0.0.0.0"]] for address in answers}
