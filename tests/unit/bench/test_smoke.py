"""The smoke's comparison with what is recorded."""

from __future__ import annotations

import datetime
import json

from bench.smoke import COMPARED, RECORDED, slower


def test_twice_the_recorded_ratio_is_told_and_a_little_more_is_not() -> None:
    recorded = {"blocked": 1.0, "missed": 2.0}
    assert slower({"blocked": 1.9, "missed": 3.9}, recorded) == []
    assert slower({"blocked": 2.0, "missed": 3.9}, recorded) == ["blocked: 2.00, recorded are 1.00"]


def test_a_ratio_that_is_not_recorded_is_told() -> None:
    assert "none is recorded" in slower({"doh": 1.0}, {})[0]


def test_every_ratio_is_recorded_for_python_and_for_the_compiled_form_with_its_date() -> None:
    kept = json.loads(RECORDED.read_text())
    assert datetime.date.fromisoformat(kept["date"])
    wanted = {
        f"{workload}: {ours} ÷ {theirs}"
        for workload, others in COMPARED.items()
        for theirs in others
        for ours in ("moatdns", "moatdns, compiled")
    }
    assert set(kept["ratios"]) == wanted
    assert all(ratio > 0 for ratio in kept["ratios"].values())
