"""Tokens from the command line, and the admin API with TLS and without."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import trustme

from tests.support.api import Api
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, program, wait_until

CONFIG: dict[str, Any] = {"workers": 1, "upstream": {"servers": ["127.0.0.1:1"]}}


def run(server: Moatdns, *words: str) -> subprocess.CompletedProcess[str]:
    command = [MOATDNS, *words, "--config", str(server.config_file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


def test_a_token_made_on_the_command_line_works_at_once_until_it_is_revoked(tmp_path: Path) -> None:
    with Moatdns(tmp_path, CONFIG, with_api=True) as server:
        server.api.get("lists")
        made = run(
            server,
            "token",
            "create",
            "--name",
            "board",
            "--role",
            "viewer",
            "--role",
            "investigator",
            "--expires",
            "90d",
        )
        assert made.returncode == 0, made.stderr
        token = made.stdout.strip()
        assert made.stdout == f"{token}\n", "the token alone"
        board = Api(server.admin_port, token)
        assert board.call("GET", "lists").status == 200
        assert board.call("POST", "lists", {"name": "a"}).status == 403
        shown = json.loads(run(server, "token", "list", "--json").stdout)
        assert {row["name"]: row["roles"] for row in shown} == {
            "first": ["admin", "investigator"],
            "board": ["viewer", "investigator"],
        }
        assert run(server, "token", "revoke", "board").returncode == 0
        assert board.call("GET", "lists").status == 401
        again = run(server, "token", "revoke", "board")
        assert (again.returncode, again.stdout) == (1, "")
        assert "board" in again.stderr
        assert run(server, "token", "create", "--name", "x", "--role", "king").returncode == 2
        alone = run(server, "token", "create", "--name", "x", "--role", "investigator")
        assert (alone.returncode, "add viewer, operator or admin" in alone.stderr) == (2, True)
    assert token not in server.log_text
    assert run(server, "token", "create", "--name", "later", "--role", "admin").returncode == 0, "no server runs"


def test_with_a_certificate_the_api_speaks_tls_and_takes_a_new_one_at_sighup(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    def issue() -> None:
        issued = authority.issue_cert("127.0.0.1", "localhost")
        issued.private_key_pem.write_to_path(tmp_path / "key.pem")
        issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")

    def serial(server: Moatdns) -> str:
        command = [program("curl"), "-sS", "--cacert", str(tmp_path / "ca.pem"), "-w", "%{certs}", "-o", "/dev/null"]
        url = f"https://127.0.0.1:{server.admin_port}/health"
        done = subprocess.run([*command, url], capture_output=True, text=True, timeout=30, check=True)
        return next(line for line in done.stdout.splitlines() if line.startswith("Serial"))

    issue()
    tls = {"certificate": str(tmp_path / "cert.pem"), "private_key": str(tmp_path / "key.pem")}
    config = {**CONFIG, "admin": {"tls": tls}}
    with Moatdns(tmp_path / "moatdns", config, with_api=True) as server:
        wait_until(lambda: server.control() is not None, "the control process")
        first = serial(server)
        issue()
        server.hang_up()
        wait_until(lambda: serial(server) != first, "the new certificate")


def test_without_tls_it_does_not_listen_beyond_loopback(tmp_path: Path) -> None:
    server = Moatdns(tmp_path, {**CONFIG, "admin": {"listen": "0.0.0.0:8053"}})
    server.port = 5300
    server.write_config(server._config)
    refused = run(server, "check-config")
    assert refused.returncode == 1
    assert "admin.listen" in refused.stderr
    assert "tokens would be sent unencrypted" in refused.stderr
