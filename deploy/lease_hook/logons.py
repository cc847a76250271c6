"""Log-on events of a Windows domain, as forwarders send them: a JSON object a line, of Winlogbeat or of NXLog.

Two events of domain controllers tell who is at an address: 4768 (a Kerberos ticket was granted) and 4624 of type 3 (a
log-on over the network, as each workstation does for its policies). None tells that somebody has left: a lease runs
out, or the next log-on takes its place.
"""

from __future__ import annotations

import functools
import ipaddress
import json
import os
import select
import signal
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from .running import Hook, log, run
from .settings import HookError
from .spool import read_address

TICKET: Final = 4768
LOG_ON: Final = 4624
MOST_LINE_OCTETS: Final = 65_536

_OVER_THE_NETWORK: Final = 3  # of the types of 4624: all others are told by the machine itself, of itself
_GRANTED: Final = 0  # the status of 4768
_ACCOUNTS: Final = "S-1-5-21-"  # SIDs of a domain's accounts; SYSTEM, ANONYMOUS LOGON and the like have others
_MACHINE: Final = "$"  # ends the names of computers' accounts, and of group-managed service accounts
_GATHER_SECONDS: Final = 1.0
_MOST_AT_ONCE: Final = 500  # events that are told together
_READ_OCTETS: Final = 65_536


class LogOn(NamedTuple):
    """A log-on: of an account of a domain, both in lower case, at an address in normal form."""

    account: str
    domain: str
    address: str


def main(_words: list[str]) -> int:
    """Entry point that a forwarder keeps running: reads events from standard input until its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # processes that send are nobody's to wait for
    for lines in _batches(0):
        log_ons = list(_read(lines))
        if log_ons:
            run(functools.partial(tell, log_ons=log_ons))
    return 0


def tell(hook: Hook, log_ons: list[LogOn]) -> None:
    """Order a lease for the last log-on at each address; one that was ordered lately is left as it is."""
    if not hook.settings.domains:
        raise HookError("DOMAINS is not set: name the domain whose accounts get leases, as events have it")
    last: dict[str, LogOn] = {}
    for log_on in log_ons:
        if log_on.domain in hook.settings.domains and not hook.people.is_nobody(log_on.account):
            last[log_on.address] = log_on
    for log_on in last.values():
        name = f"{log_on.account}@{hook.settings.realm}" if hook.settings.realm else log_on.account
        try:
            hook.lease([log_on.address], hook.people.of_name(name), "log-on", only_when_due=True)
        except HookError as error:
            log(str(error))


def read_log_on(line: bytes) -> LogOn | None:
    """The log-on that a line tells of; None for other events, machines, failures, and the controller's own address.

    Raises HookError for what is no event.
    """
    if len(line) > MOST_LINE_OCTETS:
        raise HookError(f"an event of more than {MOST_LINE_OCTETS} octets")
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        raise HookError("a line that is no JSON: have the forwarder send events as JSON, one a line") from None
    if not isinstance(event, dict):
        raise HookError("a line that is no JSON object")
    windows = _part(event, "winlog")  # of Winlogbeat
    number = _number(windows.get("event_id", event.get("EventID")))
    data = _part(windows, "event_data") or event  # NXLog has all of it in one object
    account, domain, address = (_text(data, name) for name in ("TargetUserName", "TargetDomainName", "IpAddress"))
    sid = _text(data, "TargetSid" if number == TICKET else "TargetUserSid")
    told = (number == TICKET and _number(data.get("Status")) == _GRANTED) or (
        number == LOG_ON and _number(data.get("LogonType")) == _OVER_THE_NETWORK
    )
    account, _, of_domain = account.partition("@")  # as some clients write it, with the realm
    if not told or not account or account.endswith(_MACHINE) or (sid and not sid.startswith(_ACCOUNTS)):
        return None
    at = _client_address(address)
    return LogOn(account.lower(), (of_domain or domain).lower(), at) if at else None


def _client_address(text: str) -> str:
    """An address in normal form; empty for none, and for the domain controller's own."""
    if text in {"", "-"}:
        return ""
    at = read_address(text)
    return "" if ipaddress.ip_address(at).is_loopback else at


def _part(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = of.get(name)
    return part if isinstance(part, dict) else {}


def _text(of: Mapping[str, Any], name: str) -> str:
    value = of.get(name)
    return value.strip() if isinstance(value, str) else ""


def _number(value: object) -> int | None:
    """A number, as JSON's own, or as text: ``4768``, ``0x0``."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return int(value[:20], 0) if isinstance(value, str) else None
    except ValueError:
        return None


def _read(lines: list[bytes]) -> Iterator[LogOn]:
    """The log-ons that lines tell of; what is no event is told once for all of them."""
    faults = 0
    why = ""
    for line in lines:
        if not line.strip():
            continue
        try:
            log_on = read_log_on(line)
        except HookError as error:
            faults += 1
            why = why or str(error)
            continue
        if log_on is not None:
            yield log_on
    if faults:
        log(f"{faults} events were passed over, the first for {why}")


def _batches(descriptor: int) -> Iterator[list[bytes]]:
    """Lines as they come, those of a second together; a line that is too long is cut, and so no event."""
    rest = b""
    lines: list[bytes] = []
    until = 0.0
    is_open = True
    while is_open:
        left = max(until - time.monotonic(), 0) if lines else None
        if select.select([descriptor], [], [], left)[0]:
            read = os.read(descriptor, _READ_OCTETS)
            is_open = bool(read)
            *whole, rest = (rest + read).split(b"\n")
            rest = rest[: MOST_LINE_OCTETS + 1]
            if whole and not lines:
                until = time.monotonic() + _GATHER_SECONDS
            lines += whole
            if is_open and len(lines) < _MOST_AT_ONCE and (not lines or time.monotonic() < until):
                continue
        if lines:
            yield lines
            lines = []
    if rest:
        yield [rest]
