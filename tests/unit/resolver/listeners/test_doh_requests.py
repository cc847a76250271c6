"""Queries are read from requests as RFC 8484 writes them, whatever else is in the address."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.listeners.doh import MEDIA_TYPE, Refused, RequestHead, name_of, query_of

GET = RequestHead("GET", {})
POST = RequestHead("POST", {"content-type": MEDIA_TYPE})


@given(st.binary(min_size=1, max_size=200), st.integers(0, 3))
def test_a_query_in_base64url_comes_back_with_padding_or_without(query: bytes, padding: int) -> None:
    text = base64.urlsafe_b64encode(query).decode().rstrip("=") + "=" * padding
    assert query_of(GET, f"/dns-query?dns={text}", b"") == query
    assert query_of(GET, f"/dns-query?other=1&dns={text}&more", b"") == query


@given(st.text(alphabet="AZaz09-_+/=!%~\n \xe4", max_size=12))
def test_any_other_text_is_refused(text: str) -> None:
    bare = text.rstrip("=")
    is_good = re.fullmatch(r"[A-Za-z0-9_-]+", bare) and len(bare) % 4 != 1
    if is_good:
        assert query_of(GET, f"/dns-query?dns={text}", b"") == base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
        return
    with pytest.raises(Refused) as raised:
        query_of(GET, f"/dns-query?dns={text}", b"")
    assert raised.value.response.status == 400


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/dns-query", ""),
        ("/dns-query?dns=AAAA", ""),
        ("/dns-query/Laptop-7", "laptop-7"),
        ("/dns%2Dquery/laptop%2D7?dns=AAAA", "laptop-7"),
        ("/dns-query/a%2Fb", ""),
        ("/dns-query/a/b", ""),
        ("/other", ""),
    ],
)
def test_a_client_calls_itself_by_its_path(target: str, name: str) -> None:
    assert name_of(target) == name


@pytest.mark.parametrize(
    ("head", "target", "body", "status"),
    [
        (POST, "/dns-query/a/b", b"x", 404),
        (POST, "/dns-query" + "x" * 16_300, b"x", 414),
        (RequestHead("POST", {"x": "y" * 16_384}), "/dns-query", b"x", 431),
        (RequestHead("PUT", {}), "/dns-query", b"x", 405),
        (RequestHead("POST", {}), "/dns-query", b"x", 415),
        (POST, "/dns-query", b"", 400),
        (GET, "/dns-query?dns=AAAA&dns=AAAA", b"", 400),
    ],
)
def test_what_is_no_query_has_a_status_that_says_why(head: RequestHead, target: str, body: bytes, status: int) -> None:
    with pytest.raises(Refused) as raised:
        query_of(head, target, body)
    assert raised.value.response.status == status
