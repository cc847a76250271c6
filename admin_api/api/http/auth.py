"""Authentication by token, and the throttle for those who guess."""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from admin_api.api.context import Context
from admin_api.editing.refusals import BadRequest
from admin_api.store import tokens
from admin_api.store.roles import FIREWALL
from admin_api.store.tokens import MOST_TOKENS, TokenRow
from resolver.answering.rates import Buckets

MOST_WRONG = 10  # wrong tokens of one address within _WINDOW_SECONDS; beyond, it is told no more than that
_WINDOW_SECONDS = 60.0
_MOST_ADDRESSES = 10_000
_LOOKS_PER_SECOND = 10  # at tokens not known yet, of all addresses that were wrong too often; a look takes half a ms
_ALL = "all"


class Throttle:
    """Counts wrong tokens by address; the address that was wrong longest ago is forgotten first.

    A good token is let in wherever wrong ones come from, too, since behind a proxy everybody has the proxy's address:
    at once where it was good before, else as long as that costs little. A wrong one gets the same answer either way.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, ipv6_prefix: int = 64) -> None:
        """Wrong ones of IPv6 count by networks of so many bits: a host has as many addresses as it likes in its own."""
        self._clock = clock
        self._ipv6_prefix = ipv6_prefix
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, and until when they count
        self._good: OrderedDict[bytes, None] = OrderedDict()  # SHA-256 of tokens; the one used last is at the end
        self._looks = Buckets(_LOOKS_PER_SECOND, 1, "token_looks", Counter())

    def hears(self, address: str) -> bool:
        """Whether an address has not been wrong too often."""
        return self._seconds_left(address) <= 0

    def check(self, address: str) -> None:
        """Raises BadRequest (429) while an address has been wrong too often."""
        left = self._seconds_left(address)
        if left > 0:
            raise BadRequest(429, "too many wrong tokens from this address", Retry_After=str(int(left) + 1))

    def check_before_look(self, address: str, token: str) -> None:
        """Raises BadRequest (429) where a token of such an address is not even looked up."""
        if self._seconds_left(address) <= 0 or _digest(token) in self._good:
            return
        if not self._looks.take(_ALL, 1, self._clock()):
            self.check(address)

    def wrong(self, address: str, token: str) -> None:
        """Count one more."""
        self._good.pop(_digest(token), None)
        now = self._clock()
        key = self._network(address)
        count, until = self._wrong.pop(key, (0, 0.0))
        self._wrong[key] = (count + 1, until) if until > now else (1, now + _WINDOW_SECONDS)
        while len(self._wrong) > _MOST_ADDRESSES:
            self._wrong.popitem(last=False)

    def _seconds_left(self, address: str) -> float:
        """For how long an address is not listened to; 0 or less where it is."""
        count, until = self._wrong.get(self._network(address), (0, 0.0))
        return until - self._clock() if count >= MOST_WRONG else 0.0

    def _network(self, address: str) -> str:
        """Return the address or network that wrong tokens are counted by."""
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return address
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        if parsed.version == 6:
            return str(ipaddress.ip_network((parsed, self._ipv6_prefix), strict=False))
        return str(parsed)

    def good(self, token: str) -> None:
        """Remember a good one."""
        digest = _digest(token)
        self._good[digest] = None
        self._good.move_to_end(digest)
        while len(self._good) > MOST_TOKENS:
            self._good.popitem(last=False)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def is_basic(authorization: str | None) -> bool:
    """Whether a header is one of Basic authentication (RFC 7617)."""
    return (authorization or "").partition(" ")[0].lower() == "basic"


def from_basic(authorization: str | None) -> str | None:
    """Turn Basic authentication (RFC 7617), with a token as its password, into Bearer; all else stays as it is."""
    if not is_basic(authorization):
        return authorization
    text = (authorization or "").partition(" ")[2]
    try:
        _, _, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        password = ""
    return f"Bearer {password}"


def demand_for_basic(token: TokenRow) -> None:
    """Raises BadRequest (403) for a token that may more than fetch lists: firewalls' configurations hold passwords."""
    if token.roles != (FIREWALL,):
        has = f"{token.name!r} has {', '.join(token.roles)}"
        raise BadRequest(403, f"a token that comes as a password has only the role {FIREWALL}; {has}")


async def authenticate(context: Context, throttle: Throttle, address: str, authorization: str | None) -> TokenRow:
    """Whose call it is. Raises BadRequest (401, 429), StoreAway.

    A good token is let in wherever wrong ones come from, too: behind a proxy everybody has the proxy's address.
    """
    scheme, _, text = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not text:
        raise BadRequest(401, "send a token: Authorization: Bearer TOKEN", WWW_Authenticate='Bearer realm="moatdns"')
    text = text.strip()
    throttle.check_before_look(address, text)
    async with context.store.read() as connection:
        token = await tokens.authenticate(connection, text)
        is_suspended = token is None and await tokens.is_suspended(connection, text)
    if is_suspended:
        raise BadRequest(
            401,
            "the token is suspended since the store was restored from a backup: an admin confirms it",
            WWW_Authenticate='Bearer realm="moatdns", error="invalid_token"',
        )
    if token is None:
        throttle.check(address)
        throttle.wrong(address, text)
        raise BadRequest(
            401,
            "the token is wrong, or has expired",
            WWW_Authenticate='Bearer realm="moatdns", error="invalid_token"',
        )
    throttle.good(text)
    return token
