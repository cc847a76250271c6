"""The section of the config about people who sign in."""

from __future__ import annotations

from pathlib import Path

import pytest

from resolver.config.load import load_config
from resolver.config.to_settings import control_settings
from resolver.errors import ConfigError

GOOD = """
admin: {url: "https://dns.corp.example"}
login: {oidc: {issuer: "https://login.corp.example/realm/", client_id: moatdns, roles: {admin: [a]}}}
"""


def loaded(folder: Path, text: str) -> object:
    file = folder / "moatdns.yaml"
    file.write_text(text, encoding="utf-8")
    return control_settings(load_config(file)).oidc


def test_an_issuer_stays_as_it_is_written(tmp_path: Path) -> None:
    oidc = loaded(tmp_path, GOOD)
    assert getattr(oidc, "issuer", None) == "https://login.corp.example/realm/"
    assert loaded(tmp_path, "workers: 1") is None


def test_a_ca_file_stands_beside_the_config(tmp_path: Path) -> None:
    oidc = loaded(tmp_path, GOOD.replace("client_id: moatdns", "client_id: m, ca_file: ca.pem, session_seconds: 28800"))
    assert getattr(oidc, "ca_file", None) == str(tmp_path / "ca.pem")
    assert getattr(oidc, "session_seconds", None) == 28800


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('admin: {url: "https://dns.corp.example"}', "", "admin.url: is missing"),
        ("https://login.corp", "http://login.corp", "login.oidc.issuer: .*unencrypted"),
        ("https://login.corp", "https://a:b@login.corp", "login.oidc.issuer"),
        ("/realm/", "/realm#x", "login.oidc.issuer"),
        ("client_id: moatdns, ", "", "login.oidc.client_id: is missing"),
        ("client_id: moatdns", "client_id: moatdns, audience: moatdns", "login.oidc.audience: is the client_id"),
        ("client_id: moatdns", "client_id: moatdns, session_seconds: 59", "login.oidc.session_seconds"),
        ("client_id: moatdns", "client_id: moatdns, session_seconds: 43201", "login.oidc.session_seconds"),
        ("admin: [a]", "admin: ['']", "login.oidc.roles.admin"),
        ("admin: [a]", "investigator: [a]", "login.oidc.roles: give nobody a role"),
    ],
)
def test_what_would_let_nobody_in_is_told_at_its_key(tmp_path: Path, old: str, new: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        loaded(tmp_path, GOOD.replace(old, new, 1))
