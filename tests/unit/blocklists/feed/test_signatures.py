"""Signatures in minisign's format. tests/peers/test_minisign.py has the program itself."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocklists.feed.minisign import PublicKey, SecretKey, Signature, SignatureError

from .signed import KEY, OTHER_KEY

CONTENT = b"the catalogue\n"
MADE = Signature.make(CONTENT, KEY, "trusted").text
# Made by minisign 0.11: -G -W, then -S and -S -l, on the file "hello\n".
PROGRAMS_KEY = "RWTO5/X/riq/fhzyv3XMBw//urhHYjAfHuiKyttFE6P+ZJ92T9542WIe"
PROGRAMS = """\
untrusted comment: signature from minisign secret key
RUTO5/X/riq/fsWjkBtBxpNsL+dbQW1hL75GYQshk72VhxgQKpkPDiGLcTJ5r2K5vWK14UYUaaP5SLwhBN+uZSafzC6+1qcYZAc=
trusted comment: timestamp:1795726078\tfile:f\thashed
jg5RPALxcGoG+I7hu5moECrvtacSmENzO1LS7NjjvgwC88LkFCWPOEE7BuIpGOEGKqF2us+Rk90RWMZEsKWHAA==
"""


def refusal(text: str, content: bytes = CONTENT, keys: tuple[PublicKey, ...] = (KEY.public,)) -> str:
    """Why a signature is not taken."""
    with pytest.raises(SignatureError) as caught:
        Signature.parse(text.encode()).check(content, keys)
    return str(caught.value)


@pytest.mark.parametrize("is_prehashed", [True, False], ids=["ED", "Ed"])
def test_a_signature_names_the_key_that_made_it(is_prehashed: bool) -> None:
    text = Signature.make(CONTENT, KEY, "trusted", is_prehashed=is_prehashed).text
    found = Signature.parse(text.encode())
    assert found.check(CONTENT, [OTHER_KEY.public, KEY.public]) == KEY.public
    assert (found.is_prehashed, found.trusted_comment) == (is_prehashed, "trusted")


def test_a_signature_of_the_program_is_good() -> None:
    found = Signature.parse(PROGRAMS.encode())
    assert found.check(b"hello\n", [PublicKey.parse(PROGRAMS_KEY)]).name == "7EBF2AAEFFF5E7CE"
    assert found.trusted_comment == "timestamp:1795726078\tfile:f\thashed"
    with pytest.raises(SignatureError, match="not the one that was signed"):
        found.check(b"hello!\n", [PublicKey.parse(PROGRAMS_KEY)])


@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255))
def test_any_changed_octet_of_the_content_is_told(at: int, change: int) -> None:
    changed = bytearray(CONTENT)
    changed[at] ^= change
    assert "not the one that was signed" in refusal(MADE, bytes(changed))


def test_content_that_is_cut_off_is_told() -> None:
    assert "incomplete" in refusal(MADE, CONTENT[:-1])


def test_a_key_that_is_not_trusted_is_named() -> None:
    why = refusal(MADE, keys=(OTHER_KEY.public,))
    assert KEY.public.name in why
    assert OTHER_KEY.public.name in why


def test_another_key_with_the_same_id_is_of_no_use() -> None:
    forged = PublicKey(KEY.public.id, OTHER_KEY.public.octets)
    assert "not good" in refusal(MADE, keys=(forged,))
    assert Signature.parse(MADE.encode()).check(CONTENT, [forged, KEY.public]) == KEY.public


def test_a_changed_trusted_comment_is_told() -> None:
    assert "trusted comment has been changed" in refusal(MADE.replace("comment: trusted", "comment: changed"))


def test_the_other_comment_may_be_changed() -> None:
    text = MADE.replace("signature from moatdns", "anything")
    assert Signature.parse(text.encode()).check(CONTENT, [KEY.public]) == KEY.public


@given(st.integers(0, len(MADE.encode()) - 1), st.binary(max_size=3))
def test_a_damaged_signature_is_refused_or_says_the_same(at: int, put: bytes) -> None:
    octets = MADE.encode()
    damaged = octets[:at] + put + octets[at + 1 :]
    try:
        found = Signature.parse(damaged)
        found.check(CONTENT, [KEY.public])
    except SignatureError:
        return
    assert found.trusted_comment == "trusted"


@given(st.binary(max_size=400) | st.text(max_size=400).map(lambda text: text.encode("utf-8", "replace")))
def test_no_octets_break_the_readers(octets: bytes) -> None:
    for read in (
        lambda: Signature.parse(octets),
        lambda: PublicKey.parse(octets.decode("utf-8", "replace")),
        lambda: SecretKey.parse(octets.decode("utf-8", "replace")),
    ):
        with pytest.raises(SignatureError):
            read()


def test_a_signature_without_end_is_not_read() -> None:
    with pytest.raises(SignatureError, match="more than 16384 octets"):
        Signature.parse(MADE.encode() + b"\n" * 20_000)


@given(st.text(max_size=50))
def test_a_comment_is_read_as_it_was_signed_or_not_signed_at_all(comment: str) -> None:
    try:
        text = Signature.make(CONTENT, KEY, comment).text
    except SignatureError:
        return
    found = Signature.parse(text.encode())
    assert found.check(CONTENT, [KEY.public])
    assert found.trusted_comment == comment


def test_keys_are_read_as_they_were_written() -> None:
    assert SecretKey.parse(KEY.text).public == KEY.public
    for text in (KEY.public.text, KEY.public.line, f"  {KEY.public.line}\n"):
        assert PublicKey.parse(text) == KEY.public
    assert KEY.public.line.startswith("RW")


def test_a_key_with_a_passphrase_is_refused_with_the_way_out() -> None:
    lines = KEY.text.splitlines()
    octets = bytearray(base64.b64decode(lines[1]))
    octets[2:4] = b"Sc"
    with pytest.raises(SignatureError, match="minisign -S"):
        SecretKey.parse(f"{lines[0]}\n{base64.b64encode(octets).decode()}\n")


def test_a_damaged_secret_key_signs_nothing() -> None:
    lines = KEY.text.splitlines()
    octets = bytearray(base64.b64decode(lines[1]))
    octets[70] ^= 1
    with pytest.raises(SignatureError, match="damaged"):
        SecretKey.parse(f"{lines[0]}\n{base64.b64encode(octets).decode()}\n")


def test_a_secret_key_is_not_shown() -> None:
    assert KEY.seed.hex() not in repr(KEY)
    assert repr(KEY.seed) not in repr(KEY)
