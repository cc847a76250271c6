"""A head of the audit trail as a signed file: kept elsewhere, it shows later whether the trail was cut or changed."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from typing import Any, Final

from admin_api.signed.files import NotGenuine, verified
from admin_api.store.heads import Head
from blocklists.feed.minisign import PublicKey

FORMAT: Final = "moatdns audit head 1"


def head_content(head: Head, at: datetime) -> dict[str, Any]:
    """The content of the file: row, mac and store of the head, and which node had it when."""
    return {
        "row": head.row,
        "mac": head.mac,
        "store_id": head.store_id,
        "node": socket.gethostname() or "-",
        "at": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }


def read_signed_head(octets: bytes, key: PublicKey) -> Head:
    """The head that a signed file holds. Raises NotGenuine."""
    content = verified(octets, FORMAT, key)
    row, mac, store_id = (content.get(name) for name in ("row", "mac", "store_id"))
    if type(row) is not int or not isinstance(mac, str) or not isinstance(store_id, str):
        raise NotGenuine(["it holds no head of an audit trail"])
    return Head(row, mac, store_id)
