"""A log that cannot be written, as on a full disk, keeps nobody from being served."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from tests.support.clients import ask, is_blocked
from tests.support.moatdns import MOATDNS, Moatdns
from tests.support.programs import ended, free_port


def test_with_a_log_on_a_full_disk_queries_are_answered_and_the_end_is_clean(tmp_path: Path) -> None:
    server = Moatdns(tmp_path, {"workers": 2, "upstream": {"servers": ["127.0.0.1:1"]}}, with_api=True)
    server.port, server.admin_port = free_port(), free_port()
    server.write_config({"workers": 2, "upstream": {"servers": ["127.0.0.1:1"]}})
    command = [MOATDNS, "serve", "--config", str(server.config_file)]
    with Path("/dev/full").open("wb") as full, ended(subprocess.Popen(command, stdout=full, stderr=full)) as process:
        assert server.api.get("/health") == {"status": "ok"}
        assert is_blocked(ask(server.port, "claude.ai"))
        process.send_signal(signal.SIGHUP)  # says something in every process
        assert is_blocked(ask(server.port, "claude.ai"))
        process.terminate()
        assert process.wait(30) == 0
