"""Stages of an inquiry (resolver.upstream.inquiry)."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Stage(Enum):
    """Stages: ASKING and LISTENING may follow each other, ENDED follows both, and nothing follows it."""

    ASKING = 0  # nothing is known yet of the latest try, whose patience has an end
    LISTENING = 1  # no server is left to be asked, but some that were may answer yet
    ENDED = 2  # who asked has been told


# Fetched once: an enumeration's member costs as much to fetch as all the rest of a test.
ASKING: Final = Stage.ASKING
LISTENING: Final = Stage.LISTENING
ENDED: Final = Stage.ENDED
