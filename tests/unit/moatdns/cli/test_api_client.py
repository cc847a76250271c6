"""The commands' client of the API: what is no URL is a user's mistake, told in a line."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from moatdns.cli.api_client import ApiClient


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("moat_x_y\n")
    return file


@pytest.mark.parametrize("url", ["http://[::1", "http://\x1b[31m/", "https://[x]y]", "http:///api", "ftp://a", "", "x"])
def test_what_is_no_url_is_told_in_one_harmless_line(url: str, token: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        ApiClient(url, token)
    assert ended.value.exit_code == 2
    said = capsys.readouterr().err
    assert said.startswith("--url: ")
    assert said.endswith(" is not a URL: write it as in 'http://127.0.0.1:8053'\n")
    assert said.rstrip("\n").isprintable()


@pytest.mark.parametrize("host", ["..x", "a..b", "x" * 64 + ".example"])
def test_a_host_that_is_no_name_cannot_be_reached(host: str, token: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        ApiClient(f"http://{host}:1", token).call("GET", "lists")
    assert " cannot be reached: " in capsys.readouterr().err
