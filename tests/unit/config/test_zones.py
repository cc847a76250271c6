"""The key `upstream.zones`."""

from __future__ import annotations

from pathlib import Path

import pytest

from resolver.config.load import load_config
from resolver.config.to_settings import worker_settings
from resolver.errors import ConfigError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "moatdns.yaml"
    path.write_text(text)
    return path


def test_a_zone_is_named_by_name_or_by_network(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "upstream:\n  zones:\n"
        "    Corp.Example: [10.0.0.53]\n"
        "    10.20.0.0/16: ['tcp://10.0.0.53']\n"
        "    2001:db8:20::/48: ['10.0.0.53', 10.0.0.54]\n",
    )
    settings = worker_settings(load_config(path), workers=1, system_servers=[])
    assert {zone.name: [server.name for server in zone.servers] for zone in settings.zones} == {
        "corp.example": ["udp://10.0.0.53:53"],
        "20.10.in-addr.arpa": ["tcp://10.0.0.53:53"],
        "0.2.0.0.8.b.d.0.1.0.0.2.ip6.arpa": ["udp://10.0.0.53:53", "udp://10.0.0.54:53"],
    }


@pytest.mark.parametrize(
    ("zones", "line"),
    [
        ("{a..b: [10.0.0.53]}", "upstream.zones.'a..b': 'a..b' has an empty label"),
        ("{10.0.0.0/9: [10.0.0.53]}", "upstream.zones.'10.0.0.0/9': '10.0.0.0/9' has no reverse zone of its own"),
        ("{a.example: []}", "upstream.zones.'a.example': "),
        ("{a.example: [nonsense]}", "upstream.zones.'a.example'[0]: "),
        ("{a.example: [10.0.0.53], A.example: [10.0.0.54]}", "upstream.zones.'A.example': is the zone 'a.example'"),
    ],
)
def test_a_mistake_in_a_zone_is_told_with_its_key(tmp_path: Path, zones: str, line: str) -> None:
    path = write(tmp_path, f"upstream:\n  zones: {zones}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}:2: {line}")
