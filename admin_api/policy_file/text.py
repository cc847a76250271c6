"""The document as text, which people edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

# libyaml's takes a fifteenth of the time, of which a million rules need much; PyYAML can be built without it.
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_HEAD = """\
# The policy of moatdns, revision {revision}. Change it, look at what would change, and apply that:
#   moatdns policy plan FILE
#   moatdns policy apply FILE
# What has 'origin: file' stands in the config file, and is changed there.
"""


def as_yaml(document: Mapping[str, Any]) -> str:
    """A document as YAML, with how to use it."""
    dumped: str = yaml.dump(dict(document), Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=120)
    return _HEAD.format(revision=document["revision"]) + dumped
