"""States of groups, and exemptions, that say little."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from admin_api.store.exemptions import NewExemption
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


def new_exemption(**more: Any) -> NewExemption:
    """An exemption of one client for an hour, granted."""
    now = datetime.now(UTC)
    usual: dict[str, Any] = {
        "kind": "client",
        "who": ("10.0.0.1",),
        "scope": ("openai",),
        "owner": "Ana",
        "reason": "a test",
        "ticket": None,
        "status": "active",
        "decided_by": "ben",
        "starts_at": now,
        "expires_at": now + timedelta(hours=1),
        "from_approval_seconds": None,
    }
    return NewExemption(**{**usual, **more})
