"""Heads of the audit trail that were kept away from the node, as options of the commands that look for lost rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from admin_api.audit.signed_head import read_signed_head
from admin_api.signed.files import NotGenuine
from admin_api.signed.keys import load_key, public_key_of
from admin_api.store.heads import Head
from admin_api.store.trail import Pair
from moatdns.cli.common import fail
from resolver.config.schema import Config
from resolver.errors import MoatdnsError

HeadOption = Annotated[
    list[Path] | None,
    typer.Option("--head", metavar="FILE", help="A signed head, as 'audit head' prints it. Repeatable."),
]
HeadKeyOption = Annotated[
    str | None, typer.Option("--key", metavar="KEY", help="Public key of signed heads; default: that of this node.")
]


def signed_heads(config: Config, files: Sequence[Path], key: str | None) -> list[Head]:
    """Heads of signed files; ends with status 1 for a file that is not what was signed."""
    found = []
    for file in files:
        try:
            public = public_key_of(key) if key else load_key(config.audit.signing_key, config.state_dir).public
            found.append(read_signed_head(file.read_bytes(), public))
        except NotGenuine as error:
            fail(*(f"{file}: {problem}" for problem in error.problems))
        except MoatdnsError as error:
            fail(str(error) if key else f"{error}; --key names the public key, where that of this node is not there")
        except OSError as error:
            fail(f"{file}: {error.strerror}")
    return found


def pairs_of_store(heads: Iterable[Head], store_id: str) -> list[Pair]:
    """Rows and macs of heads; ends with status 1 for a head of another store, which says nothing of this trail."""
    found = []
    for head in heads:
        if head.store_id not in ("", store_id):
            fail(f"--head: row {head.row} is of the audit trail of store {head.store_id}, not of {store_id}")
        found.append(head.pair)
    return found
