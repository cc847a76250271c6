"""How many examples property tests try: a fifth while developing, all in CI (MOATDNS_HYPOTHESIS=ci)."""

from __future__ import annotations

import os

from hypothesis import settings

_IS_CI = os.environ.get("MOATDNS_HYPOTHESIS") == "ci"


def examples(number: int) -> int:
    """So many in CI, and a fifth of them while developing: for a test that needs another number than the usual one."""
    return number if _IS_CI else number // 5


# No deadline: how long an example takes depends on what else the machine does.
settings.register_profile("ci", deadline=None, max_examples=100)
settings.register_profile("dev", deadline=None, max_examples=examples(100))
settings.load_profile("ci" if _IS_CI else "dev")
