"""JSON merge patches (RFC 7396)."""

from __future__ import annotations

from collections.abc import Mapping

from admin_api.editing.common import Merge


def merge_patch(target: object, patch: Mapping[str, object]) -> dict[str, object]:
    """RFC 7396 section 2, for a patch that is an object."""
    result: dict[str, object] = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value) if isinstance(value, Mapping) else value
    return result


def merged(patch: Mapping[str, object]) -> Merge:
    """Return the function that the store runs on the resource as it is then."""
    return lambda current: merge_patch(current, patch)
