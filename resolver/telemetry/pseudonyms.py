"""Pseudonyms of people and addresses: in each period others, by a random secret of that period. No I/O.

A pseudonym is an HMAC of what it stands for. Without the secret it tells nothing, not even to who knows all names; the
secret is the mapping, and when it is removed, nobody can find out any more whom a pseudonym stood for.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from resolver.system.identities import folded

SECRETS_FILE: Final = "pseudonyms.secret"
"""Below state_dir: the secrets of the periods whose pseudonyms are still in the query log."""
SECRET_BYTES: Final = 32
DAY_SECONDS: Final = 86_400

_FIRST_MONDAY: Final = 4  # days after 1970-01-01, so that seven days are a calendar week
_OCTETS: Final = 10  # 80 bits: of a million people, two share one by a chance of one in two million million
_PSEUDONYM: Final = re.compile(r"~[a-z2-7]{16}")
_MOST_DAYS: Final = 366

What = Literal["identity", "client"]
"""Kinds of what a pseudonym stands for."""


@dataclass(frozen=True, slots=True)
class PseudonymPeriod:
    """A period, in Unix seconds, and its secret in hexadecimal."""

    begins: int
    ends: int
    secret: str = field(repr=False)

    def of(self, what: What, text: str) -> str:
        """The pseudonym of a person or an address, the same for each way to write it: a tilde and 16 characters."""
        digest = hmac.digest(bytes.fromhex(self.secret), f"{what}\0{normal(what, text)}".encode(), hashlib.sha256)
        return "~" + base64.b32encode(digest[:_OCTETS]).decode().lower()


def plain_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address without a link's name; of one of IPv4 in IPv6, that. Raises ValueError for what is none."""
    parsed = ipaddress.ip_address(text.partition("%")[0])
    return getattr(parsed, "ipv4_mapped", None) or parsed


def normal(what: What, text: str) -> str:
    """A person or an address in the form that pseudonyms are made of; what is no address stays as it is."""
    if what == "identity":
        return folded(text)
    try:
        return str(plain_address(text.strip()))
    except ValueError:
        return text


def is_address(text: str) -> bool:
    """Whether a text is an address, rather than a network, a pseudonym or nothing at all."""
    try:
        plain_address(text)
    except ValueError:
        return False
    return True


def is_pseudonym(text: str) -> bool:
    """Whether a text has the form of one."""
    return _PSEUDONYM.fullmatch(text) is not None


def new_period(at: float, days: int) -> PseudonymPeriod:
    """The period of so many days that has the Unix time `at`, with a new secret. Seven days begin on a Monday, UTC."""
    day = int(at) // DAY_SECONDS
    begins = (day - (day - _FIRST_MONDAY) % days) * DAY_SECONDS
    return PseudonymPeriod(begins, begins + days * DAY_SECONDS, secrets.token_hex(SECRET_BYTES))


def period_at(periods: Iterable[PseudonymPeriod], at: float) -> PseudonymPeriod | None:
    """The period that has a Unix time; of several, which another length leaves behind, the one that began last."""
    return max((one for one in periods if one.begins <= at < one.ends), key=lambda one: one.begins, default=None)


def day_of(at: int) -> str:
    """The day, UTC, of a Unix second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def write_periods(periods: Iterable[PseudonymPeriod]) -> str:
    """The text of the file with the secrets."""
    lines = (
        json.dumps({"begins": day_of(one.begins), "ends": day_of(one.ends), "secret": one.secret}) for one in periods
    )
    return "".join(f"{line}\n" for line in lines)


def read_periods(text: str) -> tuple[PseudonymPeriod, ...]:
    """Read what `write_periods` gave. Raises ValueError, which says where, and nothing of the secrets."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            said: Any = json.loads(line)
            begins, ends = _second_of(said["begins"]), _second_of(said["ends"])
            secret = bytes.fromhex(said["secret"])
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"line {number} is no period with its secret") from None
        if not 0 < ends - begins <= _MOST_DAYS * DAY_SECONDS or len(secret) != SECRET_BYTES:
            raise ValueError(f"line {number} is no period with its secret")
        found.append(PseudonymPeriod(begins, ends, secret.hex()))
    return tuple(found)


def _second_of(day: str) -> int:
    return int(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
