"""Replies that are lines of text, as machines fetch them again and again: with an ETag."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from admin_api.api.http.call import ApiReply

TEXT: Final = "text/plain; charset=utf-8"


def plain_text(text: str, headers: Mapping[str, str] = MappingProxyType({})) -> ApiReply:
    """A text with a tag of its content: who has it already is told so (304), and nobody between us keeps it."""
    body = text.encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return ApiReply(body, headers={"ETag": tag, "Cache-Control": "private, no-cache", **headers}, content_type=TEXT)
