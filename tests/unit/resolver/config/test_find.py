"""Which config file is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from resolver.config import finding
from resolver.config.finding import find_config
from resolver.config.load import load_config
from resolver.errors import ConfigError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(finding, "_USUAL_PLACES", (Path("moatdns.yaml"), tmp_path / "etc" / "moatdns.yaml"))
    return tmp_path


def test_the_flag_wins_over_the_variable_and_the_usual_places(here: Path) -> None:
    for name in ("flag.yaml", "variable.yaml", "moatdns.yaml"):
        (here / name).touch()
    assert find_config("flag.yaml", {"MOATDNS_CONFIG": "variable.yaml"}) == Path("flag.yaml")
    assert find_config(None, {"MOATDNS_CONFIG": "variable.yaml"}) == Path("variable.yaml")
    assert find_config(None, {}) == Path("moatdns.yaml")


def test_an_empty_variable_counts_as_unset(here: Path) -> None:
    assert find_config(None, {"MOATDNS_CONFIG": ""}) is None


def test_the_working_directory_comes_before_etc_and_nothing_at_all_means_defaults(here: Path) -> None:
    assert find_config(None, {}) is None
    (here / "etc").mkdir()
    (here / "etc" / "moatdns.yaml").touch()
    assert find_config(None, {}) == here / "etc" / "moatdns.yaml"
    (here / "moatdns.yaml").touch()
    assert find_config(None, {}) == Path("moatdns.yaml")


def test_the_usual_places_are_those_of_the_contract() -> None:
    assert (Path("moatdns.yaml"), Path("/etc/moatdns/moatdns.yaml")) == finding._USUAL_PLACES


def test_a_link_that_leads_nowhere_does_not_give_way_to_defaults(here: Path) -> None:
    (here / "moatdns.yaml").symlink_to("gone.yaml")
    found = find_config(None, {})
    assert found == Path("moatdns.yaml")
    with pytest.raises(ConfigError) as caught:
        load_config(found)
    assert caught.value.problems == ["moatdns.yaml: cannot be read: No such file or directory"]


@pytest.mark.parametrize(
    ("flag", "environ", "problem"),
    [
        ("gone.yaml", {}, "gone.yaml: the config file named by --config does not exist"),
        (None, {"MOATDNS_CONFIG": "g.yaml"}, "g.yaml: the config file named by $MOATDNS_CONFIG does not exist"),
    ],
)
def test_a_file_that_is_named_must_exist(here: Path, flag: str | None, environ: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_config(flag, environ)
    assert caught.value.problems == [problem]


def test_a_folder_is_no_config_file(here: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(here)
    assert caught.value.problems == [f"{here}: cannot be read: Is a directory"]
