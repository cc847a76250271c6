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
    encrypted_workers: int
    user: str | None
    state_dir: Path
    admin: tuple[str, int] | None  # where the API listens
    block_page: tuple[str, ...]  # where the block page listens


@dataclass(frozen=True, slots=True)
class NodePlan:
    """Plan of a node: a config, made ready to act on. `notes` are for the admin, in finished sentences."""

    settings: WorkerSettings
    control: ControlSettings
    policy: dict[str, Any]  # as resolver.config.file_policy gives it
    fingerprint: str  # of the policy, the catalogue and the compiler
    listen: tuple[Listen, ...]
    workers: int
    state_dir: Path
    notes: tuple[str, ...]
    user: str | None = None  # to become, where we are root
    encrypted_workers: int = 0  # beside `workers`: those that serve DoT and DoH
    cookie_secret: str = ""  # the file that holds it; "" where cookies are off
    certificate_trouble: str = ""  # why the certificate of DoT and DoH cannot be used
    news: str = ""  # how the catalogue changed with this version; told once
    told: dict[str, tuple[str, str]] = field(default_factory=dict)  # for the audit trail (resolver.config.telling.Told)
    places: SystemPlaces | None = None  # where the system's nameservers go; None where they are not wanted

    @property
    def ground(self) -> Ground:
        """The part that a reload cannot change."""
        return Ground(
            listen=self.listen,
            workers=self.workers,
            encrypted_workers=self.encrypted_workers,
            user=self.user,
            state_dir=self.state_dir,
            admin=self.control.admin_address,
            block_page=tuple(self.control.block_page.listen),
        )

    def with_fixed_of(self, other: NodePlan) -> NodePlan:
        """This plan, but with what cannot change taken from `other`."""
        host, port = other.control.admin_host, other.control.admin_port
        page = replace(self.control.block_page, listen=other.control.block_page.listen)
        control = replace(
            self.control, state_dir=other.control.state_dir, admin_host=host, admin_port=port, block_page=page
        )
        secret = self.cookie_secret
        if secret == str(self.state_dir / cookie_secret.MADE):
            secret = str(other.state_dir / cookie_secret.MADE)
        return replace(
            self,
            listen=other.listen,
            workers=other.workers,
            encrypted_workers=other.encrypted_workers,
            user=other.user,
            state_dir=other.state_dir,
            control=control,
            cookie_secret=secret,
        )


def left_out(server: UpstreamServer) -> str:
    """The message about one of the system's nameservers that is this resolver."""
    return f"{RESOLV_CONF} names {server.host}, which is this resolver itself: it is not asked"
