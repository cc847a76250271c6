"""Tokens of the API. A token is shown once, when it is made; the store keeps its SHA-256.

A token is ``moat_ID_SECRET``: eight hex digits that find its row, and 32 random octets in base64url.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import delete as delete_from
from sqlalchemy import insert, or_, select
from sqlalchemy import update as update_table
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.persons import FIRST_OWNER
from admin_api.store.change import Change
from admin_api.store.columns import bindable
from admin_api.store.errors import Duplicate, StoreAway, TooMany, found
from admin_api.store.queries import count_of, page_behind, row_of, rows_of
from admin_api.store.roles import FIRST_ROLES, set_of
from admin_api.store.store import Store
from admin_api.store.tables import tokens
from resolver.system.state_files import read_own, write_whole

MOST_TOKENS: Final = 1000
FIRST_TOKEN: Final = "first"  # noqa: S105 (a name)
FIRST_TOKEN_FILE: Final = "admin.token"  # noqa: S105 (a name of a file)

_TOKEN = re.compile(r"moat_([0-9a-f]{8})_[A-Za-z0-9_-]{43}\Z")
_FIRST_PART, _SECOND_PART = 22, 21  # letters of 43, six bits each: either half alone is beyond guessing
_PART_OCTETS = 17
_TOUCHED_ENOUGH = timedelta(minutes=1)
LINK: Final = "link:"  # before a digest: of a link that is not redeemed yet (login_links.py)
REDEEMED: Final = "redeemed:"  # before a digest: of a link whose session it is
_SUSPENDED = "suspended:"  # before a digest: no token has that one, whatever version looks
_NOBODY = "0" * 64  # compared with when no token has the id, so that this takes as long


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One token, without its secret."""

    id: str
    name: str
    owner: str
    roles: tuple[str, ...]  # in the order of roles.ROLES
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    networks: tuple[str, ...] | None = None  # role lease: whose addresses it may lease; None: any
    groups: tuple[str, ...] | None = None  # role lease: into which groups; None: any
    suspended: bool = False  # it came out of a backup, and no admin has confirmed it yet

    @property
    def role(self) -> str:
        """The first of its roles, for clients that know one alone."""
        return self.roles[0] if self.roles else ""

    def has_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now

    def plain(self) -> dict[str, object]:
        """As the audit trail keeps it."""
        expires = None if self.expires_at is None else self.expires_at.isoformat()
        plain = {"id": self.id, "name": self.name, "owner": self.owner, "roles": [*self.roles], "expires_at": expires}
        bounds = {"networks": self.networks, "groups": self.groups}
        return {**plain, **{name: list(bound) for name, bound in bounds.items() if bound is not None}}


_STORED = tuple(field.name for field in fields(TokenRow) if field.name != "suspended")
_IS_SUSPENDED = tokens.c.digest.startswith(_SUSPENDED, autoescape=True)
_COLUMNS = (*(tokens.c[name] for name in _STORED), _IS_SUSPENDED.label("suspended"))


async def get(conn: AsyncConnection, name: str) -> TokenRow:
    """The token of that name. Raises NotFound."""
    return found(await find(conn, name), f"token {name!r}")


async def find(conn: AsyncConnection, name: str) -> TokenRow | None:
    """The token of that name, or None."""
    return await row_of(conn, TokenRow, select(*_COLUMNS).where(tokens.c.name == bindable(name)))


async def by_number(conn: AsyncConnection, number: str) -> TokenRow | None:
    """The token of that id, whether it holds or not."""
    return await row_of(conn, TokenRow, select(*_COLUMNS).where(tokens.c.id == bindable(number)))


async def by_id(conn: AsyncConnection, number: str, now: datetime | None = None) -> TokenRow | None:
    """The token of that id; None when it was revoked or is suspended, or its time is over."""
    token = await by_number(conn, number)
    is_gone = token is None or token.suspended or token.has_expired(now or datetime.now(UTC))
    return None if is_gone else token


