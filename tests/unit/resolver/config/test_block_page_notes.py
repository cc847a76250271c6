"""What check-config says of how the block page and the policy's answers fit together."""

from __future__ import annotations

from typing import Any

import pytest

from resolver.config.notes import block_page_notes
from resolver.config.schema import Config

PAGE = {"listen": ["10.0.0.53:80", "[2001:db8::53]:80"]}
LEADS = {"response": {"mode": "address", "ipv4": "10.0.0.53", "ipv6": "2001:db8::53"}}


def notes(**config: Any) -> list[str]:
    return list(block_page_notes(Config.model_validate(config)))


def test_what_fits_together_needs_no_note() -> None:
    assert notes() == []
    assert notes(block_page=PAGE, policy=LEADS) == []
    assert notes(block_page={"listen": ["0.0.0.0:80", "[::]:80"]}, policy=LEADS) == []
    assert notes(block_page=PAGE, policy={"groups": [{"name": "staff", **LEADS}]}) == []


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"policy": LEADS}, "policy.response leads to an address, and no block page is served here"),
        (
            {"policy": {"groups": [{"name": "staff", **LEADS}]}},
            "the response of group 'staff' leads to an address, and no block page is served here",
        ),
        ({"block_page": PAGE}, "block_page.listen is set, but nothing in this file leads to it"),
        (
            {"block_page": {"listen": ["10.0.0.53:80"]}, "policy": LEADS},
            "policy.response leads to 2001:db8::53, where block_page.listen has no address",
        ),
        (
            {"block_page": {"listen": ["10.0.0.53:8080", "[::]:8080"]}, "policy": LEADS},
            "block_page.listen has no port 80, where browsers come",
        ),
        (
            {"block_page": PAGE, "policy": LEADS, "admin": {"listen": None}},
            "block_page.request_form takes requests that nobody can approve",
        ),
        (
            {"block_page": PAGE, "policy": {**LEADS, "approval": "four-eyes"}},
            "a request by the block page counts as one of the two",
        ),
    ],
)
def test_what_does_not_fit_is_noted(config: dict[str, Any], words: str) -> None:
    (note,) = notes(**config)
    assert words in note
