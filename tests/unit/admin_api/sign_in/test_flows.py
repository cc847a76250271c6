"""Sign-ins under way, which their browsers keep."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.sign_in.flows import LONGEST_COOKIE, Flows
from admin_api.sign_in.refusal import SignInRefused


def test_a_flow_comes_back_as_it_went_and_for_ten_minutes() -> None:
    now = [0.0]
    flows = Flows(lambda: now[0])
    flow, cookie = flows.begin("/groups?a=b")
    now[0] = 600.0
    assert flows.opened(flow.state, cookie) == flow
    assert flow.nonce not in cookie
    assert flow.verifier not in cookie
    now[0] = 601.0
    with pytest.raises(SignInRefused, match="ten minutes"):
        flows.opened(flow.state, cookie)


def test_strangers_who_begin_without_end_shut_nobody_out() -> None:
    flows = Flows()
    flow, cookie = flows.begin("/")
    for _ in range(5000):
        flows.begin("/")
    assert flows.opened(flow.state, cookie) == flow


@pytest.mark.parametrize("state", ["", "another", "é", "\udc80"])
def test_a_cookie_is_for_its_own_state_and_of_this_process(state: str) -> None:
    flows = Flows()
    flow, cookie = flows.begin("/")
    with pytest.raises(SignInRefused, match="another browser"):
        flows.opened(state, cookie)
    with pytest.raises(SignInRefused, match="another browser"):
        Flows().opened(flow.state, cookie)


def test_an_address_that_no_cookie_holds_gives_way_to_the_overview() -> None:
    flows = Flows()
    flow, cookie = flows.begin("/" + "ü" * 1999)
    assert flow.wanted == "/"
    assert flows.opened(flow.state, cookie).wanted == "/"
    assert len(flows.begin("/" + "a" * 1999)[1]) <= LONGEST_COOKIE


@given(at=st.integers(0), to=st.integers(0, 255))
def test_a_cookie_with_another_octet_is_none(at: int, to: int) -> None:
    flows = Flows()
    flow, cookie = flows.begin("/")
    octets = bytearray(base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4)))
    at %= len(octets)
    if octets[at] == to:
        to ^= 1
    octets[at] = to
    with pytest.raises(SignInRefused):
        flows.opened(flow.state, base64.urlsafe_b64encode(octets).rstrip(b"=").decode())


@given(st.text() | st.binary(max_size=200).map(lambda octets: base64.urlsafe_b64encode(octets).decode()))
def test_any_other_text_is_no_flow(text: str) -> None:
    with pytest.raises(SignInRefused):
        Flows().opened("state", text)
