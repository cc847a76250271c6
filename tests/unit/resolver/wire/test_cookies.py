"""Server cookies: the test vectors of RFC 9018 appendix A, and the rules of RFC 7873."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import FormatError
from resolver.wire.cookies import FURTHEST_SECONDS, OLDEST_SECONDS, RENEWED_SECONDS, CookieProof, ServerCookies

SECRET = "e5e973e5a6b2a43f48e7dc849e37bfcf"
OLD, NEW = "dd3bdf9344b678b185a6f5cb60fca715", "445536bcd2513298075a5d379663c962"
CLIENT = "2464c4abcf10c957"
ADDRESS = ipaddress.ip_address("198.51.100.100").packed
MADE_AT = 1559731985


def cookies(now: float, *secrets: str) -> ServerCookies:
    return ServerCookies([bytes.fromhex(secret) for secret in secrets or (SECRET,)], clock=lambda: now)


def told(option: bytes) -> bytes:
    """The data of an option that we made."""
    assert option[:4] == b"\x00\x0a\x00\x18"
    return option[4:]


@pytest.mark.parametrize(
    ("secrets", "address", "now", "sent", "answered", "standing"),
    [
        ((SECRET,), "198.51.100.100", MADE_AT, CLIENT, "010000005cf79f111f8130c3eee29480", CookieProof.UNKNOWN),
        (
            (SECRET,),
            "198.51.100.100",
            1559734385,
            f"{CLIENT}010000005cf79f111f8130c3eee29480",
            "010000005cf7a871d4a564a1442aca77",
            CookieProof.GOOD,
        ),
        (
            (SECRET,),
            "203.0.113.203",
            1559734700,
            "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
            "010000005cf7a9acf73a7810aca2381e",
            CookieProof.BAD,  # in the RFC's example it is good at an age of 6,715 s, beyond what section 4.3 recommends
        ),
        (
            (NEW, OLD),
            "2001:db8:220:1:59de:d0f4:8769:82b8",
            1559741961,
            "22681ab97d52c298010000005cf7c57926556bd0934c72f8",
            "010000005cf7c609a6bb79d16625507a",
            CookieProof.GOOD,
        ),
    ],
    ids=["A.1 a new cookie", "A.2 a renewed one", "A.3 reserved octets set", "A.4 a secret before"],
)
def test_the_vectors_of_rfc_9018(
    secrets: tuple[str, ...], address: str, now: int, sent: str, answered: str, standing: CookieProof
) -> None:
    option, found = cookies(now, *secrets).answer(bytes.fromhex(sent), ipaddress.ip_address(address).packed)
    assert told(option).hex() == sent[:16] + answered
    assert found is standing


def test_reserved_octets_of_a_cookie_of_ours_are_accepted_and_not_given_again() -> None:
    sent = bytes.fromhex("fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5")
    option, standing = cookies(1559727985 + 60).answer(sent, ipaddress.ip_address("203.0.113.203").packed)
    assert standing is CookieProof.GOOD
    assert told(option)[8:12] == b"\x01\x00\x00\x00"


@pytest.mark.parametrize(
    ("age", "is_good", "is_renewed"),
    [
        (0, True, False),
        (RENEWED_SECONDS, True, False),
        (RENEWED_SECONDS + 1, True, True),
        (OLDEST_SECONDS, True, True),
        (OLDEST_SECONDS + 1, False, True),
        (-FURTHEST_SECONDS, True, False),
        (-FURTHEST_SECONDS - 1, False, True),
    ],
)
def test_a_cookie_is_good_for_an_hour_and_renewed_after_half(age: int, is_good: bool, is_renewed: bool) -> None:
    cookie = told(cookies(MADE_AT).answer(bytes.fromhex(CLIENT), ADDRESS)[0])
    option, standing = cookies(MADE_AT + age).answer(cookie, ADDRESS)
    assert (standing is CookieProof.GOOD) == is_good
    assert (told(option) != cookie) == is_renewed


def test_time_goes_on_behind_the_year_2106() -> None:
    cookie = told(cookies((1 << 32) - 10).answer(bytes.fromhex(CLIENT), ADDRESS)[0])
    assert cookies((1 << 32) + 10).answer(cookie, ADDRESS)[1] is CookieProof.GOOD


def test_a_cookie_of_another_address_client_or_server_is_bad() -> None:
    cookie = told(cookies(MADE_AT).answer(bytes.fromhex(CLIENT), ADDRESS)[0])
    assert cookies(MADE_AT).answer(cookie, ipaddress.ip_address("198.51.100.101").packed)[1] is CookieProof.BAD
    assert cookies(MADE_AT).answer(b"another!" + cookie[8:], ADDRESS)[1] is CookieProof.BAD
    assert cookies(MADE_AT, NEW).answer(cookie, ADDRESS)[1] is CookieProof.BAD
    assert cookies(MADE_AT).answer(cookie[:8] + b"\x02" + cookie[9:], ADDRESS)[1] is CookieProof.BAD


@given(st.binary(max_size=60))
def test_any_cookie_is_answered_with_one_or_a_format_error(data: bytes) -> None:
    legal = len(data) == 8 or 16 <= len(data) <= 40
    try:
        option, standing = cookies(MADE_AT).answer(data, ADDRESS)
    except FormatError:
        assert not legal
    else:
        assert legal
        assert told(option)[:8] == data[:8]
        assert standing is not CookieProof.GOOD


@pytest.mark.parametrize("secrets", [[], [b"short"], [bytes(16), bytes(15)]])
def test_only_secrets_of_sixteen_octets_are_taken(secrets: list[bytes]) -> None:
    with pytest.raises(ValueError, match="16 octets"):
        ServerCookies(secrets)
