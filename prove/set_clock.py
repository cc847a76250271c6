"""The wall clock is set a day forward and back under load: TTLs, limits and ends by it.

libfaketime shows every process of moatdns another wall clock; the machine's steady clocks stay what they are, as when
somebody sets the time. What it shows is in a file that the run writes to.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.rcode

from prove.figures import Figure, at_least, at_most, exactly, told
from prove.queries import Query, in_turn
from prove.service import Service
from prove.steady import Asked, Steady
from prove.upstream import ADDRESS, Upstream
from tests.support.api import Api
from tests.support.clients import ask, is_blocked
from tests.support.programs import wait_until

WHAT = "the wall clock is set a day forward, and back"
_LIBRARY = "faketime/libfaketimeMT.so.1"
_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib")
_LONG = [f"long-{number}.example" for number in range(20)]
_TTL_SECONDS, _SHORT_TTL_SECONDS = 300, 2
_TTL_SLACK_SECONDS = 2  # of whole seconds that are cut off, and of the time until the first answer
_GUARDED = "claude.ai"
_HOUR, _TWO_DAYS, _BRIEF, _LATER, _LIMITED = (f"127.0.0.{number}" for number in (2, 3, 4, 5, 9))
_DAY = 86400
_LIMIT = 50  # queries a second of a client, a worker
_ENDS_WITHIN_SECONDS = 3.0
_OUT_OF_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SetClockEffort:
    """Size of a run: the full one, or a short look."""

    seconds: float  # with each time
    queries_per_second: int
    brief_seconds: int  # of an exemption that ends by the steady clock


FULL = SetClockEffort(seconds=15.0, queries_per_second=1000, brief_seconds=20)
SHORT = SetClockEffort(seconds=2.0, queries_per_second=300, brief_seconds=6)


class _Clock:
    """The wall clock of a service."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "clock"
        self.set("+0")

    @property
    def environment(self) -> dict[str, str]:
        """Environment that the service is started with."""
        library = next((path for folder in _FOLDERS if (path := Path(folder) / _LIBRARY).exists()), None)
        assert library, "libfaketime is not installed; tests/set-up-machine installs what the tests need"
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",  # else no compiled module would be taken for that of its source
        }

    def set(self, by: str) -> float:
        """Set it off from the true time by so much, as in "+1d"; gives the moment."""
        temporary = self._file.with_suffix(".part")
        temporary.write_text(f"{by}\n")
        temporary.replace(self._file)
        return time.monotonic()


def run(effort: SetClockEffort, folder: Path) -> list[Figure]:
    """Forward by a day, back by two, right again; what is over must stay so, in new processes, too."""
    clock = _Clock(folder)
    with (
        Upstream(folder / "upstream", ttl_seconds=_TTL_SECONDS) as upstream,
        Upstream(folder / "short", ttl_seconds=_SHORT_TTL_SECONDS) as short,
    ):
        config = {
            "workers": 2,
            "upstream": {"servers": [upstream.server], "zones": {"short": [short.server]}},
            "clients": {"queries_per_second": _LIMIT},
            "rate_limits": {"exempt": ["127.0.0.0/29"]},
        }
        service = Service(folder / "moatdns", config, with_api=True)
        service.environment = clock.environment
        with service:
            figures = _by_the_clock(effort, service, clock, short)
            figures.append(exactly("unexpected errors", len(service.troubles), 0))
        upstream.stop()
    again = sum(each.name in _LONG for each in upstream.asked) - 2 * len(_LONG)
    figures.append(at_most("names with a long TTL: asked upstream again, 2 workers", again, 0))
    return figures


def _by_the_clock(effort: SetClockEffort, service: Service, clock: _Clock, short: Upstream) -> list[Figure]:
    api, port = service.api, service.port
    grant(api, _HOUR, 3600)
    grant(api, _TWO_DAYS, 2 * 86400)
    grant(api, _BRIEF, 120)
    with (
        Steady(port, in_turn(_LONG), effort.queries_per_second, look=_ttl_of) as long,
        Steady(port, in_turn(["name.short"]), 20, sockets=4) as brief,
        Steady(port, in_turn(_LONG), 2 * _LIMIT, look=_rcode_of, sockets=1, source=_LIMITED) as limited,
        Steady(port, _guarded(), 20, look=_is_open, sockets=4, source=_HOUR) as hour,
        Steady(port, _guarded(), 20, look=_is_open, sockets=4, source=_TWO_DAYS) as days,
        Steady(port, _guarded(), 20, look=_is_open, sockets=4, source=_BRIEF) as minutes,
    ):
        time.sleep(effort.seconds)
        forward_at = clock.set("+1d")
        time.sleep(max(effort.seconds, _ENDS_WITHIN_SECONDS))
        back_at = clock.set("-1d")
        grant(api, _LATER, effort.brief_seconds)
        granted_at = time.monotonic()
        time.sleep(effort.brief_seconds / 2)
        clock.set(f"-{_DAY + effort.brief_seconds // 2 - 1}")  # it is still after its start
        ended_after = _ends(lambda: is_blocked(ask(port, _GUARDED, client=_LATER)), granted_at)
        true_at = clock.set("+0")
        time.sleep(effort.seconds)
        over_at = time.monotonic()
    deviation = max(_deviations(long.asked))
    rates = _rates(limited.asked, [limited.asked[0].sent_at, forward_at, back_at, true_at, over_at])
    short.stop()
    gaps = [later.at - sooner.at for sooner, later in zip(short.asked, short.asked[1:], strict=False)]
    gaps.append(over_at - short.asked[-1].at)
    loads = (long, brief, limited, hour, days, minutes)
    return [
        told(
            "the clock +1 day, then -1 day, a little more, and right again; queries",
            sum(len(load.asked) for load in loads),
        ),
        exactly("lost", sum(len(load.lost) for load in loads), 0),
        exactly(
            f"TTLs of {_TTL_SECONDS} s that deviate by more than {_TTL_SLACK_SECONDS} s",
            int(deviation > _TTL_SLACK_SECONDS),
            0,
        ),
        at_most(
            f"TTL of {_SHORT_TTL_SECONDS} s: longest time that an answer was kept",
            max(gaps),
            _SHORT_TTL_SECONDS + 2,
            "s",
        ),
        at_most(f"limit of {_LIMIT} queries a second: most a second with one time", max(rates), _LIMIT * 1.2),
        at_least("– least a second with one time", min(rates), _LIMIT * 0.3),
        at_most(
            "exemption of an hour: ends after the clock went over its end",
            _end_of(hour, forward_at),
            _ENDS_WITHIN_SECONDS,
            "s",
        ),
        at_most("exemption of two minutes: likewise", _end_of(minutes, forward_at), _ENDS_WITHIN_SECONDS, "s"),
        exactly(
            "answers as if exempt after the end, with the clock set back, and right again",
            _reopened(hour) + _reopened(minutes),
            0,
        ),
        exactly("exemption of two days: not in force with the clock forward", _closed(days, 0, back_at), 0),
        exactly("– with the clock right again", _closed(days, true_at + 1, over_at), 0),
        at_most(
            f"exemption of {effort.brief_seconds} s, the clock set back meanwhile: ends after",
            ended_after,
            effort.brief_seconds + 1,
            "s",
        ),
        *_in_new_processes(service),
    ]


