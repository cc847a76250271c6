"""Counts the query log for a forecast, in a process of its own: millions of rows take seconds.

Run as ``python -m admin_api.forecast.child FD``; asked to `CountLog` (messages.py).
"""

from __future__ import annotations

from admin_api.child_process import do_for_parent
from admin_api.forecast.counting import CountedLog, count_log
from admin_api.forecast.messages import FORECAST_CHANNEL, CountLog


def count(order: CountLog) -> CountedLog:
    """Do what is asked for."""
    return count_log(order.state_dir, order.start, order.end, order.group)


if __name__ == "__main__":
    do_for_parent(FORECAST_CHANNEL, (CountLog,), count)