async def all_tokens(conn: AsyncConnection) -> list[TokenRow]:
    """All tokens by name."""
    return await rows_of(conn, TokenRow, select(*_COLUMNS).order_by(tokens.c.name))


async def page(conn: AsyncConnection, *, limit: int, after: str | None = None) -> list[TokenRow]:
    """Tokens by name, those behind `after`."""
    return await rows_of(conn, TokenRow, page_behind(select(*_COLUMNS), tokens.c.name, after, limit))


async def authenticate(conn: AsyncConnection, text: str, now: datetime | None = None) -> TokenRow | None:
    """Whose token that is; None when it is nobody's, or its time is over."""
    match = _TOKEN.match(text)
    row = None
    if match is not None:
        row = (await conn.execute(select(tokens.c.digest, *_COLUMNS).where(tokens.c.id == match[1]))).first()
    expected, *values = (_NOBODY,) if row is None else row
    if not hmac.compare_digest(_digest(text), expected) or row is None:
        return None
    token = TokenRow(*values)
    return None if token.has_expired(now or datetime.now(UTC)) else token


async def is_suspended(conn: AsyncConnection, text: str) -> bool:
    """Whether it is a token that waits for an admin's word, since its store came out of a backup."""
    match = _TOKEN.match(text)
    digest = await conn.scalar(select(tokens.c.digest).where(tokens.c.id == match[1])) if match else None
    return digest is not None and hmac.compare_digest(_SUSPENDED + _digest(text), str(digest))


async def suspend_all(change: Change) -> int:
    """Have no token let anybody in until an admin confirms it; gives how many that concerns.

    Links, and the sessions of those that were redeemed, are removed: they last minutes and hours, and a session's
    text nobody has.
    """
    digest = tokens.c.digest
    of_links = or_(*(digest.startswith(mark, autoescape=True) for mark in (LINK, REDEEMED)))
    await change.connection.execute(delete_from(tokens).where(of_links))
    suspended = update_table(tokens).where(~_IS_SUSPENDED).values(digest=_SUSPENDED + tokens.c.digest)
    return int((await change.connection.execute(suspended)).rowcount)


async def suspended_names(conn: AsyncConnection) -> list[str]:
    """The names of those that are suspended."""
    return list((await conn.execute(select(tokens.c.name).where(_IS_SUSPENDED).order_by(tokens.c.name))).scalars())


async def confirm(change: Change, name: str) -> None:
    """Have a suspended token let its holder in again. Raises NotFound where there is none."""
    query = select(tokens.c.digest).where(tokens.c.name == bindable(name), _IS_SUSPENDED)
    digest = found(await change.connection.scalar(query), f"suspended token {name!r}")
    values = {"digest": str(digest).removeprefix(_SUSPENDED)}
    await change.connection.execute(update_table(tokens).where(tokens.c.name == name).values(values))


def needs_touch(token: TokenRow, now: datetime | None = None) -> bool:
    """Whether its last use was noted so long ago that it should be noted again."""
    now = now or datetime.now(UTC)
    return token.last_used_at is None or token.last_used_at <= now - _TOUCHED_ENOUGH


async def touch(store: Store, token: TokenRow, now: datetime | None = None) -> None:
    """Note that it was used, at most once a minute. Nothing waits for this: call it beside the request."""
    now = now or datetime.now(UTC)
    long_ago = or_(tokens.c.last_used_at.is_(None), tokens.c.last_used_at <= now - _TOUCHED_ENOUGH)
    async with store.count() as connection:
        await connection.execute(update_table(tokens).where(tokens.c.id == token.id, long_ago).values(last_used_at=now))


