"""NSD with the zones, and unbound as the forwarder that moatdns is compared with. Both listen on 127.0.0.1 only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prove.same.zones import Zone
from tests.support.signed_zone import Daemon, sign

_NSD = """\
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  pidfile: ""
  database: ""
  zonesdir: "{folder}"
  xfrdir: "{folder}"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  server-count: 1
  tcp-count: 1000
  round-robin: no
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
remote-control:
  control-enable: no
"""

_NSD_ZONE = """\
zone:
  name: "{origin}"
  zonefile: "{file}"
"""

# What an admin would have it do: forward all, validate nothing, tell nothing of itself, send no fragments (RFC 9715),
# let no public name lead to the inner network. All else is its default.
_UNBOUND = """\
server:
  username: ""
  chroot: ""
  pidfile: ""
  directory: "{folder}"
  do-daemonize: no
  use-syslog: no
  verbosity: 0
  interface: 127.0.0.1@{port}
  do-ip6: no
  do-not-query-localhost: no
  module-config: "iterator"
  num-threads: 1
  hide-identity: yes
  hide-version: yes
  max-udp-size: 1232
  private-address: 10.0.0.0/8
  private-address: 172.16.0.0/12
  private-address: 192.168.0.0/16
  private-address: 169.254.0.0/16
  private-address: fd00::/8
  private-address: fe80::/10
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{forward_to}
"""


class Nsd(Daemon):
    """NSD, authoritative for the zones. A context manager."""

    def __init__(self, folder: Path, zones: Sequence[Zone]) -> None:
        super().__init__(folder)
        self._zones = zones

    def __enter__(self) -> Nsd:
        conf = _NSD.format(port=self.port, folder=self.folder)
        for zone in self._zones:
            (self.folder / zone.origin).write_text(zone.text, encoding="ascii")
            if zone.denial:
                sign(self.folder, zone.origin, zone.denial)
            file = f"{zone.origin}.signed" if zone.denial else zone.origin
            conf += _NSD_ZONE.format(origin=zone.origin, file=file)
        self.run("nsd", conf, self._zones[0].origin)
        return self


class ForwardingUnbound(Daemon):
    """unbound that asks the server on the port `forward_to` for everything. A context manager."""

    def __init__(self, folder: Path, forward_to: int) -> None:
        super().__init__(folder)
        self._forward_to = forward_to

    def __enter__(self) -> ForwardingUnbound:
        conf = _UNBOUND.format(folder=self.folder, port=self.port, forward_to=self._forward_to)
        self.run("unbound", conf, "localhost")
        return self
