"""DoH requests, whatever carries them: what is asked, and what is refused (RFC 8484 sections 4 to 6)."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.listeners.doh import Asked, Response, answer, read_head
from tests.unit.listeners.doubles import ANSWER, QUERY

_TYPE = (b"content-type", b"application/dns-message")
_DNS = base64.urlsafe_b64encode(QUERY).rstrip(b"=")


def test_a_get_brings_its_query_in_the_url() -> None:
    asked = read_head(b"GET", b"/dns-query?dns=" + _DNS, [])
    assert isinstance(asked, Asked)
    assert asked.query == QUERY
    assert asked.name == ""


@given(st.binary(max_size=600))
def test_any_query_can_be_brought_by_get(query: bytes) -> None:
    dns = base64.urlsafe_b64encode(query).rstrip(b"=")
    asked = read_head(b"GET", b"/dns-query?ct&dns=" + dns, [])
    assert (asked.query == query) if isinstance(asked, Asked) else (asked.status == 400 and not query)


def test_a_post_brings_its_query_in_the_body() -> None:
    asked = read_head(b"POST", b"/dns-query", [_TYPE, (b"content-length", b"33")])
    assert isinstance(asked, Asked)
    assert asked.query is None


def test_a_path_may_name_the_client_in_any_case() -> None:
    asked = read_head(b"GET", b"/dns-query/Laptop-7?dns=" + _DNS, [])
    assert isinstance(asked, Asked)
    assert asked.name == "laptop-7"


@pytest.mark.parametrize(
    "path", [b"/", b"/dns-queryx", b"/dns-query/", b"/dns-query/a/b", b"/dns-query/a.b", b"*", b""]
)
def test_another_path_is_not_found(path: bytes) -> None:
    assert _status(read_head(b"GET", path + b"?dns=" + _DNS, [])) == 404


@pytest.mark.parametrize("method", [b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT", b"get"])
def test_another_method_is_told_which_there_are(method: bytes) -> None:
    response = read_head(method, b"/dns-query?dns=" + _DNS, [])
    assert isinstance(response, Response)
    assert response.status == 405
    assert (b"allow", b"GET, POST") in response.headers
    assert bool(response.body) == (method != b"HEAD")


@pytest.mark.parametrize("headers", [[], [(b"content-type", b"application/json")], [(b"content-type", b"")]])
def test_a_post_of_another_media_type_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    assert _status(read_head(b"POST", b"/dns-query", headers)) == 415


@pytest.mark.parametrize("length", [b"65536", b"9" * 30])
def test_a_post_that_says_that_it_is_too_large_is_refused_before_it_comes(length: bytes) -> None:
    assert _status(read_head(b"POST", b"/dns-query", [_TYPE, (b"content-length", length)])) == 413


@pytest.mark.parametrize(
    "query", [b"", b"dns=", b"dns=AA&dns=AA", b"dns=A", b"dns=A===", b"dns=A%2B", b"dns=AA+A", b"d=AA"]
)
def test_a_get_without_one_query_in_base64url_is_refused(query: bytes) -> None:
    assert _status(read_head(b"GET", b"/dns-query?" + query, [])) == 400


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (b"*/*", 200),
        (b"application/dns-message", 200),
        (b"text/html, application/*;q=0.1", 200),
        (b"", 200),
        (b"text/html", 406),
        (b"application/dns-json", 406),
    ],
)
def test_a_client_that_takes_no_dns_message_is_told_so(accept: bytes, status: int) -> None:
    assert _status(read_head(b"GET", b"/dns-query?dns=" + _DNS, [(b"accept", accept)])) == status


def test_an_answer_may_be_kept_by_its_client_as_long_as_its_least_ttl() -> None:
    response = answer(ANSWER)
    assert response.status == 200
    assert dict(response.headers) == {
        b"content-type": b"application/dns-message",
        b"content-length": str(len(ANSWER)).encode(),
        b"cache-control": b"private, max-age=300",
    }


@given(
    st.binary(max_size=20), st.binary(max_size=300), st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=40)))
)
def test_no_head_raises_an_error(method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    for path in (target, b"/dns-query" + target, b"/dns-query?dns=" + target):
        for way in (method, b"GET", b"POST"):
            assert isinstance(read_head(way, path, headers), Asked | Response)


def _status(outcome: Asked | Response) -> int:
    return outcome.status if isinstance(outcome, Response) else 200
