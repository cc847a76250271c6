"""Links that sign in once: made on the machine, redeemed by a browser, within ten minutes.

A link is a token that is no way in yet: its digest is of the link, and marked as one. Redeeming it makes it the token
of one session, of twelve hours at most, whose text nobody knows. So the page Tokens shows both, and revokes both.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, select, update

from admin_api.persons import FIRST_OWNER
from admin_api.store import tokens as token_rows
from admin_api.store.change import Change
from admin_api.store.errors import TooMany
from admin_api.store.roles import FIRST_ROLES
from admin_api.store.store import Store
from admin_api.store.tables import tokens
from admin_api.store.tokens import LINK, REDEEMED, TokenRow

GOOD_FOR: Final = timedelta(minutes=10)
LONGEST_SESSION: Final = timedelta(hours=12)
MOST_LINKS: Final = 10  # that wait to be redeemed

_NAME: Final = "login-link-"
_HERE, _ANYWHERE = f"{LINK}here:", f"{LINK}anywhere:"  # before the digest: from this machine alone, or from any
_NONE: Final = "0" * 64  # compared with where there is no such link, so that this takes as long
_LINK: Final = re.compile(r"link_([0-9a-f]{8})_[A-Za-z0-9_-]{43}\Z")
_SECRET_OCTETS: Final = 32


@dataclass(frozen=True, slots=True)
class LinkRefused:
    """Why a link lets nobody in."""

    why: str


async def make_link(change: Change, *, is_for_here: bool, by: str, now: datetime | None = None) -> tuple[TokenRow, str]:
    """Make a link; gives its row, and its text, which is not kept. Raises TooMany.

    `is_for_here`: only a browser on this machine redeems it. `by` is the system's user, for the audit trail.
    """
    now = now or datetime.now(UTC)
    conn, digest = change.connection, tokens.c.digest
    is_ours = digest.startswith(LINK, autoescape=True) | digest.startswith(REDEEMED, autoescape=True)
    await conn.execute(delete(tokens).where(is_ours, tokens.c.expires_at <= now))
    waiting = await conn.scalar(select(func.count()).where(digest.startswith(LINK, autoescape=True)))
    if waiting is not None and waiting >= MOST_LINKS:
        raise TooMany(f"there are {MOST_LINKS} links that nobody has used, the maximum: wait until they are over")
    name = f"{_NAME}{secrets.token_hex(4)}"
    row, _ = await token_rows.create(
        change, name=name, owner=FIRST_OWNER, roles=FIRST_ROLES, expires_at=now + GOOD_FOR, by=by
    )
    text = f"link_{row.id}_{secrets.token_urlsafe(_SECRET_OCTETS)}"
    marked = (_HERE if is_for_here else _ANYWHERE) + _digest(text)
    await conn.execute(update(tokens).where(tokens.c.id == row.id).values(digest=marked))
    return row, text


async def redeem_link(
    store: Store,
    text: str,
    *,
    address: str,
    is_here: bool,
    notes_refusal: bool = True,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> TokenRow | LinkRefused:
    """Have a link be the token of a session, or say why not; the audit trail has both. Raises StoreAway.

    `address` is the browser's, `is_here` whether that is this machine. What names no link leaves no row: anybody may
    send that; nor does a refusal without `notes_refusal`, for an address that was refused too often.
    """
    match = _LINK.match(text)
    number = match[1] if match else ""
    async with store.read() as connection:
        known = await connection.scalar(select(tokens.c.digest).where(tokens.c.id == number))
    if known is None or not known.startswith((LINK, REDEEMED)):
        hmac.compare_digest(_NONE, _digest(text))
        return LinkRefused("the link is wrong, or was over long ago")
    async with store.change("login page") as change:
        conn = change.connection
        known = str(await conn.scalar(select(tokens.c.digest).where(tokens.c.id == number)) or "")
        row = await token_rows.by_number(conn, number)
        if row is None:
            return LinkRefused("the link is wrong, or was revoked")
        why = _refusal(known, row, text, is_here, clock())
        if why is not None:
            if notes_refusal:
                change.record("refuse", f"tokens/{row.name}", None, {"why": why, "address": address})
            return LinkRefused(why)
        redeemed = replace(row, expires_at=clock() + LONGEST_SESSION)
        values = {"digest": REDEEMED + known.rpartition(":")[2], "expires_at": redeemed.expires_at}
        await conn.execute(update(tokens).where(tokens.c.id == number).values(values))
        change.record("redeem", f"tokens/{row.name}", row.plain(), {**redeemed.plain(), "address": address})
        return redeemed


def _refusal(known: str, row: TokenRow, text: str, is_here: bool, now: datetime) -> str | None:
    is_right = hmac.compare_digest(known.rpartition(":")[2], _digest(text))
    if not is_right:
        return "the link is wrong"
    if known.startswith(REDEEMED):
        return "the link was used already"
    if row.has_expired(now):
        return "the link is over: it is good for ten minutes"
    if known.startswith(_HERE) and not is_here:
        return "the link is for a browser on this machine: make one with --url for others"
    return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
