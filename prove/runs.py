"""The table of all runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

from prove import (
    alerts,
    api_clients,
    backups,
    big_log,
    catalogue_feed,
    certificates,
    dead_upstreams,
    failing_upstreams,
    full_disk,
    identical_questions,
    killed_control,
    killed_workers,
    kills,
    list_sources,
    locked_store,
    log_sinks,
    lying_upstream,
    many_exceptions,
    many_sources,
    million_by_api,
    million_by_url,
    million_rules,
    mutated_frames,
    mutated_packets,
    random_subdomains,
    set_clock,
    slow_clients,
    soak,
    swaps,
    worst_packets,
)
from prove.figures import Figure
from prove.same import run as same_answers

Run = Callable[[Path], list[Figure]]

# Each has WHAT it does, `run`, and the efforts FULL and SHORT (which `tests/end_to_end/test_under_load_*.py` make).
_MODULES: dict[str, ModuleType] = {
    "million-rules": million_rules,
    "swaps": swaps,
    "killed-workers": killed_workers,
    "mutated-packets": mutated_packets,
    "mutated-frames": mutated_frames,
    "identical-questions": identical_questions,
    "lying-upstream": lying_upstream,
    "dead-upstreams": dead_upstreams,
    "million-by-api": million_by_api,
    "million-by-url": million_by_url,
    "killed-control": killed_control,
    "many-exceptions": many_exceptions,
    "api-clients": api_clients,
    "slow-clients": slow_clients,
    "certificates": certificates,
    "random-subdomains": random_subdomains,
    "many-sources": many_sources,
    "worst-packets": worst_packets,
    "full-disk": full_disk,
    "locked-store": locked_store,
    "kills": kills,
    "failing-upstreams": failing_upstreams,
    "set-clock": set_clock,
    "list-sources": list_sources,
    "catalogue-feed": catalogue_feed,
    "alerts": alerts,
    "backups": backups,
    "big-log": big_log,
    "log-sinks": log_sinks,
    "same-answers": same_answers,
    "soak": soak,
}

# name → what it does, the run, and its short form
RUNS: dict[str, tuple[str, Run, Run]] = {
    name: (module.WHAT, partial(module.run, module.FULL), partial(module.run, module.SHORT))
    for name, module in _MODULES.items()
}
