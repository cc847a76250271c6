"""Tables, plain data, bounds and the picture of a run."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

from bench.cpu import CpuTime
from bench.goals import goals
from bench.kinds.job import Log
from bench.latency import Timed
from bench.load import Load
from bench.measure import Measured, Sample
from bench.report import FEWEST, SAME_LOG, ratio, table, tables, to_plain
from bench.results import Results
from bench.svg import picture
from bench.workloads import Workload


def sample(microseconds: float, *, waited: float = 0.5) -> Sample:
    answered = 100_000
    load = Load(sent=answered + 2, answered=answered, failed=1, lost=1, seconds=1.0)
    return Sample(CpuTime(int(microseconds * 1000 * answered), int(waited * 1e9)), load, upstream_queries=0)


def samples(*microseconds: float) -> list[Sample]:
    return [sample(each) for each in microseconds]


# The second round was slow for all.
MEASURED = Measured(
    Workload("blocked", "some names"),
    {
        "moatdns, compiled": samples(5, 10, 5),
        "moatdns, compiled, no log": samples(4, 8, 4),
        "unbound": samples(10, 20, 10),
        "unbound, log of hits": samples(20, 40, 20),
    },
    logs={
        "moatdns, compiled": Log.HITS,
        "moatdns, compiled, no log": Log.NONE,
        "unbound": Log.NONE,
        "unbound, log of hits": Log.HITS,
    },
    missing={"dnsmasq": "dnsmasq ended\nwith status 1"},
)


def results() -> Results:
    """A run of that workload, and some times."""
    found = Results("2026-11-27T00:00:00+00:00", "python -m bench.compare", {"cores": 2}, {}, {}, [MEASURED])
    for name, p99 in (("moatdns, compiled", 300.0), ("unbound, log of hits", 200.0)):
        found.timed.append(Timed(name, 10_000, 50, p99, 900, 1.0, 20, (p99, p99)))
    return found


def test_the_table_has_a_line_for_each_server_and_a_ratio_for_each_peer() -> None:
    title, _, headings, _, ours, unlogged, unbound, _ = table(MEASURED, ["unbound", SAME_LOG, "echo"]).splitlines()
    assert title == "blocked: some names"
    assert [cell.strip() for cell in headings.split("|")[2:5]] == ["CPU µs", "÷ unbound", f"÷ {SAME_LOG}"]
    assert "echo" not in headings  # nobody was compared with it
    cells = [cell.strip() for cell in ours.split("|")[1:-1]]
    figures = ["5.00 [5.00–7.50]", "0.50 [0.50–0.50]", "0.25 [0.25–0.25]"]
    # answers a second, busy, lost, failed, upstream
    assert cells == ["moatdns, compiled", *figures, "100,000", "1.00", "3", "3", "0.00"]
    assert [cell.strip() for cell in unlogged.split("|")[3:5]] == ["0.40 [0.40–0.40]", ""]
    assert [cell.strip() for cell in unbound.split("|")[3:5]] == ["", ""]  # none to itself


def test_a_server_with_many_rules_is_compared_with_itself_with_few() -> None:
    names = {"unbound, 100 rules": samples(5, 6), "unbound, 1,000 rules": samples(10, 12)}
    measured = Measured(Workload("rules", ""), names, fewest={"unbound, 1,000 rules": "unbound, 100 rules"})
    found = ratio(measured, "unbound, 1,000 rules", FEWEST)
    assert found
    assert found.median == 2.0
    assert ratio(measured, "unbound, 100 rules", FEWEST) is None


def test_what_could_not_be_had_is_told_with_the_reason_in_one_line() -> None:
    found = results()
    found.missing["latency"] = {"echo": "gone"}
    found.skipped.append("rules")
    told = tables(found, ["unbound"])
    assert "- blocked, dnsmasq: dnsmasq ended with status 1\n- latency, echo: gone\n- rules: not measured" in told


def test_bounds_are_told_with_the_figure_whether_they_are_kept_or_not() -> None:
    found = {goal.what: goal for goal in goals(results())}
    logged = found["blocked: moatdns, compiled ÷ unbound, log of hits"]
    assert (logged.figure.median, logged.reached) == (0.25, True)
    late = found["p99 at 10,000/s: moatdns, compiled ÷ unbound, log of hits"]
    assert (late.figure.median, late.reached) == (1.5, False)
    assert "| **no** |" in tables(results(), [])


def test_the_plain_data_is_json_and_holds_every_sample() -> None:
    plain = json.loads(json.dumps(to_plain(results(), ["unbound"])))
    ours = plain["results"][0]["servers"]["moatdns, compiled"]
    assert ours["ratios"]["unbound"]["median"] == 0.5
    assert len(ours["samples"]) == 3
    assert ours["samples"][0]["cpu"]["ran_nanoseconds"] == 500_000_000
    assert plain["latency"][0]["p99"] == 300


def test_the_picture_is_xml_with_colours_for_the_dark_and_a_title_for_each_figure() -> None:
    drawn = picture(results())
    titles = [element.text or "" for element in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}title")]
    assert "blocked, moatdns, compiled: 0.50 [0.50–0.50]" in titles
    assert len(titles) == 4  # of the picture, and of three servers beside unbound
    assert "prefers-color-scheme: dark" in drawn
