"""The command that prints firewall rules: filled in by a config, and its mistakes in a line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from moatdns.cli.firewall import app

pytestmark = pytest.mark.slow  # each command reads the catalogue

CONFIG = """
listen: {do53: ["127.0.0.1:53", "10.0.0.53:53"]}
clients: {allow: [loopback, 10.0.0.0/8]}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "moatdns.yaml"
    file.write_text(CONFIG)
    return file


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """Status, output and errors."""
    ended = CliRunner().invoke(app, [*map(str, arguments)])
    return ended.exit_code, ended.stdout, ended.stderr


def test_rules_are_filled_in_by_the_config(config: Path) -> None:
    status, text, _ = run("nftables", "--config", config, "--public-resolvers", "--vendor", "anthropic")
    assert status == 0
    assert "elements = { 10.0.0.53/32 }" in text
    assert "elements = { 10.0.0.0/8 }" in text
    assert "9.9.9.9/32" in text
    assert "160.79.104.0/23" in text
    status, text, _ = run("pf", "--config", config, "--json")
    assert json.loads(text)["format"] == "pf"


def test_addresses_of_a_file_are_closed_too(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "doh.txt"
    file.write_text("# ours\n192.0.2.8  # a resolver\n\n2001:db8::8\n")
    _, text, _ = run("mikrotik", "--config", config, "--resolvers-file", file)
    assert "add list=moatdns-public address=192.0.2.8/32" in text


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (["ipchains"], 2, "is no format: use one of nftables"),
        (["nftables", "--resolver", "dns.example"], 1, "is not a network"),
        (["nftables", "--resolver", "10.0.0.0/8"], 1, "name this resolver's addresses"),
        (["nftables", "--vendor", "openai"], 1, "these do: anthropic"),
        (["nftables", "--resolvers-file", "/nowhere"], 1, "No such file"),
    ],
)
def test_a_mistake_is_told_in_a_line(config: Path, arguments: list[str], status: int, why: str) -> None:
    ended, _, said = run(*arguments, "--config", config)
    assert ended == status
    assert why in said
    assert said.count("\n") == 1


def test_a_config_that_says_no_address_of_ours_asks_for_one(tmp_path: Path) -> None:
    file = tmp_path / "moatdns.yaml"
    file.write_text('listen: {do53: ["0.0.0.0:53"]}\n')
    status, _, said = run("nftables", "--config", file)
    assert (status, "--resolver" in said) == (1, True)
    assert run("nftables", "--config", file, "--resolver", "192.0.2.53")[0] == 0
