"""The table and the plain data."""

from __future__ import annotations

import json

from bench.cpu import CpuTime
from bench.load import Load
from bench.measure import Measured, Sample
from bench.report import table, to_plain
from bench.workloads import Workload


def sample(microseconds: float, *, waited: float = 0.5) -> Sample:
    answered = 100_000
    load = Load(sent=answered + 2, answered=answered, failed=1, lost=1, seconds=1.0)
    return Sample(CpuTime(int(microseconds * 1000 * answered), int(waited * 1e9)), load, upstream_queries=0)


MEASURED = Measured(
    Workload("blocked", "some names"),
    # The second round was slow for both.
    {"moatdns": [sample(5), sample(10), sample(5)], "dnsmasq": [sample(10), sample(20), sample(10)]},
)


def test_the_table_has_a_line_for_each_server_and_a_ratio_for_each_peer() -> None:
    title, headings, ours, theirs = table(MEASURED, ["dnsmasq"]).splitlines()
    assert title == "blocked: some names"
    assert headings.split()[-2:] == ["÷", "dnsmasq"]
    medians = ["100,000", "1.00", "3", "3", "0.00"]  # queries/s, busy, lost, failed, upstream
    assert ours.split() == ["moatdns", "5.00", "[5.00–7.50]", *medians, "0.50", "[0.50–0.50]"]
    assert theirs.split()[-1] == "0.00"  # none to itself


def test_the_plain_data_is_json_and_holds_every_sample() -> None:
    plain = json.loads(json.dumps(to_plain(MEASURED, ["dnsmasq"])))
    ours = plain["servers"]["moatdns"]
    assert ours["ratios"]["dnsmasq"]["median"] == 0.5
    assert len(ours["samples"]) == 3
    assert ours["samples"][0]["cpu"]["ran_nanoseconds"] == 500_000_000
