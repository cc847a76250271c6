"""A token as the password of Basic authentication: turned into Bearer, whatever stands there."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.api.http.auth import from_basic


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (basic("firewall:moat_1_x"), "Bearer moat_1_x"),
        (basic(":moat_1_x"), "Bearer moat_1_x"),
        (basic("name:pass:word"), "Bearer pass:word"),
        (basic("no password"), "Bearer "),
        ("basic !!!", "Bearer "),
        ("Bearer moat_1_x", "Bearer moat_1_x"),
        (None, None),
    ],
)
def test_the_password_is_the_token(sent: str | None, expected: str | None) -> None:
    assert from_basic(sent) == expected


@given(st.text(max_size=60) | st.binary(max_size=40).map(lambda octets: "Basic " + base64.b64encode(octets).decode()))
def test_no_header_is_more_than_wrong(sent: str) -> None:
    found = from_basic(sent)
    assert found is not None
    assert found == sent or found.startswith("Bearer ")
