"""The bundled catalogue with what a feed adds to it. A feed only adds: compared with the bundled one, nothing opens.

- All rules, vendors and services of the bundled catalogue stay as they are: where a feed says otherwise of one (its
  kind, its `needed_by`), that is not listened to.
- The other rules of the feed are `Catalogue.fed`, with a rank of their own below all others. They block a name that
  nothing else decides, for groups that block their service. They allow nothing: for a group that allows their service,
  or one that needs the name, they are not there; and an exemption takes away their own blocks alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from blocklists.catalogue import Catalogue
from blocklists.feed.content import FedCatalogue


def with_feed(base: Catalogue, feed: FedCatalogue) -> Catalogue:
    """The catalogue with a feed's additions. Raises CatalogueError for data files that cannot be read."""
    fed = feed.read(base)
    known = {(domain.rule, domain.service) for domain in base.domains}
    return replace(
        base,
        about=dict(sorted({**fed.about, **base.about}.items())),
        services=dict(sorted({**fed.services, **base.services}.items())),
        fed=tuple(domain for domain in fed.domains if (domain.rule, domain.service) not in known),
        fingerprint=hashlib.sha256(f"{base.fingerprint} {feed.digest}".encode()).hexdigest(),
    )
