"""Reading dnsperf's report."""

from __future__ import annotations

import pytest

from bench.errors import BenchError
from bench.load import Load, parse_report

REPORT = """
Statistics:

  Queries sent:         712320
  Queries completed:    712313 (100.00%)
  Queries lost:         7 (0.00%)

  Response codes:       NOERROR 712310 (100.00%), SERVFAIL 3 (0.00%)
  Average packet size:  request 32, response 48
  Run time (s):         4.000419
  Queries per second:   178077.356440

  Average Latency (s):  0.001073 (min 0.000024, max 0.010000)
"""


def test_only_noerror_counts_as_an_answer() -> None:
    load = parse_report(REPORT)
    assert load == Load(sent=712320, answered=712310, failed=3, lost=7, seconds=4.000419)
    assert load.queries_per_second == pytest.approx(178058.8, abs=0.1)


def test_a_server_that_refuses_everything_answers_nothing() -> None:
    load = parse_report(REPORT.replace("NOERROR 712310 (100.00%), SERVFAIL 3", "REFUSED 712313"))
    assert (load.answered, load.failed) == (0, 712313)


def test_a_report_without_statistics_is_an_error() -> None:
    with pytest.raises(BenchError, match="not understood"):
        parse_report("Error: unable to open input data file")
