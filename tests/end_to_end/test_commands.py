"""The commands as scripts use them: output, exit status, and what they say when something is wrong."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from resolver import __version__
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, free_port

BAD_CONFIG = """\
listen: {do53: ["127.0.0.1:5300"]}
workers: 2
upstreem: {servers: [system]}
policy:
  lists:
    - name: house
      block:
        - fine.example
        - "https://example.com/path"
        - com
  groups:
    - {name: one, networks: ["10.1.0.0/16"]}
    - name: two
      networks:
        - 10.2.0.0/16
        - 10.1.0.0/16
"""


def run(*arguments: str, folder: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of moatdns to its end."""
    return subprocess.run(
        [MOATDNS, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
        cwd=folder,
        env={**os.environ, **environment},
    )


def test_the_version_is_told() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"moatdns {__version__}\n", "")


def test_no_command_at_all_gives_help_and_a_wrong_one_is_wrong_usage() -> None:
    assert "serve" in run().stdout + run().stderr
    assert run("sreve").returncode == 2


def test_a_bad_config_is_told_with_every_line_and_key(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(BAD_CONFIG)
    done = run("check-config", "--config", str(file))
    assert (done.returncode, done.stdout) == (1, "")
    problems = done.stderr.splitlines()
    assert [line.rpartition(": ")[0] and line.split(" ")[0] for line in problems] == [
        f"{file}:{number}:" for number in (3, 9, 10, 16)
    ]
    unknown, no_name, suffix, twice = problems
    assert "upstreem" in unknown
    assert "'upstream'" in unknown or "upstream" in unknown.replace("upstreem", "")
    assert "policy.lists[0].block[1]" in no_name
    assert "policy.lists[0].block[2]" in suffix
    assert "policy.groups[1].networks[1]" in twice
    assert "one" in twice.partition("networks[1]")[2]


def test_a_bad_config_as_json_lists_its_problems(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(BAD_CONFIG)
    done = run("check-config", "--config", str(file), "--json")
    assert done.returncode == 1
    plain = json.loads(done.stdout)
    assert plain["ok"] is False
    assert len(plain["problems"]) == 4


def test_a_good_config_is_said_to_be_good(tmp_path: Path) -> None:
    file = tmp_path / "good.yaml"
    file.write_text("policy: {lists: [{name: house, block: [example.com]}]}\n")
    done = run("check-config", "--config", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    assert "good" in done.stdout
    assert json.loads(run("check-config", "--json", MOATDNS_CONFIG=str(file)).stdout)["ok"] is True


@pytest.mark.parametrize("command", ["serve", "check-config", "healthcheck"])
def test_a_config_that_is_named_must_exist(tmp_path: Path, command: str) -> None:
    missing = str(tmp_path / "missing.yaml")
    by_flag = command != "healthcheck"
    done = run(command, "--config", missing) if by_flag else run(command, folder=tmp_path, MOATDNS_CONFIG=missing)
    assert done.returncode == 1
    assert f"{missing}: " in done.stderr
    assert "does not exist" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_refuses_a_bad_config(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(BAD_CONFIG)
    done = run("serve", "--config", str(file))
    assert done.returncode == 1
    assert f"{file}:3: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_in_use_is_told_with_the_program_that_holds_it(tmp_path: Path, kind: socket.SocketKind) -> None:
    port = free_port()
    file = tmp_path / "moatdns.yaml"
    file.write_text(f"listen: {{do53: ['127.0.0.1:{port}']}}\n")
    with socket.socket(socket.AF_INET, kind) as held:
        held.bind(("127.0.0.1", port))
        if kind == socket.SOCK_STREAM:
            held.listen()
        done = run("serve", "--config", str(file))
    assert done.returncode == 1
    assert f"127.0.0.1:{port} is in use" in done.stderr
    assert f"(pid {os.getpid()})" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_server_on_the_same_port_or_state_is_refused(tmp_path: Path, office: Moatdns) -> None:
    done = run("serve", "--config", str(office.config_file))
    assert done.returncode == 1
    assert f"pid {office.pid}" in done.stderr
    file = tmp_path / "moatdns.yaml"
    file.write_text(f"listen: {{do53: ['127.0.0.1:{office.port}']}}\n")
    done = run("serve", "--config", str(file))
    assert done.returncode == 1
    itself = f"moatdns itself (pid {office.pid}), which is already running"
    assert f"listen.do53: 127.0.0.1:{office.port} is in use by {itself}" in done.stderr


def test_the_schema_is_json_schema_of_the_config() -> None:
    done = run("schema")
    assert done.returncode == 0
    schema = json.loads(done.stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["type"] == "object"
    assert {"listen", "workers", "state_dir", "clients", "upstream", "cache", "limits", "policy"} <= set(
        schema["properties"]
    )
    assert schema["additionalProperties"] is False
    for reference in re.findall(r'"\$ref": "#/\$defs/([^"]+)"', done.stdout):
        assert reference in schema["$defs"]
    types = {"object", "array", "string", "integer", "number", "boolean", "null"}
    for kind in re.findall(r'"type": "([^"]+)"', done.stdout):
        assert kind in types


def test_the_health_of_a_running_server_is_good_and_of_none_is_not(tmp_path: Path, office: Moatdns) -> None:
    done = run("healthcheck", "--config", str(office.config_file), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"ok": True, "address": "127.0.0.1", "port": office.port, "why": None}
    file = tmp_path / "moatdns.yaml"
    file.write_text(f"listen: {{do53: ['127.0.0.1:{free_port()}']}}\n")
    done = run("healthcheck", "--config", str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert "127.0.0.1" in done.stderr
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:  # holds the port and says nothing
        mute.bind(("127.0.0.1", 0))
        file.write_text(f"listen: {{do53: ['127.0.0.1:{mute.getsockname()[1]}']}}\n")
        done = run("healthcheck", "--config", str(file), "--timeout", "0.3", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["ok"] is False


def test_the_health_of_a_server_that_refuses_loopback_is_good(tmp_path: Path) -> None:
    config = {"workers": 1, "clients": {"allow": ["10.0.0.0/8"]}, "upstream": {"servers": ["udp://127.0.0.1:9"]}}
    with Moatdns(tmp_path / "moatdns", config) as moatdns:
        done = run("healthcheck", "--config", str(moatdns.config_file))
        assert (done.returncode, done.stderr) == (0, "")


def test_explain_tells_the_whole_why_in_words_and_as_json(office: Moatdns) -> None:
    config = ("--config", str(office.config_file))
    words = run("explain", "API.Anthropic.com", *config, "--client", "127.0.0.1")
    assert words.returncode == 0
    for word in ("block", "anthropic", "default", "api.anthropic.com"):
        assert word in words.stdout
    plain = json.loads(
        run("explain", "claude.ai", *config, "--client", "127.0.0.2", "--type", "HTTPS", "--json").stdout
    )
    assert (plain["verdict"], plain["service"], plain["type"]) == ("exempt", "anthropic/claude", "HTTPS")
    assert plain["group"] == {"name": "research", "via": "network", "network": "127.0.0.2/32"}
    assert plain["trace"]


def test_a_policy_of_another_config_is_told_with_the_way_to_the_right_one(office: Moatdns, tmp_path: Path) -> None:
    ours = run("explain", "claude.ai", "--config", str(office.config_file))
    assert "not made from" not in ours.stdout
    other = tmp_path / "other.yaml"
    other.write_text(f"state_dir: {office.state_dir}\n")
    told = run("explain", "claude.ai", "--config", str(other)).stdout
    assert f"which was not made from {other}: name the server's config with --config" in told


def test_every_explain_of_readme_and_make_names_the_config_that_the_server_was_given() -> None:
    root = Path(__file__).parents[2]
    readme = (root / "README.md").read_text()
    given = re.search(r"make run CONFIG=(\S+?)`", readme)
    assert given
    commands = re.findall(r"moatdns explain (?!NAME).*", readme.partition(given[0])[2])
    assert commands
    assert [command for command in commands if f"--config {given[1]}" not in command] == []
    printed = subprocess.run(
        ["make", "--dry-run", "--assume-old", ".venv/.installed-run", "run", f"CONFIG={given[1]}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
    ).stdout
    assert f"moatdns explain claude.ai --config {given[1]} " in printed


def test_explain_works_without_a_server_and_without_a_snapshot(tmp_path: Path) -> None:
    file = tmp_path / "moatdns.yaml"
    file.write_text("policy: {lists: [{name: house, block: [example.com]}]}\n")
    done = run("explain", "www.example.com", "--config", str(file), "--json")
    plain = json.loads(done.stdout)
    assert (plain["verdict"], plain["list"], plain["rule"]) == ("block", "house", "example.com")
    assert "no snapshot" in plain["origin"]
    file.write_text("policy: {groups: [{name: kiosk, client_names: [kiosk-7], exempt: true}]}\n")
    named = run("explain", "claude.ai", "--client-name", "Kiosk-7", "--config", str(file))
    assert "kiosk-7 is a client of group kiosk" in named.stdout
    assert run("explain", "a..b", "--config", str(file)).returncode == 2
    assert run("explain", "example.com", "--client", "nobody", "--config", str(file)).returncode == 2
