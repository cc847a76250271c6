"""JSON merge patches (RFC 7396)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from admin_api.editing.common import Merge


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396 section 2."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def merged(patch: Mapping[str, Any]) -> Merge:
    """Return the function that the store runs on the resource as it is then."""

    def merge(current: Mapping[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = merge_patch(current, patch)
        return result

    return merge
