"""The command `moatdns`: a server is started without typer, and whatever typer understands means the same."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator

import pytest

from moatdns.cli.main import main


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    hang_up = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, hang_up)


def ended(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    """The exit status of a command."""
    monkeypatch.setattr(sys, "argv", ["moatdns", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


@pytest.mark.parametrize(
    "arguments", [["serve", "--config", "nowhere.yaml"], ["serve", "--config=nowhere.yaml"]], ids=" ".join
)
def test_a_config_file_that_is_not_there_ends_a_server(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(arguments, monkeypatch) == 1
    assert capsys.readouterr().err == "nowhere.yaml: the config file named by --config does not exist\n"


def test_typers_way_to_a_server_ends_alike(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # The last of two counts: that is typer's to know.
    assert ended(["serve", "--config", "a", "--config", "nowhere.yaml"], monkeypatch) == 1
    assert capsys.readouterr().err == "nowhere.yaml: the config file named by --config does not exist\n"


@pytest.mark.parametrize("arguments", [["serve", "--config"], ["serve", "--confg=x"], ["serve", "now"]], ids=" ".join)
def test_wrong_usage_of_serve_is_told(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(arguments, monkeypatch) == 2
    assert "Error" in capsys.readouterr().err


def test_help_of_serve_is_typers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(["serve", "--help"], monkeypatch) == 0
    assert "--config" in capsys.readouterr().out


@pytest.mark.slow
def test_the_list_of_commands_says_of_each_what_its_own_help_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*arguments: str) -> str:
        assert ended([*arguments, "--help"], monkeypatch) == 0
        return " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().out).split())

    listed = told()
    for command in ("serve", "check-config", "explain", "schema", "healthcheck"):
        help_of_it, _, after = told(command).partition("[OPTIONS]")[2].partition("Options")
        first = help_of_it.strip().removeprefix("{name} ").partition(" Arguments")[0]
        assert after
        assert first
        assert f"{command} {first}" in listed