async def create(
    change: Change,
    *,
    name: str,
    owner: str,
    roles: Iterable[str],
    expires_at: datetime | None = None,
    networks: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    part: str | None = None,
    by: str | None = None,
) -> tuple[TokenRow, str]:
    """Make a token; gives it with its text, which is not kept. Raises Duplicate, TooMany.

    `part` is what `new_part` gave, where somebody has that half already. `by` is told in the audit trail.
    """
    conn = change.connection
    if await conn.scalar(select(tokens.c.id).where(tokens.c.name == name)) is not None:
        raise Duplicate(f"token {name!r}")
    if await count_of(conn, tokens) >= MOST_TOKENS:
        raise TooMany(f"there are {MOST_TOKENS} tokens, the maximum: revoke unused ones")
    number = secrets.token_hex(4)
    while await conn.scalar(select(tokens.c.id).where(tokens.c.id == number)) is not None:
        number = secrets.token_hex(4)
    text = f"moat_{number}_{secrets.token_urlsafe(_PART_OCTETS)[:_FIRST_PART]}{part or new_part()}"
    bounds = [None if bound is None else tuple(bound) for bound in (networks, groups)]
    row = TokenRow(number, name, owner, set_of(roles), datetime.now(UTC), expires_at, None, bounds[0], bounds[1])
    stored = {name: getattr(row, name) for name in _STORED}
    await conn.execute(insert(tokens).values({**stored, "digest": _digest(text)}))
    change.record("create", f"tokens/{name}", None, {**row.plain(), **({"by": by} if by else {})})
    return row, text


def new_part() -> str:
    """The second half of a token's secret, for the one of two owners who asks for it; the other is given the rest."""
    return secrets.token_urlsafe(_PART_OCTETS)[:_SECOND_PART]


async def revoke(change: Change, name: str) -> None:
    """Remove the token. Raises NotFound."""
    row = await get(change.connection, name)
    await change.connection.execute(delete_from(tokens).where(tokens.c.id == row.id))
    change.record("revoke", f"tokens/{name}", row.plain(), None)


async def ensure_first_token(store: Store, state_dir: Path) -> Path | None:
    """With no token at all, make one of FIRST_ROLES and write it to a file of mode 0600; gives the file's path.

    A file that is there and empty (a disk that was full, a machine that lost power) is written anew, since nobody can
    read from it what the first token is; one that is not there was taken away on purpose.
    """
    is_empty = await asyncio.to_thread(_is_empty, state_dir / FIRST_TOKEN_FILE)
    async with store.read() as connection:
        if await _any(connection) and not is_empty:
            return None
    async with store.change("moatdns") as change:
        if await _any(change.connection) and not is_empty:
            return None
        name = await _name_of_first(change)
        _, text = await create(change, name=name, owner=FIRST_OWNER, roles=FIRST_ROLES)
        # Before the commit: a token that nobody was told would lock everybody out.
        return await asyncio.to_thread(_write_token, state_dir, text)


async def _name_of_first(change: Change) -> str:
    """A name that is free. The first token gives way where it was never used: nobody has it then."""
    row = await find(change.connection, FIRST_TOKEN)
    if row is None:
        return FIRST_TOKEN
    if row.last_used_at is None:
        await revoke(change, FIRST_TOKEN)
        return FIRST_TOKEN
    number = 2
    while await find(change.connection, f"{FIRST_TOKEN}-{number}") is not None:
        number += 1
    return f"{FIRST_TOKEN}-{number}"


def _is_empty(path: Path) -> bool:
    try:
        return not read_own(path).strip()
    except OSError:
        return False


async def _any(conn: AsyncConnection) -> bool:
    """Whether there is one, links that wait to be redeemed aside."""
    is_link = tokens.c.digest.startswith(LINK, autoescape=True)
    return await conn.scalar(select(tokens.c.id).where(~is_link).limit(1)) is not None


def _write_token(state_dir: Path, text: str) -> Path:
    path = state_dir / FIRST_TOKEN_FILE
    try:
        write_whole(path, f"{text}\n".encode())
    except OSError as error:
        raise StoreAway(f"the first token cannot be written to {path}: {error.strerror}") from error
    return path


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
