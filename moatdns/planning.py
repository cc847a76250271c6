"""Making a plan from a config: by the process that reads configs, since pydantic is slow to import and large."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blocklists.versions import CatalogueChoice
from moatdns import cookie_secret
from moatdns.ourselves import is_ourselves, usable_system_servers
from moatdns.plan import Ground, NodePlan, left_out
from resolver.config.addresses import NAMED_CLIENTS, parse_endpoint
from resolver.config.certificates import check_ca_file, troubles_of
from resolver.config.notes import config_notes
from resolver.config.privacy import PrivacyValues, held_back, privacy_of
from resolver.config.privacy_file import read_agreed
from resolver.config.schema import Config
from resolver.config.settings import EncryptedSettings
from resolver.config.system_servers import PLACE, SystemPlaces
from resolver.config.telling import told_of
from resolver.config.to_settings import control_settings, worker_settings
from resolver.errors import ListenError
from resolver.listeners.sockets import DO53, DOH, DOT, Listen

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def ground_of(config: Config) -> Ground:
    """Work out the ground of a config, on this machine as it is now. Looks at nothing but the config."""
    listen = _addresses(config)
    return Ground(
        listen=listen,
        workers=len(os.sched_getaffinity(0)) if config.workers == "auto" else int(config.workers),
        encrypted_workers=config.tls.workers if any(address.kind != DO53 for address in listen) else 0,
        user=config.user,
        state_dir=config.state_dir,
        admin=parse_endpoint(config.admin.listen) if config.admin.listen else None,
        block_page=tuple(config.block_page.listen),
    )


def plan_of(config: Config, policy: dict[str, Any], fingerprint: str, *, catalogue: CatalogueChoice) -> NodePlan:
    """The plan of a config, on this machine as it is now; `policy` is the config's own, with its fingerprint.

    A cookie secret that the config holds itself is written to `state_dir`. Raises MoatdnsError when it cannot be.
    """
    ground = ground_of(config)
    settings = worker_settings(config, workers=ground.workers + ground.encrypted_workers, system_servers=[PLACE])
    places = SystemPlaces.of(settings)
    notes = []
    if places is not None:
        system = usable_system_servers(ground.listen)
        settings = places.filled(settings, system.servers)
        notes += [left_out(server) for server in system.ourselves]
    if not settings.upstream_servers:
        notes.append("there is no upstream, so only blocked names are answered: set upstream.servers")
    notes += [
        f"upstream.servers: {server.name} is this resolver itself; its queries would go in a circle"
        for server in settings.every_upstream
        if is_ourselves(server, ground.listen)
    ]
    if not settings.upstream.bootstrap:
        notes += [
            f"upstream.servers: nobody can be asked for the address of {server.host}: set upstream.bootstrap"
            for server in settings.every_upstream
            if not server.has_address
        ]
    check_ca_file(settings.upstream.ca_file)
    if not settings.rates.responses_per_second and (public := _public(settings.clients_allow)):
        notes.append(
            f"clients.allow has public addresses ({public[0]}), whom forged queries can have flooded with answers: set "
            "rate_limits.responses_per_second, to 100 for example"
        )
    notes += config_notes(config)
    certificate_trouble = ""
    if ground.encrypted_workers:
        try:
            notes += certificate_troubles(settings.encrypted)
        except ListenError as error:
            certificate_trouble = str(error)
    if catalogue.folder is not None:
        notes.append(
            f"a new catalogue waits to be accepted, {catalogue.news}; look at it (moatdns catalogue diff), then run "
            "'moatdns catalogue accept' and send SIGHUP"
        )
    return NodePlan(
        ground=ground,
        settings=settings,
        control=replace(control_settings(config), catalogue=str(catalogue.folder) if catalogue.folder else None),
        policy=policy,
        fingerprint=fingerprint,
        notes=tuple(notes),
        certificate_trouble=certificate_trouble,
        cookie_secret=cookie_secret.path_of(config.cookies.secret, config.state_dir) if config.cookies.enabled else "",
        news=str(catalogue.news) if catalogue.news and not catalogue.folder else "",
        told=told_of(config),
        privacy=privacy_of(config),
        files=dict(config.local_names.digests),
        places=places,
    )


def privacy_in_force(config: Config) -> tuple[Config, PrivacyValues, list[str]]:
    """The config with the privacy settings that may be in force, wider ones that wait, and notes of both.

    Under four eyes nothing is wider than what was in force before, until two owners agree.
    """
    found = read_agreed(config.state_dir) if config.policy.approval == "four-eyes" else None
    if found is None:
        return config, {}, []
    narrowed, held = held_back(config, found.limits)
    still = privacy_of(narrowed)
    notes = [
        f"{key}: {value} is wider than {still[key]}, which stays in force until two owners agree "
        "(docs/four-eyes.md, privacy settings)"
        for key, value in held.items()
    ]
    return narrowed, held, [*([found.trouble] if found.trouble else []), *notes]


def _addresses(config: Config) -> tuple[Listen, ...]:
    is_default = "do53" not in config.listen.model_fields_set
    plain = [Listen(*parse_endpoint(text), optional=is_default) for text in config.listen.do53]
    encrypted = [
        Listen(*parse_endpoint(text), kind=kind)
        for kind, texts in ((DOT, config.listen.dot), (DOH, config.listen.doh))
        for text in texts
    ]
    return (*plain, *encrypted)


def _public(allowed: Iterable[str]) -> list[str]:
    """The networks that are not all private."""
    inner = [ipaddress.ip_network(text) for texts in NAMED_CLIENTS.values() for text in texts]
    return [text for text in allowed if not any(_is_within(ipaddress.ip_network(text), one) for one in inner)]


def _is_within(network: _Network, other: _Network) -> bool:
    return network.version == other.version and network.prefixlen >= other.prefixlen and network[0] in other


def certificate_troubles(encrypted: EncryptedSettings) -> list[str]:
    """Faults of the certificate of DoT and DoH that clients will not accept, and of the CAs of their own certificates.

    Raises ListenError for what is unusable.
    """
    if not encrypted.certificate:
        return []
    found = troubles_of(Path(encrypted.certificate), Path(encrypted.private_key), encrypted.server_name)
    clients = encrypted.clients
    if clients.ca:
        from resolver.config.client_authority_files import read_authorities  # noqa: PLC0415 (large, and seldom needed)

        authorities = read_authorities(Path(clients.ca), Path(clients.crl) if clients.crl else None)
        found += authorities.notes(datetime.now(UTC))
    return found