def _in_new_processes(service: Service) -> list[Figure]:
    """They read the journal."""
    control = service.control()
    assert control is not None
    old = {control.pid, *service.worker_pids()}
    for pid in old:
        os.kill(pid, signal.SIGKILL)

    def are_new() -> bool:
        control = service.control()
        return (
            len(service.worker_pids()) == 2 and control is not None and not old & {control.pid, *service.worker_pids()}
        )

    wait_until(are_new, "new processes")
    reopened = sum(not is_blocked(ask(service.port, _GUARDED, client=one)) for one in (_HOUR, _BRIEF, _LATER) * 4)
    kept = is_blocked(ask(service.port, _GUARDED, client=_TWO_DAYS))
    return [
        exactly("new processes: answers as if exempt", reopened, 0),
        exactly("new processes: exemption of two days: not in force", int(kept), 0),
    ]


def grant(api: Api, client: str, seconds: int) -> None:
    """An exemption of one client, in force when this returns."""
    body = {"subject": {"client": client}, "scope": ["ai"], "owner": "a", "reason": "b", "duration_seconds": seconds}
    wait_until(lambda: api.call("POST", "exemptions", body).status == 201, "an exemption")  # 503 right after a start


def _guarded() -> Iterator[Query]:
    return in_turn([_GUARDED])


def _ends(has_ended: Callable[[], bool], since: float) -> float:
    wait_until(has_ended, "the exemption ends", seconds=_OUT_OF_PATIENCE_SECONDS * 2)
    return time.monotonic() - since


def _end_of(steady: Steady, since: float) -> float | None:
    """How long after `since` the last exempt answer was asked for; None where they never ended."""
    if steady.asked[-1].seen is not False:
        return None
    return max((a.sent_at for a in steady.asked if a.seen is True), default=since) - since


def _closed(steady: Steady, since: float, until: float) -> int:
    """How many answers were as if not exempt, in that time."""
    return sum(a.seen is False for a in steady.asked if since < a.sent_at < until - 0.1)


def _reopened(steady: Steady) -> int:
    """Exempt answers that were asked for a moment after the first blocked one, or later."""
    first = min((a.sent_at for a in steady.asked if a.seen is False), default=None)
    return 0 if first is None else sum(a.seen is True and a.sent_at > first + 1 for a in steady.asked)


def _deviations(asked: list[Asked]) -> list[float]:
    """By how much TTLs are not what the steady clock makes them, for each name; two workers have their own."""
    first: dict[str, float] = {}
    found = [0.0]
    for a in asked:
        if a.answered_at is not None and isinstance(a.seen, int):
            began = first.setdefault(a.name, a.answered_at)
            found.append(abs(_TTL_SECONDS - (a.answered_at - began) - a.seen))
    return found


def _rates(asked: list[Asked], moments: list[float]) -> list[float]:
    """How many a second were not refused between each two moments, but for one whole budget that had gathered."""
    found = []
    for since, until in itertools.pairwise(moments):
        let_through = sum(a.seen == "NOERROR" for a in asked if since <= a.sent_at < until)
        found.append((let_through - _LIMIT) / (until - since))
    return found


def _ttl_of(wire: bytes) -> int | None:
    answer = dns.message.from_wire(wire)
    return int(answer.answer[0].ttl) if answer.answer else None


def _rcode_of(wire: bytes) -> str:
    return dns.rcode.to_text(dns.message.from_wire(wire).rcode())


def _is_open(wire: bytes) -> bool:
    answer = dns.message.from_wire(wire)
    return bool(answer.answer) and str(answer.answer[0][0]) == ADDRESS
