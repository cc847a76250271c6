"""Roles: what a caller may do. A caller has a set of them, and may do what any of them permits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final, Literal, get_args

Role = Literal["admin", "operator", "viewer", "investigator", "lease", "firewall"]
ROLES: Final[tuple[str, ...]] = get_args(Role)
"""All roles, in the order in which a set is kept and told: what permits most comes first."""

INVESTIGATOR: Final = "investigator"
FIREWALL: Final = "firewall"
LEASE: Final = "lease"
OPERATOR: Final = "operator"
FIRST_ROLES: Final = ("admin", INVESTIGATOR)
"""Those of the first token: whoever installed moatdns can read its files, which name everybody."""

_RANK = {"viewer": 1, OPERATOR: 2, "admin": 3}
_APART = {LEASE: OPERATOR, FIREWALL: "viewer"}  # roles for one thing alone, and the least that may do it, too


def may(roles: Collection[str], least: str) -> bool:
    """Whether one of the roles is enough.

    `investigator` is within none of the others, and shows persons in what they read. `lease` sets and ends leases,
    `firewall` fetches firewalls' lists, and nothing else.
    """
    if least == INVESTIGATOR:
        return least in roles
    if least in _APART:
        return least in roles or may(roles, _APART[least])
    return any(_RANK.get(role, 0) >= _RANK[least] for role in roles)


def may_give(giver: Collection[str], wanted: Collection[str]) -> bool:
    """Whether a caller may make a token of these roles, or let one in again: none shows persons by giving itself that.

    Beside investigators, root gives `investigator`, by `moatdns token create`, and `login.oidc.roles` does.
    """
    return INVESTIGATOR not in wanted or INVESTIGATOR in giver


def only_leases(roles: Collection[str]) -> bool:
    """Whether they set leases by the role lease, as VPN and DHCP servers do, and not as an operator."""
    return LEASE in roles and not may(roles, OPERATOR)


def set_of(roles: Iterable[str]) -> tuple[str, ...]:
    """Roles as a set is kept: each once, in the order of ROLES."""
    given = frozenset(roles)
    return tuple(role for role in ROLES if role in given)


def told(roles: Iterable[str]) -> str:
    """Roles in a sentence: 'role admin', 'roles viewer, investigator'."""
    given = tuple(roles)
    return f"role{'s' if len(given) > 1 else ''} {', '.join(given)}"


def mistake_in(roles: Collection[str]) -> str | None:
    """Why a token cannot have this set; None where it can."""
    if not roles:
        return f"is missing: use one or more of {', '.join(ROLES)}"
    if INVESTIGATOR in roles and not may(roles, "viewer"):
        return "investigator shows persons in what another role reads: add viewer, operator or admin"
    return None


def roles_of_audit(state: Mapping[str, object]) -> tuple[str, ...]:
    """The roles of a token as a row of the audit trail has it; those before sets have one `role`."""
    roles = state.get("roles")
    return tuple(map(str, roles)) if isinstance(roles, list) else (str(state.get("role")),)
