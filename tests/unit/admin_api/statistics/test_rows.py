"""Gains of cells, as rows and totals."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from admin_api.statistics.rows import OTHER, Gains

TEXTS = st.text(max_size=30) | st.sampled_from(['a","b', '"]', '\\"', "null", ",null", '",null]'])


@given(st.none() | TEXTS, TEXTS, st.none() | TEXTS, st.sampled_from([(), (None,), ('exemption,"1',)]))
def test_names_groups_and_services_of_any_characters_are_counted_as_they_are(
    domain: str | None, group: str, service: str | None, exemption: tuple[str | None, ...]
) -> None:
    key = json.dumps(
        ["answer", "blocked", group, service, None, "A", "NOERROR", "udp", *exemption, domain], separators=(",", ":")
    )
    gains = Gains([(key, 3), (key, 4)])
    assert gains.rows["domain", domain or OTHER, "blocked"] == 7
    assert gains.rows["group", group, "blocked"] == 7
    assert gains.rows["outcome", "blocked", ""] == 7
    assert not service or gains.rows["service", service, "blocked"] == 7
    assert gains.rows["exemption", 'exemption,"1', "blocked"] == (7 if exemption and exemption[0] else 0)
    assert list(gains.totals.values()) == [7]
