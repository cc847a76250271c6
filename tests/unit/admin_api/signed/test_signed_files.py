"""A signed file is good as it was made, with the right key; and wherever it was changed, that is told."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admin_api.signed.canonical import MOST_NUMBER, canonical_octets
from admin_api.signed.files import NotGenuine, fingerprint_of, signed, verified
from admin_api.signed.keys import MADE, load_key, public_key_of
from admin_api.signed.signer import Signer
from blocklists.feed.minisign import SecretKey
from resolver.errors import MoatdnsError
from tests.support.examples import examples

KIND = "moatdns test 1"
KEY, OTHER = SecretKey.generate(), SecretKey.generate()
CONTENT: dict[str, Any] = {
    "node": "dns-7",
    "gaps": [{"kind": "pause", "seconds": 60}, {"kind": "monitor", "seconds": 7}, {"kind": "crash", "seconds": 1}],
    "openings": [],
    "audit": {"row": 9, "mac": "ab"},
}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MOST_NUMBER, MOST_NUMBER) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
CONTENTS = st.dictionaries(TEXTS, VALUES, max_size=5)


def problems(octets: bytes, key: SecretKey = KEY, kind: str = KIND) -> list[str]:
    """Problems of a file; none where it is good."""
    try:
        verified(octets, kind, key.public)
    except NotGenuine as error:
        assert error.problems
        return error.problems
    return []


def written(whole: Any) -> bytes:
    return json.dumps(whole, indent=1).encode()


def changed(change: Any) -> bytes:
    """The file after somebody changed its JSON."""
    whole = json.loads(json.dumps(signed(KIND, CONTENT, KEY)))
    change(whole)
    return written(whole)


@given(CONTENTS, st.sampled_from([None, 0, 1, 4]), st.booleans())
@settings(max_examples=examples(50))
def test_a_file_is_good_however_its_json_is_written(
    content: dict[str, Any], indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(signed(KIND, content, KEY), indent=indent, ensure_ascii=ascii_only)
    assert verified(f"\n {text}\n".encode(), KIND, KEY.public) == content


@given(VALUES)
@settings(max_examples=examples(100))
def test_canonical_json_is_json_of_the_same_value_and_the_same_for_equal_ones(value: Any) -> None:
    octets = canonical_octets(value)
    assert json.loads(octets) == value
    assert canonical_octets(json.loads(octets)) == octets


def test_canonical_json_is_that_of_rfc_8785() -> None:
    # Section 3.2.3: by UTF-16 code units; section 3.2.2.2: the escapes.
    names = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert canonical_octets(names).decode() == (
        '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\U0001f600":5,"\ufb33":3}'
    )
    assert canonical_octets('\u20ac$\u000f\u000aA\'B"\\\\"/') == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'.encode()
    for bad in (1.5, float("nan"), MOST_NUMBER + 1, "\ud800", {1: 2}, object()):
        with pytest.raises(ValueError, match=r"\w"):
            canonical_octets(bad)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda w: w["content"]["gaps"][1].update(seconds=0), "content.gaps, line 2 was changed"),
        (lambda w: w["content"]["gaps"].pop(0), "content.gaps, line 1 was taken out"),
        (lambda w: w["content"]["gaps"].append({"kind": "x"}), "content.gaps, line 4 was added"),
        (lambda w: w["content"]["gaps"].reverse(), "content.gaps: its lines are in another order"),
        (lambda w: w["content"].pop("openings"), "content.openings is missing"),
        (lambda w: w["content"].update(more=[]), "content.more was added"),
        (lambda w: w["content"].update(node="dns-8"), "content.node was changed"),
        (lambda w: w["content"]["audit"].update(row=1.5), "cannot have been signed"),
        (lambda w: w["signature"]["digests"].update(node="00"), "its signature is not good"),
        (lambda w: w["signature"].update(value="AAAA"), "its signature is not good"),
        (lambda w: w["signature"].update(value=7), "its signature is not good"),
        (lambda w: w["signature"].update(algorithm="none"), "algorithm or fingerprint"),
        (lambda w: w["signature"].update(more=1), "something was added"),
        (lambda w: w["signature"].update(digests=[]), "its digests are no object"),
        (lambda w: w.update(format="moatdns test 2"), "its format is moatdns test 2"),
        (lambda w: w.pop("signature"), "it is not a signed file"),
        (lambda w: w.update(note="x"), "it is not a signed file"),
    ],
)
def test_whatever_is_changed_is_told(change: Any, told: str) -> None:
    assert any(told in problem for problem in problems(changed(change)))


def test_a_cut_an_appended_line_a_doubled_name_and_octets_that_are_no_text_are_told() -> None:
    good = written(signed(KIND, CONTENT, KEY))
    assert "its end was cut off" in problems(good[:-20])[0]
    assert "was appended" in problems(good + b"\n{}\n")[0]
    assert "comes twice" in problems(good.replace(b'"kind"', b'"kind": 1, "kind"', 1))[0]
    assert "is not UTF-8" in problems(good.replace(b"dns-7", b"dns-\xff"))[0]
    assert "is no JSON" in problems(good.replace(b"[", b"[[,", 1))[0]
    assert "cut off" in problems(b"")[0]
    assert problems(b"[" * 100_000)


def test_another_key_is_told_and_one_that_signs_it_anew_is_none() -> None:
    good = written(signed(KIND, CONTENT, KEY))
    (told,) = problems(good, OTHER)
    assert told.startswith("another key has signed it")
    assert fingerprint_of(KEY.public) in told
    forged = signed(KIND, {**CONTENT, "gaps": []}, OTHER)
    assert "another key" in problems(written(forged))[0]
    forged["signature"]["key"], forged["signature"]["fingerprint"] = KEY.public.line, fingerprint_of(KEY.public)
    assert "is not good" in problems(written(forged))[0]
    assert "its format" in problems(good, kind="moatdns audit head 1")[0]


@given(st.data())
@settings(max_examples=examples(100))
def test_no_octet_that_says_something_can_be_another(data: st.DataObject) -> None:
    good = json.dumps(signed(KIND, CONTENT, KEY), separators=(",", ":")).encode()
    place = data.draw(st.integers(0, len(good) - 1))
    octet = data.draw(st.integers(0, 255).filter(lambda one: one != good[place]))
    bad = good[:place] + bytes([octet]) + good[place + 1 :]
    try:
        is_same = json.loads(bad) == json.loads(good)
    except (ValueError, RecursionError):
        is_same = False
    value = json.loads(good)["signature"]["value"]
    # Of base64, bits of the last digit before the padding say nothing.
    is_same = is_same or (value.encode() not in bad and base64.b64decode(value) in _values(bad))
    assert is_same == (problems(bad) == [])


def _values(octets: bytes) -> list[bytes]:
    try:
        return [base64.b64decode(json.loads(octets)["signature"]["value"], validate=True)]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


def test_the_key_is_made_once_for_us_alone_and_apart_from_the_store(tmp_path: Path) -> None:
    first = load_key(None, tmp_path, makes=True)
    assert (tmp_path / MADE).stat().st_mode & 0o777 == 0o600
    assert load_key(None, tmp_path, makes=True) == first
    assert load_key(f"file:{tmp_path / MADE}", tmp_path / "elsewhere") == first
    with pytest.raises(MoatdnsError, match="cannot be read"):
        load_key(None, tmp_path / "none")
    with pytest.raises(MoatdnsError, match="cannot be read"):
        load_key(f"file:{tmp_path / 'gone'}", tmp_path, makes=True)
    (tmp_path / "bad").write_text("untrusted comment: x\nnonsense\n")
    with pytest.raises(MoatdnsError, match="not a secret key"):
        load_key(f"file:{tmp_path / 'bad'}", tmp_path / "elsewhere")
    (tmp_path / MADE).unlink()
    (tmp_path / MADE).symlink_to(tmp_path / "bad")
    with pytest.raises(MoatdnsError, match="symbolic link"):
        load_key(None, tmp_path)


@pytest.mark.slow
async def test_the_control_process_has_a_child_sign_and_holds_no_key(tmp_path: Path) -> None:
    signer = Signer(None, tmp_path)
    whole = await signer.sign(KIND, CONTENT)
    assert verified(written(whole), KIND, load_key(None, tmp_path).public) == CONTENT
    assert signer.trouble is None
    lost = Signer(f"file:{tmp_path / 'gone'}", tmp_path)
    with pytest.raises(MoatdnsError, match="cannot be read"):
        await lost.sign(KIND, CONTENT)
    assert "not signed" in str(lost.trouble)


def test_a_public_key_is_given_as_its_line_or_as_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key.pub"
    file.write_text(KEY.public.text)
    assert public_key_of(KEY.public.line) == public_key_of(str(file)) == KEY.public
    file.write_text("RWnonsense")
    for bad in (str(file), str(tmp_path / "none"), "RW", ""):
        with pytest.raises(MoatdnsError):
            public_key_of(bad)
