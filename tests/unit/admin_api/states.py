"""States of groups that say little."""

from __future__ import annotations

from typing import Any, cast

from admin_api.store.states import GroupState

_UNSAID: GroupState = {
    "name": "",
    "description": "",
    "networks": [],
    "exempt": False,
    "mode": "enforce",
    "block": None,
    "monitor": [],
    "monitor_until": None,
    "allow": [],
    "response": None,
    "schedule": None,
    "client_names": [],
}


def group_state(name: str, **said: Any) -> GroupState:
    """A group with what is said of it; the rest as where an admin says nothing."""
    return cast(GroupState, {**_UNSAID, "name": name, **said})
