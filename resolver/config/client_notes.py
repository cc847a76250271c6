"""Notes for admins on proxies, which ask for others."""

from __future__ import annotations

from collections.abc import Iterator

from resolver.config.schema import Config

_MOST_SHOWN = 3


def client_notes(config: Config) -> Iterator[str]:
    """Finished sentences."""
    plain = [one.network for one in config.clients.trusted_proxies if not one.is_told]
    if plain:
        more = ", …" if len(plain) > _MOST_SHOWN else ""
        yield (
            f"clients.trusted_proxies: of {', '.join(plain[:_MOST_SHOWN])}{more} it is not said by what each is "
            "believed: by a PROXY header and by X-Forwarded-For then, not by the EDNS client subnet, and what says "
            f'nothing is refused. Write {{network: "{plain[0]}", sources: [proxy]}}, with those of proxy, '
            "proxy-within-tls, x-forwarded-for and client-subnet that it sends itself"
        )
