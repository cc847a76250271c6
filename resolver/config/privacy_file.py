"""The file of privacy settings below `state_dir`: those in force, and wider ones that two owners agreed to.

The control process writes it; whoever reads a config under four eyes holds back what is wider than it says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from resolver.config.privacy import PrivacyValues, checked_values, narrowest
from resolver.system.state_files import read_own, write_whole

PRIVACY_FILE: Final = "privacy.json"


@dataclass(frozen=True, slots=True)
class AgreedPrivacy:
    """Settings in force at the last reading, and wider ones that are agreed to; `trouble`: why it cannot be read."""

    in_force: PrivacyValues
    agreed: PrivacyValues = field(default_factory=dict)
    trouble: str = ""

    @property
    def limits(self) -> PrivacyValues:
        """The widest values that a config may have."""
        return {**self.in_force, **self.agreed}


def read_agreed(state_dir: Path) -> AgreedPrivacy | None:
    """The content of the file; None where there is none yet. One that cannot be read permits the narrowest alone."""
    path = state_dir / PRIVACY_FILE
    try:
        found = json.loads(read_own(path))
        return AgreedPrivacy(checked_values(found["in_force"]), checked_values(found["agreed"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        told = f"{path} cannot be read ({why}): privacy settings are the narrowest; remove it to take the config's"
        return AgreedPrivacy(narrowest(), trouble=told)


def write_agreed(state_dir: Path, in_force: Mapping[str, str], agreed: Mapping[str, str]) -> None:
    """Write it, whole or not at all. Raises OSError."""
    text = json.dumps({"in_force": dict(in_force), "agreed": dict(agreed)}, indent=1)
    write_whole(state_dir / PRIVACY_FILE, f"{text}\n".encode())
