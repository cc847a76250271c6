"""The Host header: a page of somebody else's must not reach the API under a name that it made lead here."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from admin_api.editing.refusals import BadRequest
from resolver.config.settings import ControlSettings

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class Hosts:
    """The names that the API answers to."""

    def __init__(self, settings: ControlSettings) -> None:
        own = {host} if settings.oidc is not None and (host := urlsplit(settings.oidc.url).hostname) else set[str]()
        address = ipaddress.ip_address(str(settings.admin_host).partition("%")[0])
        self._names = {*settings.allowed_hosts, *own, str(address)}  # the provider sends people to admin.url
        if address.is_loopback or address.is_unspecified:
            self._names.update(_LOOPBACK_NAMES)
        self._takes_addresses = address.is_unspecified  # a rebinding page needs a name; an address is none

    def check(self, host: str | None) -> None:
        """Raises BadRequest (421) for a name that is not ours."""
        name = without_port((host or "").strip().lower())
        if name in self._names:
            return
        if self._takes_addresses:
            try:
                ipaddress.ip_address(name)
            except ValueError:
                pass
            else:
                return
        raise BadRequest(421, "this name is not known here: add it to admin.allowed_hosts in the config")


def without_port(host: str) -> str:
    """The name or address in a Host header."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")
