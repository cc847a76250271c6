"""Recipes: what is put where so that clients ask this server, with its addresses filled in."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from admin_api.pages.setup.setup_addresses import DNS_PORT, HTTPS_PORT, TLS_PORT, Addresses, Reach

_TRY = "claude.ai"  # in the catalogue


@dataclass(frozen=True, slots=True)
class Recipe:
    """One thing to do. `place`: the file, the machine or the program that the text is for; `note`: what to know."""

    title: str
    place: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    """Recipes that belong together."""

    title: str
    recipes: tuple[Recipe, ...]


def chapters(at: Addresses, trusted_proxies: Sequence[str]) -> list[Chapter]:
    """All recipes that this server can be asked by."""
    all_chapters = (
        ("Try it", _try(at)),
        ("DHCP", _dhcp(at)),
        ("Machines by hand", _by_hand(at)),
        ("Browsers", _browsers(at)),
        ("VPN", _vpn(at)),
        ("Behind another resolver or a load balancer", _in_front(at, trusted_proxies)),
    )
    made = [Chapter(title, tuple(recipes)) for title, recipes in all_chapters]
    return [chapter for chapter in made if chapter.recipes]


def _try(at: Addresses) -> Iterator[Recipe]:
    lines = []
    for address in at.plain.addresses:
        port = "" if at.plain.port == DNS_PORT else f" -p {at.plain.port}"
        lines.append(f"dig @{address}{port} {_TRY}")
    if lines:
        yield Recipe(
            "Plain DNS",
            "a terminal of a client",
            _joined(lines),
            "A blocked name is answered 0.0.0.0, unless your policy sets another response; an extended error says why.",
        )
    encrypted = []
    if at.dot.addresses:
        port = "" if at.dot.port == TLS_PORT else f" -p {at.dot.port}"
        encrypted.append(f"kdig @{at.dot.first}{port} +tls +tls-hostname={at.name} {_TRY}")
    if at.doh.addresses:
        port = "" if at.doh.port == HTTPS_PORT else f" -p {at.doh.port}"
        encrypted.append(f"kdig @{at.doh.first}{port} +https=/dns-query +tls-hostname={at.name} {_TRY}")
        encrypted.append(f"curl --doh-url {at.template} -sI https://example.com")
    if encrypted:
        yield Recipe("DNS over TLS and over HTTPS", "a terminal of a client", _joined(encrypted))


def _dhcp(at: Addresses) -> Iterator[Recipe]:
    v4, v6 = _on_53(at, 4), _on_53(at, 6)
    if v4:
        option = {"Dhcp4": {"option-data": [{"name": "domain-name-servers", "data": ", ".join(v4)}]}}
        yield Recipe("ISC Kea, IPv4", "kea-dhcp4.conf", _json(option), "Add option-data to the existing settings.")
    if v6:
        option = {"Dhcp6": {"option-data": [{"name": "dns-servers", "data": ", ".join(v6)}]}}
        yield Recipe("ISC Kea, IPv6", "kea-dhcp6.conf", _json(option))
    lines = [f"dhcp-option=option:dns-server,{','.join(v4)}"] if v4 else []
    lines += [f"dhcp-option=option6:dns-server,{','.join(f'[{each}]' for each in v6)}"] if v6 else []
    if lines:
        yield Recipe("dnsmasq", "dnsmasq.conf", _joined(lines), "To know who has which address: deploy/dhcp.")


def _by_hand(at: Addresses) -> Iterator[Recipe]:
    on_53 = (*_on_53(at, 4), *_on_53(at, 6))
    if on_53:
        servers = ", ".join(f"'{each}'" for each in on_53)
        yield Recipe(
            "Windows",
            "PowerShell, as an administrator",
            f"Set-DnsClientServerAddress -InterfaceAlias 'Ethernet' -ServerAddresses {servers}\n",
        )
        if at.template:
            lines = [
                f"Add-DnsClientDohServerAddress -ServerAddress '{each}' -DohTemplate '{at.template}' "
                "-AllowFallbackToUdp $false -AutoUpgrade $true"
                for each in on_53
            ]
            yield Recipe("Windows 11, over HTTPS", "PowerShell, as an administrator", _joined(lines))
        yield Recipe("macOS", "a terminal", f"networksetup -setdnsservers Wi-Fi {' '.join(on_53)}\n")
    if at.template:
        yield Recipe(
            "macOS and iOS, over HTTPS",
            "moatdns.mobileconfig",
            _apple_profile(at.template),
            "Distribute it by your device management, or open it on the device.",
        )
    if on_53:
        yield Recipe("Linux", "/etc/resolv.conf", _joined(f"nameserver {each}" for each in on_53[:3]))
    if at.plain.addresses and not at.dot.addresses:
        servers = " ".join(_with_port(each, at.plain.port, DNS_PORT) for each in at.plain.addresses)
        yield Recipe(
            "systemd-resolved",
            "/etc/systemd/resolved.conf.d/moatdns.conf",
            f"[Resolve]\nDNS={servers}\nDomains=~.\n",
            "Then: systemctl restart systemd-resolved",
        )
    if at.dot.addresses:
        servers = " ".join(f"{_with_port(each, at.dot.port, TLS_PORT)}#{at.name}" for each in at.dot.addresses)
        yield Recipe(
            "systemd-resolved, over TLS",
            "/etc/systemd/resolved.conf.d/moatdns.conf",
            f"[Resolve]\nDNS={servers}\nDNSOverTLS=yes\nDomains=~.\n",
            "Then: systemctl restart systemd-resolved",
        )


def _browsers(at: Addresses) -> Iterator[Recipe]:
    note = (
        "Without any of this, Firefox leaves its own DNS over HTTPS off where use-application-dns.net is answered "
        "NXDOMAIN, and it is for groups that block bypass. Only a policy also holds against a user's own choice."
    )
    chromium = (
        {"DnsOverHttpsMode": "secure", "DnsOverHttpsTemplates": at.template}
        if at.template
        else {"DnsOverHttpsMode": "off"}
    )
    yield Recipe("Chrome, Linux", "/etc/opt/chrome/policies/managed/moatdns.json", _json(chromium))
    yield Recipe("Edge, Linux", "/etc/opt/edge/policies/managed/moatdns.json", _json(chromium))
    keys = (r"Policies\Google\Chrome", r"Policies\Microsoft\Edge")
    yield Recipe(
        "Chrome and Edge, Windows",
        "a command line, as an administrator",
        _joined(
            rf'reg add "HKLM\SOFTWARE\{key}" /v {name} /t REG_SZ /d "{value}" /f'
            for key in keys
            for name, value in chromium.items()
        ),
    )
    firefox: dict[str, object] = {"Enabled": False, "Locked": True}
    if at.template:
        firefox = {"Enabled": True, "ProviderURL": at.template, "Fallback": False, "Locked": True}
    yield Recipe("Firefox", "distribution/policies.json", _json({"policies": {"DNSOverHTTPS": firefox}}), note)


def _vpn(at: Addresses) -> Iterator[Recipe]:
    v4, v6 = _on_53(at, 4), _on_53(at, 6)
    if not (v4 or v6):
        return
    lines = [f'push "dhcp-option DNS {each}"' for each in v4]
    lines += [f'push "dhcp-option DNS6 {each}"' for each in v6]
    lines.append('push "block-outside-dns"')
    yield Recipe("OpenVPN", "the server's config", _joined(lines), "To know who has which address: deploy/vpn.")
    yield Recipe("WireGuard", "[Interface] of each client", f"DNS = {', '.join((*v4, *v6))}\n")


def _in_front(at: Addresses, trusted_proxies: Sequence[str]) -> Iterator[Recipe]:
    if not at.plain.addresses:
        return
    address = at.plain.first
    if trusted_proxies:
        trusted = f"Trusted now: {', '.join(trusted_proxies)}."
    else:
        trusted = (
            "No proxy is trusted now: set clients.trusted_proxies in the config to the address that dnsdist uses, "
            "as in [{network: 192.0.2.9, sources: [proxy]}]."
        )
    yield Recipe(
        "dnsdist",
        "dnsdist.conf",
        f'newServer({{address="{_endpoint(address, at.plain.port)}", useProxyProtocol=true}})\n',
        f"It names its client in a PROXY header. {trusted}",
    )
    yield Recipe(
        "unbound",
        "unbound.conf",
        f'forward-zone:\n    name: "."\n    forward-addr: {address}@{at.plain.port}\n',
        "It does not name its clients: all of them are one client here, in one group. Better: let clients ask "
        "moatdns, and moatdns ask unbound (upstream.servers).",
    )


def _on_53(at: Addresses, version: int) -> tuple[str, ...]:
    """Addresses of one IP version, for devices that take an address only; none on a port other than 53."""
    reach: Reach = at.plain
    return reach.of_version(version) if reach.port == DNS_PORT else ()


def _endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _with_port(address: str, port: int, usual: int) -> str:
    return address if port == usual else _endpoint(address, port)


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def _joined(lines: Iterator[str] | Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _apple_profile(template: str) -> str:
    """A configuration profile; the same identifiers each time, so that a newer one replaces an older."""
    outer, inner = (uuid.uuid5(uuid.NAMESPACE_URL, f"{template}#{part}") for part in ("profile", "settings"))
    return f"""\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
  <key>PayloadType</key><string>Configuration</string>
  <key>PayloadVersion</key><integer>1</integer>
  <key>PayloadIdentifier</key><string>moatdns.dns</string>
  <key>PayloadUUID</key><string>{outer}</string>
  <key>PayloadDisplayName</key><string>DNS</string>
  <key>PayloadContent</key><array><dict>
    <key>PayloadType</key><string>com.apple.dnsSettings.managed</string>
    <key>PayloadVersion</key><integer>1</integer>
    <key>PayloadIdentifier</key><string>moatdns.dns.settings</string>
    <key>PayloadUUID</key><string>{inner}</string>
    <key>DNSSettings</key><dict>
      <key>DNSProtocol</key><string>HTTPS</string>
      <key>ServerURL</key><string>{template}</string>
    </dict>
  </dict></array>
</dict></plist>
"""
