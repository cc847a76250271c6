"""Exemptions and leases of a whole server: made by its API, and seen by who asks it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from tests.support.clients import ask, is_blocked, ttls
from tests.support.moatdns import Moatdns
from tests.support.programs import PATIENCE_SECONDS

IN_FORCE_SECONDS = 1.0  # at most so late is an end


def grant(office: Moatdns, client: str, seconds: int, **more: Any) -> dict[str, Any]:
    asked = {"scope": ["anthropic"], "owner": "Ana", "reason": "a test", "duration_seconds": seconds}
    made: dict[str, Any] = office.api.post("exemptions", {"subject": {"client": client}, **asked, **more})
    return made


def lease(office: Moatdns, address: str, seconds: int = 60, **more: Any) -> None:
    reply = office.api.call("PUT", f"leases/{address}", {"identity": "ana", "ttl_seconds": seconds, **more})
    assert reply.status in (200, 201), reply


def blocked(office: Moatdns, client: str, name: str = "claude.ai") -> set[bool]:
    """By the answers to many sockets, so that every worker is asked."""
    return {is_blocked(ask(office.port, name, client=client)) for _ in range(16)}


def until_blocked(office: Moatdns, client: str, end: float) -> float:
    """Ask until it is blocked, no TTL over the rest; gives how late that is after `end` (Unix time)."""
    while True:
        before = time.time()
        answer = ask(office.port, "claude.ai", client=client)
        if is_blocked(answer):
            return time.time() - end
        assert all(before + ttl <= end for ttl in ttls(answer)), (before, ttls(answer), end)
        assert before < end + PATIENCE_SECONDS
        time.sleep(0.05)


def end_of(made: dict[str, Any]) -> float:
    return datetime.fromisoformat(made["expires_at"]).timestamp()
