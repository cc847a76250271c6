"""Privacy settings: what is wider than what, what is held back, and the file that says what was in force."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.config.privacy import held_back, is_wider, narrowest, privacy_of, widened
from resolver.config.privacy_file import PRIVACY_FILE, AgreedPrivacy, read_agreed, write_agreed
from resolver.config.retention_schema import OLDER_NAMES, RetentionSection
from resolver.config.schema import Config
from tests.support.examples import examples

USUAL = privacy_of(Config())


def config(**query_log: Any) -> Config:
    return Config.model_validate({"query_log": query_log})


@pytest.mark.parametrize(
    ("key", "narrow", "wide"),
    [
        ("query_log.identities", "pseudonym", "full"),
        ("query_log.identities", "hidden", "pseudonym"),
        ("query_log.clients", "hidden", "network"),
        ("query_log.clients", "pseudonym", "full"),
        ("query_log.pseudonyms_found_by", "nobody", "admin"),
        ("query_log.what", "hits", "all"),
        ("query_log.enabled", "false", "true"),
        ("query_log.pseudonym_days", "7", "30"),
        ("retention.query_log_days", "9", "30"),
        ("retention.lease_history_days", "90", "365"),
        ("retention.exemptions_days", "3650", "null"),
        ("retention.audit_days", "365", "null"),
        ("retention.change_requests_days", "30", "31"),
    ],
)
def test_more_recorded_or_kept_longer_is_wider_and_the_other_way_is_not(key: str, narrow: str, wide: str) -> None:
    assert is_wider(key, wide, narrow)
    assert not is_wider(key, narrow, wide)
    assert not is_wider(key, wide, wide)


def test_of_networks_and_pseudonyms_each_shows_what_the_other_does_not() -> None:
    assert is_wider("query_log.clients", "network", "pseudonym")
    assert is_wider("query_log.clients", "pseudonym", "network")


def test_every_setting_of_the_config_that_is_about_privacy_has_a_value_by_default() -> None:
    assert USUAL["query_log.identities"] == "pseudonym"
    assert privacy_of(config(clients="hidden"))["query_log.identities"] == "hidden"
    bounds = {"max_mib", "most_erasures", "retention_days"}
    of_log = {f"query_log.{name}" for name in type(Config().query_log).model_fields.keys() - bounds}
    assert {key for key in USUAL if key.startswith("query_log.")} == of_log
    of_persons = {f"retention.{name}" for name in RetentionSection.model_fields if name != "evidence_days"}
    assert {key for key in USUAL if key.startswith("retention.")} == of_persons
    assert not widened(narrowest(), narrowest())
    assert set(narrowest()) == set(USUAL)


def test_what_is_wider_than_its_limit_is_held_back_and_the_rest_is_taken() -> None:
    asked = config(identities="full", retention_days=300, pseudonym_days=1, pseudonyms_found_by="admin", what="all")
    narrowed, held = held_back(asked, {**USUAL, "query_log.what": "all"})
    assert held == {
        "query_log.identities": "full",
        "retention.query_log_days": "300",
        "query_log.pseudonyms_found_by": "admin",
    }
    assert narrowed.query_log.identities_recorded == "pseudonym"
    assert (narrowed.kept.query_log_days, narrowed.query_log.pseudonym_days) == (30, 1)
    assert narrowed.query_log.what == "all"
    assert privacy_of(asked)["query_log.identities"] == "full", "what the file says stays as it is"
    assert held_back(narrowed, USUAL | {"query_log.what": "all"}) == (narrowed, {})


def test_what_is_kept_for_ever_is_held_back_and_so_is_what_its_newer_name_says() -> None:
    asked = Config.model_validate({"retention": {"query_log_days": 300, "exemptions_days": None}})
    limits = USUAL | {"retention.exemptions_days": "365"}
    narrowed, held = held_back(asked, limits)
    assert held == {"retention.query_log_days": "300", "retention.exemptions_days": "null"}
    assert (narrowed.kept.query_log_days, narrowed.kept.exemptions_days) == (30, 365)


@pytest.mark.parametrize("key", sorted(key for key in USUAL if key.startswith("retention.")))
def test_each_kind_of_data_is_kept_no_longer_than_before(key: str) -> None:
    name = key.partition(".")[2]
    narrowed, held = held_back(Config.model_validate({"retention": {name: 31}}), USUAL | {key: "30"})
    assert held == {key: "31"}
    assert getattr(narrowed.kept, name) == 30


@pytest.mark.parametrize(("section", "older", "name"), [one for one in OLDER_NAMES if one[2] != "evidence_days"])
def test_an_older_name_of_a_retention_is_held_back_too(section: str, older: str, name: str) -> None:
    asked = Config.model_validate({section: {older: 31}})
    narrowed, held = held_back(asked, USUAL | {f"retention.{name}": "30"})
    assert held == {f"retention.{name}": "31"}
    assert getattr(narrowed.kept, name) == 30


def test_identities_that_follow_from_wider_clients_are_held_back_too() -> None:
    limits = privacy_of(config(clients="hidden"))
    narrowed, held = held_back(config(clients="full"), limits)
    assert held == {"query_log.clients": "full", "query_log.identities": "pseudonym"}
    assert (narrowed.query_log.clients, narrowed.query_log.identities_recorded) == ("hidden", "hidden")


def test_identities_that_would_follow_from_the_limit_of_clients_are_no_wider_than_their_own() -> None:
    limits = privacy_of(config(clients="pseudonym", identities="hidden"))
    narrowed, held = held_back(config(clients="network"), limits)
    assert held == {"query_log.clients": "network"}
    assert (narrowed.query_log.clients, narrowed.query_log.identities_recorded) == ("pseudonym", "hidden")


@pytest.mark.slow
@given(st.sampled_from(sorted(USUAL)), st.data())
def test_nothing_held_back_is_wider_than_its_limit(key: str, data: st.DataObject) -> None:
    drawn = st.fixed_dictionaries(
        {
            "clients": st.sampled_from(["full", "network", "pseudonym", "hidden"]),
            "identities": st.sampled_from([None, "full", "pseudonym", "hidden"]),
            "what": st.sampled_from(["hits", "all"]),
            "retention_days": st.integers(1, 400),
        }
    )
    one, other = config(**data.draw(drawn)), config(**data.draw(drawn))
    narrowed, held = held_back(one, privacy_of(other))
    now = privacy_of(narrowed)
    assert not widened(privacy_of(other), now)
    assert (key in held) is is_wider(key, privacy_of(one)[key], privacy_of(other)[key])


def test_the_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_agreed(tmp_path) is None
    write_agreed(tmp_path, USUAL, {"query_log.identities": "full"})
    found = read_agreed(tmp_path)
    assert found == AgreedPrivacy(USUAL, {"query_log.identities": "full"})
    assert found.limits["query_log.identities"] == "full"
    assert (tmp_path / PRIVACY_FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("days", ["1_0", "030", " 7", "-1", "0", "\u0663", "7.0", "true", "NaN", "", "1" * 9])
def test_days_that_no_config_has_are_not_believed(tmp_path: Path, days: str) -> None:
    write_agreed(tmp_path, USUAL | {"retention.query_log_days": days}, {})
    found = read_agreed(tmp_path)
    assert found is not None
    assert f"{days!r} is neither a number of days nor null" in found.trouble
    assert found.limits == narrowest()


def test_a_file_that_is_nested_too_deeply_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / PRIVACY_FILE).write_text("[" * 100_000)
    found = read_agreed(tmp_path)
    assert found is not None
    assert found.limits == narrowest()


_VALUES = st.dictionaries(st.sampled_from([*USUAL, "more"]), st.one_of(st.text(max_size=9), st.integers(), st.none()))


@pytest.mark.slow
@settings(max_examples=examples(60))
@given(st.one_of(st.binary(max_size=80), st.fixed_dictionaries({"in_force": _VALUES, "agreed": _VALUES})))
def test_a_file_that_cannot_be_read_permits_the_narrowest_alone(
    tmp_path_factory: pytest.TempPathFactory, written: bytes | dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("state")
    (folder / PRIVACY_FILE).write_bytes(written if isinstance(written, bytes) else json.dumps(written).encode())
    found = read_agreed(folder)
    assert found is not None
    if found.trouble:
        assert found.limits == narrowest()
        assert "remove it" in found.trouble
    else:
        assert not widened(found.limits, found.limits)
