"""Orders to moatdns and the addresses that are held, as files: hooks end at once, and their orders stay.

state_dir/orders/ADDRESS_HASH   what is to be sent; one for each address and identity, a later one takes its place
state_dir/held/ADDRESS          whose the address is: some servers do not say it when they end a session
state_dir/noted                what was said of the map, once
state_dir/edit.lock             held for the moment of a change
state_dir/sender.lock           held by the one process that sends
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import ipaddress
import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from .settings import LONGEST_SECONDS, SHORTEST_SECONDS, HookError, shown

_MOST_FILES: Final = 20_000  # of a kind; beyond, nothing new is taken
_MAX_ADDRESSES: Final = 16  # of one device; moatdns takes no more


class Order(NamedTuple):
    """A lease to be set or ended. Times are of the wall clock, in seconds."""

    address: str
    identity: str
    group: str | None
    addresses: tuple[str, ...]  # more of the same device
    is_end: bool
    at: float
    until: float  # when the lease ends by itself; nothing is to be told any more
    source: str  # which hook said it, such as wireguard:wg0

    def says_the_same(self, other: Order) -> bool:
        """Whether both are about the same device of the same person."""
        return self._replace(at=0, until=0) == other._replace(at=0, until=0)


def read_address(text: str) -> str:
    """An address in its one normal form. Raises HookError."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise HookError(f"{shown(text)} is not an IP address") from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if "%" in text or address.is_link_local or address.is_multicast or address.is_unspecified:
        raise HookError(f"{shown(text)} is no address that a client could have at the resolver")
    return str(address)


class Spool:
    """The files below one folder, which is this user's own. Makes it where it is missing. Raises HookError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._orders = folder / "orders"
        self._held = folder / "held"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            owner = folder.stat().st_uid
            if owner != os.geteuid():
                raise HookError(
                    f"{folder}: belongs to user {owner}, and this runs as user {os.geteuid()}: run all as one"
                )
            folder.chmod(0o700)
            self._orders.mkdir(exist_ok=True)
            self._held.mkdir(exist_ok=True)
        except OSError as error:
            raise HookError(f"{folder}: cannot be used: {error.strerror}; see STATE_DIR in the README") from None

    def set(
        self,
        addresses: list[str],
        identity: str,
        group: str | None,
        *,
        ttl_seconds: int,
        source: str,
        only_when_due: bool = False,
    ) -> bool:
        """Order a lease on the addresses of one device; all are in normal form. Gives whether it was ordered.

        `only_when_due`: not where the same was ordered before and more than half of it is left.
        """
        first, *more = list(dict.fromkeys(addresses))[:_MAX_ADDRESSES]
        ttl = min(max(ttl_seconds, SHORTEST_SECONDS), LONGEST_SECONDS)
        with self._locked("edit.lock"):
            at = time.time()
            order = Order(first, identity, group, tuple(more), False, at, at + ttl, source)
            before = self._read(self._held / first)
            if only_when_due and before is not None and order.says_the_same(before) and before.until - at > ttl / 2:
                return False
            if before is not None and before.identity != identity and before.until > at:
                # Else, were this order replaced by its own end before it was sent, the other's lease would stay.
                over = before._replace(is_end=True, at=at)
                self._write(self._order_file(over), over)
                order = order._replace(at=math.nextafter(at, math.inf))
            self._write(self._held / first, order)
            self._write(self._order_file(order), order)
        return True

    def end(self, address: str, identity: str | None = None) -> bool:
        """Order the end of the lease on an address. Gives whether there is one that is known.

        `identity` None: of whoever has it as far as the hooks know.
        """
        with self._locked("edit.lock"):
            held = self._read(self._held / address)
            at = time.time()
            if held is not None and identity in {None, held.identity}:
                (self._held / address).unlink()
                order = held._replace(is_end=True, at=at)
            elif identity is not None:
                order = Order(address, identity, None, (), True, at, at + LONGEST_SECONDS, "")
            else:
                return False
            if order.until > at:
                self._write(self._order_file(order), order)
        return True

    def whose(self, address: str) -> Order | None:
        """The order that leased an address, unless that lease was ended."""
        return self._read(self._held / address)

    def held(self) -> list[Order]:
        """Leases that were set and neither ended nor lapsed. Those that lapsed are forgotten."""
        found = []
        with self._locked("edit.lock"):
            for path in self._files(self._held):
                order = self._read(path)
                if order is None or order.until < time.time():
                    path.unlink(missing_ok=True)
                else:
                    found.append(order)
        return found

    def waiting(self) -> list[Order]:
        """Orders to be sent, oldest first."""
        orders = [order for path in self._files(self._orders) if (order := self._read(path)) is not None]
        return sorted(orders, key=lambda order: order.at)

    def done(self, order: Order) -> None:
        """Take an order out that was sent, unless a later one has taken its place."""
        with self._locked("edit.lock"):
            path = self._order_file(order)
            now = self._read(path)
            if now is None or now.at == order.at:
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with (self._folder / name).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def try_to_be_sender(self) -> int | None:
        """A file descriptor that is the right to send for as long as it is open, or None while another has it."""
        descriptor = os.open(self._folder / "sender.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def say_who_sends(self, descriptor: int, process_id: int) -> None:
        """Write the sender's process id into its lock, for whoever looks for it."""
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{process_id}\n".encode(), 0)

    def is_new_note(self, text: str) -> bool:
        """Whether this was not noted before: hooks run at each event, and the log needs it once."""
        path = self._folder / "noted"
        try:
            if path.read_text() == text:
                return False
        except (OSError, ValueError):
            pass
        with contextlib.suppress(OSError):  # then it is said again
            path.write_text(text)
        return True

    def _order_file(self, order: Order) -> Path:
        digest = hashlib.sha256(order.identity.encode()).hexdigest()[:16]
        return self._orders / f"{order.address}_{digest}"

    def _files(self, folder: Path) -> list[Path]:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]

    def _read(self, path: Path) -> Order | None:
        """The order in a file; None where there is none, or none that can be read, which is taken out."""
        try:
            fields = json.loads(path.read_bytes())
            return Order(**{**fields, "addresses": tuple(fields["addresses"])})
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError):
            path.unlink(missing_ok=True)  # half-written when the disk was full, or of another version
            return None

    def _write(self, path: Path, order: Order) -> None:
        if not path.exists() and sum(1 for _ in path.parent.iterdir()) >= _MOST_FILES:
            raise HookError(f"{path.parent}: {_MOST_FILES} files wait there; is moatdns away for long?")
        partial = path.with_name(f".{path.name}")
        partial.write_text(json.dumps(order._asdict()))
        partial.replace(path)
