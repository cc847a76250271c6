"""The table of all runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from prove import (
    api_clients,
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
    lying_upstream,
    many_exceptions,
    many_sources,
    million_by_api,
    million_by_url,
    million_rules,
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

# name → what it does, the run, and its short form (which `tests/end_to_end/test_under_load_*.py` make, too)
RUNS: dict[str, tuple[str, Run, Run]] = {
    "million-rules": (
        million_rules.WHAT,
        partial(million_rules.run, million_rules.FULL),
        partial(million_rules.run, million_rules.SHORT),
    ),
    "swaps": (swaps.WHAT, partial(swaps.run, swaps.FULL), partial(swaps.run, swaps.SHORT)),
    "killed-workers": (
        killed_workers.WHAT,
        partial(killed_workers.run, killed_workers.FULL),
        partial(killed_workers.run, killed_workers.SHORT),
    ),
    "mutated-packets": (
        mutated_packets.WHAT,
        partial(mutated_packets.run, mutated_packets.FULL),
        partial(mutated_packets.run, mutated_packets.SHORT),
    ),
    "identical-questions": (
        identical_questions.WHAT,
        partial(identical_questions.run, identical_questions.FULL),
        partial(identical_questions.run, identical_questions.SHORT),
    ),
    "lying-upstream": (
        lying_upstream.WHAT,
        partial(lying_upstream.run, lying_upstream.FULL),
        partial(lying_upstream.run, lying_upstream.SHORT),
    ),
    "dead-upstreams": (
        dead_upstreams.WHAT,
        partial(dead_upstreams.run, dead_upstreams.FULL),
        partial(dead_upstreams.run, dead_upstreams.SHORT),
    ),
    "million-by-api": (
        million_by_api.WHAT,
        partial(million_by_api.run, million_by_api.FULL),
        partial(million_by_api.run, million_by_api.SHORT),
    ),
    "million-by-url": (
        million_by_url.WHAT,
        partial(million_by_url.run, million_by_url.FULL),
        partial(million_by_url.run, million_by_url.SHORT),
    ),
    "killed-control": (
        killed_control.WHAT,
        partial(killed_control.run, killed_control.FULL),
        partial(killed_control.run, killed_control.SHORT),
    ),
    "many-exceptions": (
        many_exceptions.WHAT,
        partial(many_exceptions.run, many_exceptions.FULL),
        partial(many_exceptions.run, many_exceptions.SHORT),
    ),
    "api-clients": (
        api_clients.WHAT,
        partial(api_clients.run, api_clients.FULL),
        partial(api_clients.run, api_clients.SHORT),
    ),
    "slow-clients": (
        slow_clients.WHAT,
        partial(slow_clients.run, slow_clients.FULL),
        partial(slow_clients.run, slow_clients.SHORT),
    ),
    "certificates": (
        certificates.WHAT,
        partial(certificates.run, certificates.FULL),
        partial(certificates.run, certificates.SHORT),
    ),
    "same-answers": (
        same_answers.WHAT,
        partial(same_answers.run, same_answers.FULL),
        partial(same_answers.run, same_answers.SHORT),
    ),
    "soak": (soak.WHAT, partial(soak.run, soak.FULL), partial(soak.run, soak.SHORT)),
    "random-subdomains": (
        random_subdomains.WHAT,
        partial(random_subdomains.run, random_subdomains.FULL),
        partial(random_subdomains.run, random_subdomains.SHORT),
    ),
    "many-sources": (
        many_sources.WHAT,
        partial(many_sources.run, many_sources.FULL),
        partial(many_sources.run, many_sources.SHORT),
    ),
    "worst-packets": (
        worst_packets.WHAT,
        partial(worst_packets.run, worst_packets.FULL),
        partial(worst_packets.run, worst_packets.SHORT),
    ),
    "full-disk": (
        full_disk.WHAT,
        partial(full_disk.run, full_disk.FULL),
        partial(full_disk.run, full_disk.SHORT),
    ),
    "locked-store": (
        locked_store.WHAT,
        partial(locked_store.run, locked_store.FULL),
        partial(locked_store.run, locked_store.SHORT),
    ),
    "kills": (kills.WHAT, partial(kills.run, kills.FULL), partial(kills.run, kills.SHORT)),
    "failing-upstreams": (
        failing_upstreams.WHAT,
        partial(failing_upstreams.run, failing_upstreams.FULL),
        partial(failing_upstreams.run, failing_upstreams.SHORT),
    ),
    "set-clock": (
        set_clock.WHAT,
        partial(set_clock.run, set_clock.FULL),
        partial(set_clock.run, set_clock.SHORT),
    ),
    "list-sources": (
        list_sources.WHAT,
        partial(list_sources.run, list_sources.FULL),
        partial(list_sources.run, list_sources.SHORT),
    ),
}
