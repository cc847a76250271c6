"""What follows from a config: the settings of all processes, its policy, the addresses to listen on."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from blocklists.versions import Choice
from resolver.config.addresses import parse_endpoint
from resolver.config.schema import Config
from resolver.config.settings import ControlSettings, UpstreamServer, WorkerSettings
from resolver.config.to_settings import control_settings, system_servers, worker_settings
from resolver.listeners.sockets import Listen, Listening


@dataclass(frozen=True, slots=True)
class Plan:
    """A config, made ready to act on. `notes` are things that the admin should know of, as finished sentences."""

    settings: WorkerSettings
    control: ControlSettings
    policy: dict[str, Any]  # as resolver.config.file_policy gives it
    fingerprint: str  # of the policy, the catalogue and the compiler
    listen: Listening
    workers: int
    state_dir: Path
    notes: tuple[str, ...]
    news: str = ""  # how the catalogue changed with this version; told once

    @property
    def fixed(self) -> tuple[object, ...]:
        """What a reload cannot change."""
        return self.listen, self.workers, self.state_dir, self.control.admin_address

    def with_fixed_of(self, other: Plan) -> Plan:
        """This plan, but with what cannot change taken from `other`."""
        host, port = other.control.admin_host, other.control.admin_port
        control = replace(self.control, state_dir=other.control.state_dir, admin_host=host, admin_port=port)
        return replace(self, listen=other.listen, workers=other.workers, state_dir=other.state_dir, control=control)

    def to_plain(self) -> dict[str, Any]:
        """As JSON carries and keeps it."""
        return {**asdict(self), "state_dir": str(self.state_dir)}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Plan:
        """What `to_plain` gave, by way of JSON."""
        return cls(
            settings=WorkerSettings.from_plain(plain["settings"]),
            control=ControlSettings.from_plain(plain["control"]),
            policy=plain["policy"],
            fingerprint=plain["fingerprint"],
            listen=Listening.from_plain(plain["listen"]),
            workers=plain["workers"],
            state_dir=Path(plain["state_dir"]),
            notes=tuple(plain["notes"]),
            news=plain["news"],
        )


def plan_of(config: Config, policy: dict[str, Any], fingerprint: str, *, catalogue: Choice) -> Plan:
    """The plan of a config, on this machine as it is now; `policy` is the config's own, with its fingerprint."""
    listen = _addresses(config)
    workers = len(os.sched_getaffinity(0)) if config.workers == "auto" else int(config.workers)
    system = [server for server in system_servers() if not _is_ourselves(server, listen.do53)]
    settings = worker_settings(config, workers=workers + listen.tls_workers, system_servers=system)
    notes = []
    if not settings.upstream_servers:
        notes.append("there is no upstream, so only blocked names are answered: set upstream.servers")
    notes += [
        f"upstream.servers: {server.name} is this resolver itself; its queries would go in a circle"
        for server in (*settings.upstream_servers, *(server for zone in settings.zones for server in zone.servers))
        if _is_ourselves(server, listen.do53)
    ]
    if catalogue.folder is not None:
        notes.append(
            f"a new catalogue waits to be accepted, {catalogue.news}; look at it (moatdns catalogue diff), then run "
            "'moatdns catalogue accept' and send SIGHUP"
        )
    return Plan(
        settings=settings,
        control=replace(control_settings(config), catalogue=str(catalogue.folder) if catalogue.folder else None),
        policy=policy,
        fingerprint=fingerprint,
        listen=listen,
        workers=workers,
        state_dir=config.state_dir,
        notes=tuple(notes),
        news=str(catalogue.news) if catalogue.news and not catalogue.folder else "",
    )


def _addresses(config: Config) -> Listening:
    def all_of(endpoints: Sequence[str], *, optional: bool = False) -> tuple[Listen, ...]:
        return tuple(Listen(*parse_endpoint(text), optional=optional) for text in endpoints)

    listen = config.listen
    return Listening(
        do53=all_of(listen.do53, optional="do53" not in listen.model_fields_set),
        dot=all_of(listen.dot),
        doh=all_of(listen.doh),
        tls_workers=config.tls.workers if listen.dot or listen.doh else 0,
    )


def _is_ourselves(server: UpstreamServer, listen: tuple[Listen, ...]) -> bool:
    """Whether an upstream is one of our own addresses; behind a wildcard, as far as loopback shows it."""
    address = ipaddress.ip_address(server.host.partition("%")[0])
    return any(
        server.port == own.port
        and (address == (bound := ipaddress.ip_address(own.host)) or (bound.is_unspecified and address.is_loopback))
        for own in listen
    )
