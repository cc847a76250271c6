"""Notes on configs that are good: what an admin would otherwise find out by wondering."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from resolver.config.load import load_config
from resolver.config.notes import config_notes


def notes_of(tmp_path: Path, config: dict[str, Any]) -> list[str]:
    """The notes on a config."""
    file = tmp_path / "moatdns.yaml"
    file.write_text(yaml.safe_dump(config))
    return list(config_notes(load_config(file)))


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"listen": {"do53": ["[::]:53"]}}, "listen.do53"),
        ({"listen": {"do53": ["[::]:53", "0.0.0.0:5353"]}}, "listen.do53"),
        ({"block_page": {"listen": ["[::]:53"]}}, "block_page.listen"),
        ({"admin": {"listen": "[::]:53", "insecure": True}}, "admin.listen"),
        ({"listen": {"dot": ["[::]:53"]}, "tls": {"certificate": "c", "private_key": "k"}}, "listen.dot"),
    ],
)
def test_a_wildcard_of_ipv6_alone_is_told(tmp_path: Path, config: dict[str, Any], key: str) -> None:
    found = [note for note in notes_of(tmp_path, config) if "IPv6 only" in note]
    assert len(found) == 1
    assert found[0].startswith(f"{key}: [::]:53 is IPv6 only: ")
    assert "0.0.0.0:53" in found[0]


@pytest.mark.parametrize(
    "texts", [["[::]:53", "0.0.0.0:53"], ["[::]:53", "192.0.2.1:53"], ["[::1]:53"], ["0.0.0.0:53"]]
)
def test_with_ipv4_beside_it_there_is_nothing_to_tell(tmp_path: Path, texts: list[str]) -> None:
    assert not [note for note in notes_of(tmp_path, {"listen": {"do53": texts}}) if "IPv6 only" in note]


@pytest.mark.parametrize(("exempt", "mode"), [(True, "monitor"), (True, "enforce"), (False, "monitor")])
def test_an_exempt_group_that_is_to_be_watched_is_told(tmp_path: Path, exempt: bool, mode: str) -> None:
    group = {"name": "lab", "networks": ["10.1.0.0/16"], "exempt": exempt, "mode": mode}
    found = [note for note in notes_of(tmp_path, {"policy": {"groups": [group]}}) if "'lab'" in note]
    assert bool(found) is (exempt and mode == "monitor")
    assert all("exempt: true goes before mode: monitor" in note for note in found)


@pytest.mark.parametrize("ca", [None, "ca.pem"])
@pytest.mark.parametrize("name", ["kiosk-7", "proved:kiosk-7"])
def test_a_name_that_nobody_can_prove_is_told(tmp_path: Path, ca: str | None, name: str) -> None:
    tls = {"certificate": "c", "private_key": "k", "clients": {"ca": ca}}
    groups = [{"name": "lab", "client_names": [name]}]
    found = [note for note in notes_of(tmp_path, {"tls": tls, "policy": {"groups": groups}}) if "'lab'" in note]
    assert bool(found) is (name.startswith("proved:") and ca is None)
    assert all("nobody can prove proved:kiosk-7, since clients are asked for no certificate" in one for one in found)


@pytest.mark.parametrize("allow", [["ai"], ["vendors", "resellers"], ["openai"]])
def test_a_group_that_allows_what_ai_means_now_is_told_how_to_write_what_it_meant(
    tmp_path: Path, allow: list[str]
) -> None:
    groups = [{"name": "legal", "allow": allow}, {"name": "default", "block": ["ai"]}]
    found = [note for note in notes_of(tmp_path, {"policy": {"groups": groups}}) if "resellers" in note]
    assert len(found) == ("ai" in allow)
    assert all("'legal'" in note and "'default'" not in note and "write 'vendors'" in note for note in found)


@pytest.mark.parametrize(
    ("monitor", "until", "told"),
    [
        (["clouds"], None, None),
        (["clouds"], "2099-01-01T00:00:00Z", None),
        (["clouds"], "2020-01-01T00:00:00+02:00", "clouds is no longer watched"),
        ([], "2099-01-01T00:00:00Z", "has no effect"),
    ],
)
def test_a_watch_that_is_none_is_told(tmp_path: Path, monitor: list[str], until: str | None, told: str | None) -> None:
    group = {"name": "default", "monitor": monitor, "monitor_until": until}
    found = [note for note in notes_of(tmp_path, {"policy": {"groups": [group]}}) if "'default'" in note]
    assert len(found) == (told is not None)
    assert all(str(told) in note for note in found)
