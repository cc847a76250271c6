"""The document as text, which people edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from resolver.system.safe_text import visible_lines

# libyaml's takes a fifteenth of the time, of which a million rules need much; PyYAML can be built without it.
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_HEAD = """\
# The policy of moatdns, revision {revision}. Edit it, plan the changes, and apply them:
#   moatdns policy plan FILE
#   moatdns policy apply FILE
# Parts with 'origin: file' come from the config file; change them there.
"""


def as_yaml(document: Mapping[str, Any]) -> str:
    """A document as YAML, with how to use it."""
    dumped = _dumped(document, as_letters=True)
    if visible_lines(dumped) != dumped:  # YAML leaves writing directions as they are, unless all letters are escaped
        dumped = _dumped(document, as_letters=False)
    return _HEAD.format(revision=document["revision"]) + dumped


def _dumped(document: Mapping[str, Any], *, as_letters: bool) -> str:
    dumped: str = yaml.dump(dict(document), Dumper=_DUMPER, sort_keys=False, allow_unicode=as_letters, width=120)
    return dumped
