"""Sends what waits in the spool to moatdns's admin API, oldest first, and tries again while the API is away."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import ssl
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final
from urllib.parse import quote, urlsplit

from .settings import HookError, Settings, shown
from .spool import Order, Spool

GIVE_UP_SECONDS: Final = 600.0  # without one answer; the next event begins anew, and what waits stays
_SILENCE_SECONDS: Final = 5.0
_CALL_SECONDS: Final = 10.0  # a call in all, however slowly its answer drips
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 15.0
_MAX_ANSWER_BYTES: Final = 65_536
_NOTHING_TO_END: Final = (404, 409)  # it ended before, or is somebody else's by now: both are well
_REFUSED: Final = (400, 404, 409, 413, 422)  # this order is bad; others may be good

Log = Callable[[str], None]


class Away(Exception):
    """moatdns takes no order for now; the text says why."""


class Sender:
    """Sends orders, one after the other, over one connection where the API lets it stay open."""

    def __init__(self, settings: Settings, spool: Spool, log: Log) -> None:
        self._settings = settings
        self._spool = spool
        self._log = log

    def run(self, *, give_up_seconds: float = GIVE_UP_SECONDS) -> bool:
        """Send until nothing waits. False when moatdns was away for so long; what waits is kept."""
        deadline = time.monotonic() + give_up_seconds
        pause, told = _FIRST_PAUSE_SECONDS, ""
        while True:
            try:
                self._send_all()
            except (Away, HookError) as error:
                if str(error) != told:
                    told = str(error)
                    self._log(f"{told}; {len(self._spool.waiting())} orders wait")
                if time.monotonic() + pause > deadline:
                    return False
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            else:
                self._spool.held()  # forgets those that lapsed
                return True

    def _send_all(self) -> None:
        """Raises Away, and HookError for what an admin has to mend."""
        headers = {"Authorization": f"Bearer {self._settings.token()}", "Content-Type": "application/json"}
        with contextlib.closing(self._connection()) as connection:
            while orders := self._spool.waiting():
                for order in orders:
                    if order.until > time.time():
                        self._send(order, connection, headers)
                    self._spool.done(order)

    def _connection(self) -> http.client.HTTPConnection | http.client.HTTPSConnection:
        url = urlsplit(self._settings.url)
        host = url.hostname or ""
        if url.scheme == "http":
            return http.client.HTTPConnection(host, url.port or 80, timeout=_SILENCE_SECONDS)
        ca_file = self._settings.ca_file
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise HookError(f"{ca_file}: cannot be read as PEM certificates: {error.strerror or error}") from None
        return http.client.HTTPSConnection(host, url.port or 443, timeout=_SILENCE_SECONDS, context=context)

    def _send(self, order: Order, connection: http.client.HTTPConnection, headers: dict[str, str]) -> None:
        path = f"{urlsplit(self._settings.url).path}/api/v1/leases/{quote(order.address, safe='')}"
        try:
            with _at_most(_CALL_SECONDS):
                if order.is_end:
                    connection.request("DELETE", f"{path}?identity={quote(order.identity, safe='')}", headers=headers)
                else:
                    connection.request("PUT", path, json.dumps(_lease(order)), headers)
                response = connection.getresponse()
                status, answer = response.status, response.read(_MAX_ANSWER_BYTES)
                if not response.isclosed():
                    connection.close()  # the rest of so long an answer is not worth reading
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Away(f"{self._settings.url}: no answer: {error or type(error).__name__}") from None
        if 200 <= status < 300 or (order.is_end and status in _NOTHING_TO_END):
            return
        what = f"the lease of {shown(order.identity)} on {order.address}"
        why = f"{self._settings.url}: {status} for {what}: {_told(answer)}"
        if status not in _REFUSED:
            raise Away(why)
        self._log(f"{why}; it is dropped")


def _lease(order: Order) -> dict[str, object]:
    body: dict[str, object] = {"identity": order.identity, "ttl_seconds": max(1, round(order.until - time.time()))}
    if order.group is not None:
        body["group"] = order.group
    if order.addresses:
        body["addresses"] = order.addresses
    return body


def _told(answer: bytes) -> str:
    """Text of a problem document, short and in one line."""
    try:
        problem = json.loads(answer)
        parts = [problem.get("detail") or problem.get("title") or ""]
        parts += [f"{error.get('pointer', '')} {error.get('detail', '')}" for error in problem.get("errors", [])]
        text = "; ".join(part for part in parts if part)
    except (ValueError, AttributeError, TypeError):
        text = answer.decode(errors="replace")
    return ascii(text[:300])


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in the middle of whatever takes longer."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"not within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
