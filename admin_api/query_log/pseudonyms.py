"""Pseudonyms by which the query log may have a person or an address, one for each period whose secret is kept."""

from __future__ import annotations

from pathlib import Path

from resolver.errors import MoatdnsError
from resolver.system.state_files import read_own
from resolver.telemetry.pseudonyms import SECRETS_FILE, What, read_periods


def pseudonyms_of(state_dir: Path, what: What, text: str) -> frozenset[str]:
    """All pseudonyms of a person or an address that rows may still have. Raises MoatdnsError.

    To be called for those alone whom `query_log.pseudonyms_found_by` names, or to erase.
    """
    path = state_dir / SECRETS_FILE
    try:
        periods = read_periods(read_own(path).decode("ascii", "replace"))
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise MoatdnsError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise MoatdnsError(f"{path}: {error}") from None
    return frozenset(one.of(what, text) for one in periods)
