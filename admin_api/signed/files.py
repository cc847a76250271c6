"""Signed files: a JSON object of format, content and signature, and what is wrong with one that was changed.

The signature (Ed25519) is over the format and a digest of each part of the content; of a part that is a list, of each
line. So whoever has the public key sees not only that a file was changed, but where.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from admin_api.signed.canonical import canonical_octets
from blocklists.feed.minisign import PublicKey, SecretKey
from resolver.errors import MoatdnsError

MOST_OCTETS: Final = 256 << 20
"""The largest signed file that is read."""

Content = Mapping[str, Any]
"""The content of a signed file: JSON without fractions."""

Digests = Mapping[str, "str | list[str]"]
"""Digests by part of the content."""

_ALGORITHM: Final = "Ed25519"
_CONTEXT: Final = b"moatdns signed file\n"  # a signature of ours says nothing of any other file
_MEMBERS: Final = {"format", "content", "signature"}
_OF_SIGNATURE: Final = {"algorithm", "key", "fingerprint", "digests", "value"}
_MOST_NAMED = 20  # lines that are told


class NotGenuine(MoatdnsError):
    """A signed file that is not what was signed; `problems` are finished sentences."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


def fingerprint_of(key: PublicKey) -> str:
    """The fingerprint by which people compare a public key: SHA-256 of its 32 octets."""
    return f"SHA256:{hashlib.sha256(key.octets).hexdigest()}"


def signed(kind: str, content: Content, key: SecretKey) -> dict[str, Any]:
    """Sign content of a kind, such as "moatdns evidence 1"; gives the file's JSON. Raises ValueError."""
    digests = digests_of(content)
    return signed_file(kind, content, digests, key.public, signature_value(digest_of(kind, digests), key))


def signed_file(kind: str, content: Content, digests: Digests, key: PublicKey, value: str) -> dict[str, Any]:
    """The file's JSON, with a signature that was made of the digests."""
    return {
        "format": kind,
        "content": content,
        "signature": {
            "algorithm": _ALGORITHM,
            "key": key.line,
            "fingerprint": fingerprint_of(key),
            "digests": digests,
            "value": value,
        },
    }


def digests_of(content: Content) -> Digests:
    """SHA-256 of each part; of a part that is a list, of each line. Raises ValueError as canonical JSON does."""
    return {
        name: [_digest(line) for line in part] if isinstance(part, list) else _digest(part)
        for name, part in content.items()
    }


def digest_of(kind: object, digests: object) -> bytes:
    """The octets that are signed: SHA-256 of the format and all digests, in canonical JSON. Raises ValueError."""
    return hashlib.sha256(canonical_octets([kind, digests])).digest()


def signature_value(digest: bytes, key: SecretKey) -> str:
    """A key's signature of a digest, as base64."""
    return base64.b64encode(key.sign(_CONTEXT + digest)).decode()


def verified(octets: bytes, kind: str, key: PublicKey) -> Content:
    """The content of a signed file of that kind, if nothing of it was changed. Raises NotGenuine with all problems."""
    whole = _read(octets)
    if not isinstance(whole, dict) or set(whole) != _MEMBERS or not isinstance(whole["content"], dict):
        _refuse("it is not a signed file of moatdns: an object of format, content and signature")
    signature = whole["signature"]
    if not isinstance(signature, dict) or set(signature) != _OF_SIGNATURE:
        _refuse("its signature is not one of moatdns, or something was added to it")
    problems = []
    if whole["format"] != kind:
        problems.append(f"its format is {_short(whole['format'])}, and not {kind!r}")
    problems += _wrong_with_signature(whole["format"], signature, key)
    problems += _wrong_with_content(whole["content"], signature["digests"])
    if problems:
        raise NotGenuine(problems)
    content: Content = whole["content"]
    return content


def _wrong_with_signature(kind: object, signature: Mapping[str, Any], key: PublicKey) -> list[str]:
    if signature["key"] != key.line:
        other = f"{_short(signature['fingerprint'])} ({_short(signature['key'])})"
        return [f"another key has signed it: {other}; the one that you gave is {fingerprint_of(key)} ({key.line})"]
    if (signature["algorithm"], signature["fingerprint"]) != (_ALGORITHM, fingerprint_of(key)):
        return ["its signature was changed: algorithm or fingerprint is not that of its key"]
    try:
        value = base64.b64decode(signature["value"], validate=True)
        is_good = key.is_good(value, _CONTEXT + digest_of(kind, signature["digests"]))
    except (binascii.Error, TypeError, ValueError):
        is_good = False
    return (
        [] if is_good else ["its signature is not good: the digests, the format or the signature itself were changed"]
    )


def _wrong_with_content(content: Content, wanted: object) -> list[str]:
    """Parts and lines that are not those whose digests were signed."""
    if not isinstance(wanted, dict):
        return ["its digests are no object"]
    try:
        found = digests_of(content)
    except ValueError as error:
        return [f"its content cannot have been signed: {error}"]
    problems = [f"content.{_plain(name)} is missing: it was cut out" for name in sorted(wanted.keys() - found.keys())]
    problems += [
        f"content.{_plain(name)} was added after it was signed" for name in sorted(found.keys() - wanted.keys())
    ]
    for name in sorted(found.keys() & wanted.keys()):
        problems += _wrong_with_part(name, found[name], wanted[name])
    return problems


def _wrong_with_part(name: str, found: object, wanted: object) -> list[str]:
    if found == wanted:
        return []
    if not isinstance(found, list) or not isinstance(wanted, list):
        return [f"content.{name} was changed"]
    there, signed_ones = set(found), {digest for digest in wanted if isinstance(digest, str)}
    gone = [index for index, digest in enumerate(wanted) if digest not in there]
    new = [index for index, digest in enumerate(found) if digest not in signed_ones]
    changed = sorted(set(gone) & set(new)) if len(found) == len(wanted) else []
    told = [f"content.{name}, line {index + 1} was changed" for index in changed]
    told += [f"content.{name}, line {index + 1} was taken out" for index in gone if index not in changed]
    told += [f"content.{name}, line {index + 1} was added" for index in new if index not in changed]
    if len(told) > _MOST_NAMED:
        told[_MOST_NAMED:] = [f"content.{name}: and {len(told) - _MOST_NAMED} more lines"]
    return told or [f"content.{name}: its lines are in another order, or one is there twice"]


def _digest(value: object) -> str:
    return hashlib.sha256(canonical_octets(value)).hexdigest()


def _read(octets: bytes) -> object:
    if len(octets) > MOST_OCTETS:
        _refuse(f"it has more than {MOST_OCTETS >> 20} MiB")
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(f"line {octets[: error.start].count(10) + 1} is not UTF-8")
    try:
        read = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_number)
        start = len(text) - len(text.lstrip(" \t\r\n"))
        value: object
        value, end = read.raw_decode(text, start)
    except json.JSONDecodeError as error:
        is_cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        _refuse(
            f"it ends in line {error.lineno}, in the middle of its JSON: its end was cut off"
            if is_cut
            else f"line {error.lineno} is no JSON ({error.msg}): it was changed"
        )
    except (ValueError, RecursionError) as error:
        _refuse(f"it is not the JSON that was signed: {error}")
    if text[end:].strip(" \t\r\n"):
        _refuse(f"line {text.count(chr(10), 0, end) + 1} and what follows was appended: the signed file ends before it")
    return value


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose members each come once: of two, readers may take either."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member of an object comes twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _plain(value: object) -> str:
    return str(value)[:100]


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"


def _refuse(why: str) -> NoReturn:
    raise NotGenuine([why])
