"""The servers of a comparison and its parts: which servers take part in which workloads, asked in which way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.kinds import dnsdist, dnsmasq, echo, knot, ours, recursor, unbound
from bench.kinds.job import Log, Server
from bench.ways import UDP, Dnsperf, DohGet, ShortConnections, Way
from bench.workloads import Workload, workloads

BEFORE = "moatdns, before"  # another version
COMPILED = "moatdns, compiled"
UNLOGGED = "no log"
TWO_WORKERS = "2 workers"
SIZES = (100, 100_000, 1_000_000)
QUICK_SIZES = (100, 100_000)
_QUERIES_A_CONNECTION = 10
WAYS: Mapping[str, tuple[str, Way]] = {
    "tcp": ("TCP, 8 connections that stay, 200 queries outstanding", Dnsperf("tcp")),
    "tcp-new": (
        f"TCP, {_QUERIES_A_CONNECTION} queries in each of many connections, 8 at a time",
        ShortConnections(_QUERIES_A_CONNECTION),
    ),
    "dot": ("DoT, 8 connections that stay, 200 queries outstanding", Dnsperf("dot")),
    "dot-new": (
        f"DoT, {_QUERIES_A_CONNECTION} queries one after the other in each of many connections, 8 at a time",
        ShortConnections(_QUERIES_A_CONNECTION, tls=True),
    ),
    "doh": ("DoH by POST (nghttp2), 8 connections that stay, 200 queries outstanding", Dnsperf("doh")),
    "doh-get": ("DoH by GET as Chromium sends it, 8 connections that stay, 200 queries outstanding", DohGet()),
}
PLAIN = ("blocked", "blocked-many", "varied", "cached", "realistic", "missed")
STREAMS = ("tcp", "dot", "doh", "doh-get")
RULES, LATENCY, FOOTPRINT = "rules", "latency", "footprint"
USUAL = (*PLAIN, *STREAMS, RULES, LATENCY, FOOTPRINT)
CHOICES = (*USUAL, "mixed", "tcp-new", "dot-new")


@dataclass(frozen=True, slots=True)
class Wheels:
    """Interpreters that wheels are installed for."""

    compiled: str | None = None
    before: str | None = None


def peers(chosen: Sequence[str]) -> list[Server]:
    """The programs beside ours, each as it comes and with its own log of queries."""
    every = {
        unbound.UNBOUND: [unbound.server(log=log) for log in Log]
        + [unbound.server(rpz=True), unbound.server(rpz=True, log=Log.HITS)],
        dnsmasq.DNSMASQ: [dnsmasq.server(), dnsmasq.server(log=Log.ALL)],
        dnsdist.DNSDIST: [dnsdist.server(), dnsdist.server(log=Log.ALL)],
        recursor.RECURSOR: [recursor.server(), recursor.server(log=Log.ALL)],
        knot.KNOT: [knot.server()],
        echo.ECHO: [echo.server()],
    }
    return [server for program, servers in every.items() if program in chosen for server in servers]


PEERS = (unbound.UNBOUND, dnsmasq.DNSMASQ, dnsdist.DNSDIST, recursor.RECURSOR, knot.KNOT, echo.ECHO)


def moatdns(wheels: Wheels, *, unlisted: bool = False) -> list[Server]:
    """Ours: as Python alone and compiled, with the log of hits (the default), of all, and none; two workers.

    Beside another version, ours is in the form that is compared: compiled where a compiled wheel is given.
    """
    best, compiled = wheels.compiled, "compiled" if wheels.compiled else ""
    if wheels.before:
        other = replace(ours.server(python=wheels.before), name=BEFORE)
        return [ours.server(compiled, python=best), other]

    def variant(what: str, log: Log = Log.HITS, workers: int = 1, *, unlisted: bool = False) -> Server:
        told = ", ".join(filter(None, (compiled, what)))
        return ours.server(told, log=log, workers=workers, python=best, unlisted=unlisted)

    servers = [ours.server()]
    servers += [variant("")] if best else []
    servers += [variant(UNLOGGED, Log.NONE), variant(Log.ALL.value, Log.ALL), variant(TWO_WORKERS, workers=2)]
    return [*servers, variant("unlisted names", unlisted=True)] if unlisted else servers


def fewer(servers: Sequence[Server]) -> list[Server]:
    """For a quick look: without logs of all, and each program in one form of blocking."""
    left_out = {unbound.server(rpz=True, log=log).name for log in Log}
    return [server for server in servers if server.log is not Log.ALL and server.name not in left_out]


def stream_servers(servers: Sequence[Server]) -> list[Server]:
    """Those whose streams are compared: each program as it comes, and unbound with its log of hits."""
    named = {unbound.server(log=Log.HITS).name}
    return [
        server
        for server in servers
        if server.name in named or (server.program == ours.MOATDNS and server.log is Log.HITS) or _as_it_comes(server)
    ]


def rules_servers(servers: Sequence[Server]) -> list[Server]:
    """Those that are given many rules: each program as it comes; ours in its fastest form, with another version."""
    best = COMPILED if any(server.name == COMPILED for server in servers) else ours.MOATDNS
    peers = [server for server in servers if _as_it_comes(server) and server.program != echo.ECHO]
    return [*peers, *(server for server in servers if server.name in (best, BEFORE))]


def latency_servers(servers: Sequence[Server]) -> list[Server]:
    """Those whose answers are timed: each program as it comes, ours and unbound with logs, too."""
    programs = (ours.MOATDNS, unbound.UNBOUND)
    logged = [server for server in servers if server.program in programs and server.log is Log.HITS]
    return [server for server in servers if _as_it_comes(server) or server in logged]


def footprint_servers(servers: Sequence[Server]) -> list[Server]:
    """Those whose memory and start are measured: each program as it comes; ours with two workers, too."""
    return [
        server
        for server in servers
        if server.program != echo.ECHO
        and (_as_it_comes(server) or (server.program == ours.MOATDNS and server.log is Log.HITS))
    ]


def _as_it_comes(server: Server) -> bool:
    return server.log is Log.NONE and server.program != ours.MOATDNS


def stream(name: str) -> tuple[Workload, Way]:
    """A workload of streams: the names of the mixed one, in the way of that name."""
    what, way = WAYS[name]
    mixed = workloads()["mixed"]
    return replace(mixed, name=name, what=f"{what}; {mixed.what}"), way


def plain(name: str) -> tuple[Workload, Way]:
    """A workload over UDP."""
    return workloads()[name], UDP
