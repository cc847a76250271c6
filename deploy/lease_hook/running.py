"""The frame that every hook runs in: the config, the log, a time limit, and the one process that sends.

A hook never fails its caller (an OpenVPN server would turn the client away) and never keeps it waiting: two seconds
after its start it is over, whatever happens. What goes wrong is told to syslog, and to stderr.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import syslog
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

from .people import DeviceMap, Holder
from .settings import DEFAULT_PATH, HookError, Settings, read_settings
from .spool import Spool

LONGEST_SECONDS: Final = 2.0
_CONFIG_VARIABLE: Final = "MOATDNS_LEASE_HOOK_CONF"


class Hook(NamedTuple):
    """The parts that a hook works with."""

    settings: Settings
    people: DeviceMap
    spool: Spool

    def lease(
        self, addresses: list[str], holder: Holder, source: str, *, seconds: str = "", only_when_due: bool = False
    ) -> bool:
        """Order a lease, as `Spool.set` does; for as long as a server says in `seconds`, else as the settings say.

        Addresses that several people have at once get none.
        """
        addresses = [one for one in addresses if not self._is_shared(one)]
        if not addresses:
            return False
        ttl = int(seconds) if re.fullmatch(r"[1-9][0-9]{0,9}", seconds) else self.settings.ttl_seconds
        return self.spool.set(addresses, *holder, ttl_seconds=ttl, source=source, only_when_due=only_when_due)

    def _is_shared(self, address: str) -> bool:
        return any(ip_address(address) in network for network in self.settings.shared)


def log(text: str) -> None:
    """Say something to syslog, and on stderr; what came from elsewhere cannot act on who reads it."""
    text = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    syslog.syslog(syslog.LOG_WARNING, text)
    print(f"moatdns-lease-hook: {text}", file=sys.stderr, flush=True)  # noqa: T201


def hook() -> Hook:
    """The config, the map and the spool. Raises HookError."""
    syslog.openlog("moatdns-lease-hook", syslog.LOG_PID, syslog.LOG_DAEMON)
    settings = read_settings(Path(os.environ.get(_CONFIG_VARIABLE, DEFAULT_PATH)))
    people = DeviceMap(settings)
    for fault in people.faults[:10]:
        log(fault)
    spool = Spool(settings.state_dir)
    if people.note and spool.is_new_note(people.note):
        log(people.note)
    return Hook(settings, people, spool)


def run(work: Callable[[Hook], None]) -> int:
    """Do a hook's work, which writes to the spool, and see to it that it is sent. Always 0."""
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_SECONDS)
    try:
        own = hook()
        try:
            work(own)
        finally:
            _send_in_background(own)  # also what waits from before
    except (HookError, OSError) as error:
        log(str(error))
    except Exception as error:  # also a mistake of ours: it must not turn a client of the VPN away
        log(f"unexpected: {error!r}")
    signal.setitimer(signal.ITIMER_REAL, 0)
    return 0


def send_now() -> int:
    """Send what waits and say how it went: 0 when nothing waits any more, else 1. For trying things out."""
    try:
        own = hook()
        own.settings.token()
        right = own.spool.try_to_be_sender()
    except (HookError, OSError) as error:
        log(str(error))
        return 1
    if right is None:
        log("another process is sending what waits")
        return 1
    from .sending import Sender  # noqa: PLC0415

    return 0 if Sender(own.settings, own.spool, log).run(give_up_seconds=0) else 1


def _give_up(_signal: int, _frame: FrameType | None) -> None:
    """Ends the process there and then: whatever hangs, the VPN does not wait for it."""
    os.write(2, b"moatdns-lease-hook: not done within 2 s; gave up\n")
    os._exit(0)


def _send_in_background(own: Hook) -> None:
    """Start a process that sends what waits, unless there is one: it looks again before it ends."""
    right = own.spool.try_to_be_sender()
    if right is None:
        return
    sys.stderr.flush()
    if process_id := os.fork():
        own.spool.say_who_sends(right, process_id)
        os.close(right)
        return
    status = 1
    try:
        _leave_the_caller()
        _send(own, right)
        status = 0
    except BaseException as error:
        syslog.syslog(syslog.LOG_ERR, f"the sender failed: {error!r}")
        raise
    finally:
        os._exit(status)


def _send(own: Hook, right: int) -> None:
    # HTTP and TLS take longer to import than all the rest: not while the VPN waits.
    from .sending import Sender  # noqa: PLC0415

    held: int | None = right
    while held is not None:
        own.spool.say_who_sends(held, os.getpid())
        sent = Sender(own.settings, own.spool, log).run()
        os.close(held)
        # What was written after the last look and before the close found a sender at work, and left it to that.
        held = own.spool.try_to_be_sender() if sent and own.spool.waiting() else None


def _leave_the_caller() -> None:
    """Be no part of the caller any more: its signals, its terminal, and the pipes whose end it waits for."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
