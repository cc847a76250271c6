"""The state directory as a process takes hold of it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from moatdns.supervisor.own_process import held_state
from resolver.system.state_files import writing_whole
from resolver.telemetry.pseudonyms import SECRETS_FILE


def killed_while_it_writes(path: Path) -> None:
    """Have a process die in the middle of writing a file."""
    child = os.fork()
    if child == 0:
        with writing_whole(path) as file:
            file.write(b"half of a secret")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_what_killed_writers_left_is_gone_at_the_next_start_secrets_first_of_all(tmp_path: Path) -> None:
    places = [SECRETS_FILE, "cookie.secret", "subjects/journal-000001.jsonl", "catalogue/state.json"]
    for place in places:
        (tmp_path / place).parent.mkdir(exist_ok=True)
        killed_while_it_writes(tmp_path / place)
    left = list(tmp_path.rglob(".*.part"))
    assert len(left) == len(places)
    (tmp_path / SECRETS_FILE).write_text("whole")
    elsewhere = tmp_path / "before-restore-20261127T000000Z-0000"
    elsewhere.mkdir()
    (elsewhere / ".kept.part").touch()
    (tmp_path / "linked").symlink_to(elsewhere)
    with held_state(tmp_path):
        assert list(tmp_path.rglob(".*.part")) == [elsewhere / ".kept.part"]
        assert (tmp_path / SECRETS_FILE).read_text() == "whole"
