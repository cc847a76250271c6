"""The plan, which follows from a config: settings of all processes, the policy, the addresses to listen on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from moatdns import cookie_secret
from resolver.config.settings import ControlSettings, UpstreamServer, WorkerSettings
from resolver.config.system_servers import RESOLV_CONF, SystemPlaces
from resolver.listeners.sockets import Listen


@dataclass(frozen=True, slots=True)
class Ground:
    """The part of a config that root needs before it becomes somebody else, and that a reload cannot change."""

    listen: tuple[Listen, ...]
    workers: int
    encrypted_workers: int  # beside `workers`: those that serve DoT and DoH
    user: str | None  # to become, where we are root
    state_dir: Path
    admin: tuple[str, int] | None  # where the API listens
    block_page: tuple[str, ...]  # where the block page listens


@dataclass(frozen=True, slots=True)
class NodePlan:
    """Plan of a node: a config, made ready to act on. `notes` are for the admin, in finished sentences."""

    ground: Ground
    settings: WorkerSettings
    control: ControlSettings
    policy: dict[str, Any]  # as resolver.config.file_policy gives it
    fingerprint: str  # of the policy, the catalogue and the compiler
    notes: tuple[str, ...]
    cookie_secret: str = ""  # the file that holds it; "" where cookies are off
    certificate_trouble: str = ""  # why the certificate of DoT and DoH cannot be used
    news: str = ""  # how the catalogue changed with this version; told once
    told: dict[str, tuple[str, str]] = field(default_factory=dict)  # for the audit trail (resolver.config.telling.Told)
    privacy: dict[str, str] = field(default_factory=dict)  # privacy settings in force (resolver.config.privacy)
    held: dict[str, str] = field(default_factory=dict)  # wider ones, which two owners have not agreed to
    files: dict[str, str] = field(default_factory=dict)  # that local names came from: their SHA-256, by path
    places: SystemPlaces | None = None  # where the system's nameservers go; None where they are not wanted

    def with_fixed_of(self, other: NodePlan) -> NodePlan:
        """This plan, but with what cannot change taken from `other`."""
        host, port = other.control.admin_host, other.control.admin_port
        page = replace(self.control.block_page, listen=other.control.block_page.listen)
        control = replace(
            self.control, state_dir=other.control.state_dir, admin_host=host, admin_port=port, block_page=page
        )
        secret = self.cookie_secret
        if secret == str(self.ground.state_dir / cookie_secret.MADE):
            secret = str(other.ground.state_dir / cookie_secret.MADE)
        return replace(self, ground=other.ground, control=control, cookie_secret=secret)


def left_out(server: UpstreamServer) -> str:
    """The message about one of the system's nameservers that is this resolver."""
    return f"{RESOLV_CONF} names {server.host}, which is this resolver itself: it is not asked"
