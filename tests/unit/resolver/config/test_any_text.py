"""Whatever a file holds, loading it ends in a Config or a ConfigError."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.config.load import load_config
from resolver.config.schema import Config
from resolver.errors import ConfigError
from tests.support.examples import examples

from .conftest import KNOWN

# fmt: off
_KEYS = st.sampled_from([
    "listen", "do53", "workers", "state_dir", "clients", "allow", "upstream", "servers", "timeout_seconds", "cache",
    "max_mib", "min_ttl_seconds", "max_ttl_seconds", "prefetch", "limits", "tcp_idle_seconds", "policy", "own_vendors",
    "response", "mode", "ttl_seconds", "ipv4", "ipv6", "lists", "name", "block", "groups", "networks", "exempt",
    "client_names",
])
_WORDS = st.sampled_from([
    "auto", "system", "loopback", "private", "ai", "lists", "anthropic", "zero-ip", "address", "monitor", "default",
    "127.0.0.1:53", "[::1]:53", "10.0.0.0/8", "10.0.0.1/8", "::ffff:10.0.0.0/104", "fe80::1%eth0", "udp://[::1]:53",
    "com", "=com", "*.example.com", "proved:a@b", "proved:", "${A}", "${B:-2}", "$${A}", "${",
])
_PIECES = st.sampled_from([
    "policy:", "groups:", "- ", "name: a", "\n", "  ", "\t", "[", "]", "{", "}", ",", ": ", "'", '"', "&a", "*a", "!t ",
    "|", ">", "#", "---", "...", "%YAML 1.1", "<<", "? ", "\\", "\ufeff", "\x00", "\x85", "\u2028", "é", "10.0.0.0/8",
])
_PATHS = (
    "listen.do53", "listen", "workers", "state_dir", "clients.allow", "clients.allow.[]", "upstream.servers",
    "upstream.servers.[]", "cache.max_mib", "cache.prefetch", "limits", "policy", "policy.own_vendors",
    "policy.response", "policy.lists.[]", "policy.lists.[].block", "policy.lists.[].block.[]", "policy.groups.[]",
    "policy.groups.[].networks.[]", "policy.groups.[].client_names.[]",
    "policy.groups.[].allow", "policy.groups.[].name",
)
# fmt: on

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.dates(),
    st.binary(max_size=4),
    _WORDS,
)
_TREES = st.recursive(
    _SCALARS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(_KEYS | st.text(max_size=5), below, max_size=6),
    max_leaves=30,
)


def _check(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "moatdns.yaml"
        path.write_bytes(raw)
        try:
            config = load_config(path, KNOWN, {"A": "1"})
        except ConfigError as error:
            assert error.problems
            assert all(line.startswith(str(path)) and len(line.splitlines()) == 1 for line in error.problems)
        else:
            assert isinstance(config, Config)
            assert load_config(path, KNOWN, {"A": "1"}).policy == config.policy


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_arbitrary_text_gives_a_config_or_a_config_error(raw: bytes) -> None:
    _check(raw)


@given(st.lists(_PIECES, max_size=40).map("".join))
def test_pieces_of_yaml_give_a_config_or_a_config_error(text: str) -> None:
    _check(text.encode())


@settings(max_examples=examples(200))
@given(_TREES)
def test_well_formed_yaml_of_any_shape_gives_a_config_or_a_config_error(tree: object) -> None:
    _check(yaml.safe_dump(tree, allow_unicode=True).encode())


def _sections(path: str, values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    for key in reversed(path.split(".")):
        values = values.map(lambda value, key=key: [value] if key == "[]" else {key: value})
    return values


@pytest.mark.slow
@settings(max_examples=examples(300))
@given(st.one_of(*(_sections(path, _TREES) for path in _PATHS)))
def test_any_value_under_a_known_key_gives_a_config_or_a_config_error(tree: object) -> None:
    _check(yaml.safe_dump(tree, allow_unicode=True).encode())
