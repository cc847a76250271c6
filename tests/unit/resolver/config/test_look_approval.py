"""Looks at persons that wait for another owner, as the config says it."""

from __future__ import annotations

import pytest

from resolver.config.privacy import held_back, privacy_of
from resolver.config.schema import Config
from resolver.config.to_settings import control_settings


def test_it_needs_four_eyes() -> None:
    with pytest.raises(ValueError, match=r"needs policy\.approval: four-eyes"):
        Config.model_validate({"policy": {"look_approval": "four-eyes"}})
    both = Config.model_validate({"policy": {"approval": "four-eyes", "look_approval": "four-eyes"}})
    assert control_settings(both).looks_need_two
    alone = Config.model_validate({"policy": {"approval": "four-eyes"}})
    assert not control_settings(alone).looks_need_two


def test_under_four_eyes_it_is_not_given_up_by_one() -> None:
    both = Config.model_validate({"policy": {"approval": "four-eyes", "look_approval": "four-eyes"}})
    alone = Config.model_validate({"policy": {"approval": "four-eyes"}})
    narrowed, held = held_back(alone, privacy_of(both))
    assert held == {"policy.look_approval": "none"}
    assert control_settings(narrowed).looks_need_two
