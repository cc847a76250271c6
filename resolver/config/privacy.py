"""Privacy settings of the config: which value of each records, keeps or shows more, and holding back those that do.

Values are texts, as JSON has them: "full", "7", "true".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from resolver.config.retention_schema import OLDER_NAMES, RetentionSection

if TYPE_CHECKING:
    from resolver.config.schema import Config

PrivacyValues = dict[str, str]
"""Values by key path."""

_IDENTITIES: Final = "query_log.identities"
_ORDERED: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    # The narrowest first. Of values side by side neither is narrower: each shows what the other does not.
    "query_log.enabled": (("false",), ("true",)),
    "query_log.what": (("hits",), ("all",)),
    "query_log.clients": (("hidden",), ("network", "pseudonym"), ("full",)),
    _IDENTITIES: (("hidden",), ("pseudonym",), ("full",)),
    "query_log.pseudonyms_found_by": (("nobody",), ("admin",)),
    "policy.look_approval": (("four-eyes",), ("none",)),
    "statistics.enabled": (("false",), ("true",)),
}
_RETENTION: Final = "retention"
_NUMBER_OF_DAYS: Final = re.compile("null|[1-9][0-9]{0,5}")
_OF_NOBODY: Final = "evidence_days"  # of runs, troubles and policies of the node
_DAYS: Final = (  # more of them are wider; "null" is for ever
    "query_log.pseudonym_days",
    *(f"{_RETENTION}.{name}" for name in RetentionSection.model_fields if name != _OF_NOBODY),
)


def privacy_of(config: Config) -> PrivacyValues:
    """The values of a config, defaults among them."""
    return {key: _text(_value_of(config, key)) for key in (*_ORDERED, *_DAYS)}


def narrowest() -> PrivacyValues:
    """The narrowest values; of numbers of days, the defaults."""
    from resolver.config.schema import Config  # noqa: PLC0415 (the control process needs it for nothing else)

    usual = privacy_of(Config())
    return {key: _ORDERED[key][0][0] if key in _ORDERED else usual[key] for key in usual}


def is_wider(key: str, value: str, than: str) -> bool:
    """True where a value records, keeps or shows what another does not. Raises ValueError for what is no value."""
    if key in _DAYS:
        return _days(value) > _days(than)
    ranks = {one: rank for rank, values in enumerate(_ORDERED[key]) for one in values}
    if value not in ranks or than not in ranks:
        raise ValueError(f"{key} has no value {value!r}, or none {than!r}")
    return value != than and ranks[value] >= ranks[than]


def widened(before: Mapping[str, str], after: Mapping[str, str]) -> PrivacyValues:
    """Those values after a change that are wider than before it; what was not known before is none of them."""
    return {key: value for key, value in after.items() if key in before and is_wider(key, value, before[key])}


def held_back(config: Config, limits: Mapping[str, str]) -> tuple[Config, PrivacyValues]:
    """The config with no value wider than its limit, and what it asked for instead."""
    held = wider = widened(limits, privacy_of(config))
    while wider:  # identities follow from clients, and may be wider by the limit of these
        for key in wider:
            config = _limited(config, key, limits[key])
        wider = widened(limits, privacy_of(config))
    return config, held


def _limited(config: Config, key: str, limit: str) -> Config:
    section, _, name = key.partition(".")
    config = _with(config, section, name, limit if isinstance(_value_of(config, key), str) else json.loads(limit))
    if section == _RETENTION:
        for older, its_name, now in OLDER_NAMES:
            config = _with(config, older, its_name, None) if now == name else config
    return config


def checked_values(values: object) -> PrivacyValues:
    """Values that were read from somewhere, those of unknown keys left out. Raises ValueError, TypeError."""
    if not isinstance(values, dict):
        raise TypeError("should be an object of settings")
    found = {key: value for key, value in values.items() if key in _ORDERED or key in _DAYS}
    for key, value in found.items():
        if not isinstance(value, str):
            raise TypeError(f"{key} should be a text")
        is_wider(key, value, value)
    return found


def _value_of(config: Config, key: str) -> Any:
    section, _, name = key.partition(".")
    if key == _IDENTITIES:
        return config.query_log.identities_recorded
    return getattr(config.kept if section == _RETENTION else getattr(config, section), name)


def _with(config: Config, section: str, name: str, value: Any) -> Config:
    return config.model_copy(update={section: getattr(config, section).model_copy(update={name: value})})


def _days(text: str) -> float:
    if not _NUMBER_OF_DAYS.fullmatch(text):
        raise ValueError(f"{text!r} is neither a number of days nor null")
    return math.inf if text == "null" else int(text)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
