"""Who calls: tokens, roles, and the throttle for those who guess."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from admin_api.context import Context
from admin_api.http.call import BadRequest
from admin_api.store import tokens
from admin_api.store.tokens import TokenRow

MOST_WRONG = 10  # wrong tokens of one address within _WINDOW_SECONDS; beyond, none of its calls is looked at
_WINDOW_SECONDS = 60.0
_MOST_ADDRESSES = 10_000
_PREFIX_V6 = 64  # one host has as many addresses as it likes in its /64

_RANK = {"viewer": 1, "operator": 2, "admin": 3}


def may(role: str, least: str) -> bool:
    """Whether a role is enough. `lease` is apart: it sets and ends leases, and nothing else; operators may, too."""
    if least == "lease":
        return role == "lease" or may(role, "operator")
    return _RANK.get(role, 0) >= _RANK[least]


class Throttle:
    """Counts wrong tokens by address; the address that was wrong longest ago is forgotten first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, and until when they count

    def check(self, address: str) -> None:
        """Raises BadRequest (429) while an address has been wrong too often."""
        count, until = self._wrong.get(_prefix(address), (0, 0.0))
        left = until - self._clock()
        if count >= MOST_WRONG and left > 0:
            raise BadRequest(429, "too many wrong tokens from this address", Retry_After=str(int(left) + 1))

    def wrong(self, address: str) -> None:
        """Count one more."""
        now = self._clock()
        key = _prefix(address)
        count, until = self._wrong.pop(key, (0, 0.0))
        self._wrong[key] = (count + 1, until) if until > now else (1, now + _WINDOW_SECONDS)
        while len(self._wrong) > _MOST_ADDRESSES:
            self._wrong.popitem(last=False)


def _prefix(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, _PREFIX_V6), strict=False))
    return str(parsed)


async def authenticate(context: Context, throttle: Throttle, address: str, authorization: str | None) -> TokenRow:
    """Whose call it is. Raises BadRequest (401, 429), StoreAway."""
    throttle.check(address)
    scheme, _, text = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not text:
        raise BadRequest(401, "send a token: Authorization: Bearer TOKEN", WWW_Authenticate='Bearer realm="moatdns"')
    async with context.door.store.read() as connection:
        token = await tokens.authenticate(connection, text.strip())
    if token is None:
        throttle.wrong(address)
        raise BadRequest(
            401,
            "the token is wrong, or its time is over",
            WWW_Authenticate='Bearer realm="moatdns", error="invalid_token"',
        )
    return token
