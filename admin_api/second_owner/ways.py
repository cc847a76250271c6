"""Every way to open a name: by which endpoint, with which role, and who else has to agree under `approval: four-eyes`.

The one table of it. docs/four-eyes.md is made from it, a test walks it through the public API, and another one fails
when the API has an operation that is neither here nor in CLOSING.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Second(Enum):
    """The second pair of eyes."""

    OWNER = "another owner approves the change request"
    EXEMPTION = "another owner approves the exemption"
    EMERGENCY = "none for 60 minutes; above that, another owner approves the change request"
    TOKEN = "two owners created the token, and bound it to groups; unbound, it is refused"  # noqa: S105 (no secret)
    ROOT = "none: root can do anything; the audit trail and its copies elsewhere record it"


@dataclass(frozen=True, slots=True)
class Way:
    """One way. `operations` of the API; none for what is done on the machine itself."""

    what: str
    role: str
    second: Second
    operations: tuple[str, ...] = ()


_LIST = ("POST /lists", "PUT /lists/{name}", "PATCH /lists/{name}", "DELETE /lists/{name}")
_GROUP = ("POST /groups", "PUT /groups/{name}", "PATCH /groups/{name}", "DELETE /groups/{name}")
_LEASE = ("PUT /leases/{address}",)
_LOCAL = ("PUT /local/{name}", "DELETE /local/{name}")
_BLOCKED, _ALLOWED = "POST /unlisted/{domain}:block", "POST /unlisted/{domain}:allow"
_RULES, _UNRULES = "POST /lists/{name}/rules", "POST /lists/{name}/rules:batchDelete"

WAYS: Final[tuple[Way, ...]] = (
    Way("an exemption is granted", "operator", Second.EXEMPTION, ("POST /exemptions",)),
    Way("an exemption is renewed", "operator", Second.EXEMPTION, ("POST /exemptions/{id}:renew",)),
    Way("an exemption, or its renewal, is approved", "operator", Second.EXEMPTION, ("POST /exemptions/{id}:approve",)),
    Way("a list gets allow rules", "operator", Second.OWNER, (_RULES, *_LIST[:2], _ALLOWED)),
    Way("a list loses block rules", "operator", Second.OWNER, (_UNRULES, _ALLOWED)),
    Way(
        "a list that a group or an exemption allows gets rules",
        "operator",
        Second.OWNER,
        (_RULES, *_LIST[:2], _BLOCKED, _ALLOWED),
    ),
    Way("a list with rules is disabled", "operator", Second.OWNER, _LIST[1:3]),
    Way("a list with allow rules is enabled", "operator", Second.OWNER, _LIST[1:3]),
    Way("a list gets another url, format or sha256", "operator", Second.OWNER, _LIST[1:3]),
    Way("a list is fetched now, however short it is", "operator", Second.OWNER, ("POST /lists/{name}:refresh",)),
    Way("a list with rules is deleted", "operator", Second.OWNER, _LIST[3:]),
    Way("a group becomes exempt", "admin", Second.OWNER, _GROUP[1:3]),
    Way("a group's mode becomes monitor", "admin", Second.OWNER, _GROUP[1:3]),
    Way("a group blocks less", "admin", Second.OWNER, _GROUP[1:3]),
    Way("a group blocks a list that has allow rules", "admin", Second.OWNER, _GROUP[1:3]),
    Way("a group allows more", "admin", Second.OWNER, _GROUP[1:3]),
    Way("a group gets a schedule, or another one", "admin", Second.OWNER, _GROUP[1:3]),
    Way("a group's response becomes refused, address or another address", "admin", Second.OWNER, _GROUP[1:3]),
    Way("networks or client names come into a more open group", "admin", Second.OWNER, _GROUP),
    Way("a group that leases name is created or deleted", "admin", Second.OWNER, (_GROUP[0], _GROUP[3])),
    Way("a lease into a more open group, for longer there, or to an exempt identity", "operator", Second.OWNER, _LEASE),
    Way("a lease by a VPN or DHCP server", "lease", Second.TOKEN, _LEASE),
    Way("a lease in a stricter group ends, or ends sooner", "operator", Second.OWNER, ("DELETE /leases/{address}",)),
    Way("a pause", "admin", Second.EMERGENCY, ("POST /pauses",)),
    Way(
        "a local name outside your own domains, or for what has rules; one that closed a name is changed or removed",
        "operator",
        Second.OWNER,
        _LOCAL,
    ),
    Way("a policy file is applied", "admin", Second.OWNER, ("POST /policy:apply",)),
    Way("the policy goes back to a revision", "admin", Second.OWNER, ("POST /policy:rollback",)),
    Way("a token of any role is created", "admin", Second.OWNER, ("POST /tokens",)),
    Way(
        "tokens, exemptions and openings by the policy that a restore suspended are confirmed",
        "admin",
        Second.OWNER,
        ("POST /restored:confirm",),
    ),
    Way("privacy settings of the config become wider", "admin", Second.OWNER, ("POST /privacy-settings:widen",)),
    Way("a look at persons, with policy.look_approval: four-eyes", "investigator", Second.OWNER, ("POST /looks",)),
    Way("a change request is approved", "operator", Second.OWNER, ("POST /change-requests/{id}:approve",)),
    Way("config file: policy.own_vendors, lists, groups, response, approval; upstream; local", "root", Second.ROOT),
    Way("moatdns token create, moatdns login-link", "root", Second.ROOT),
    Way("moatdns restore, moatdns store confirm-restored", "root", Second.ROOT),
    Way("moatdns catalogue accept", "root", Second.ROOT),
    Way("files: the store, audit.key, snapshots, the program itself", "root", Second.ROOT),
)

CLOSING: Final[dict[str, str]] = {
    # Operations that write and open nothing.
    "POST /exemptions/{id}:deny": "what is denied was not open",
    "POST /exemptions/{id}:revoke": "ends an exemption",
    "DELETE /pauses/{id}": "ends a pause",
    "DELETE /tokens/{name}": "ends a token",
    "POST /change-requests/{id}:deny": "what is denied was not done",
    "POST /change-requests/{id}:withdraw": "what is withdrawn was not done",
    "POST /audit:acknowledge": "names lost rows in a chained row, by its admin",
    "POST /policy:plan": "changes nothing",
    "POST /webhooks:test": "tells hooks",
    "POST /mail:test": "writes to the config's addresses",
    "POST /unlisted/{domain}:ignore": "writes no rule",
    "POST /unlisted/{domain}:want": "writes no rule",
    "POST /catalogue:refresh": "a feed only adds to the bundled catalogue, and takes its own back",
    "POST /queries:erase": "removes rows of the query log",
    "POST /people:export": "changes nothing",
    "POST /people:erase": "removes what is over: what is in force refuses it",
    "POST /cache:flush": "forgets answers, which are judged anew",
}

MAY_WAIT: Final = frozenset(
    operation
    for way in WAYS
    if way.second in (Second.OWNER, Second.EMERGENCY)
    for operation in way.operations
    if not operation.endswith(":approve")
)
"""Operations that answer 202 where another owner has to agree."""


def document() -> str:
    """The table as docs/four-eyes.md has it."""
    lines = ["| way to open a name | least role | second pair of eyes |", "| --- | --- | --- |"]
    lines += [f"| {way.what} | {way.role} | {way.second.value} |" for way in WAYS]
    return "\n".join(lines) + "\n"
