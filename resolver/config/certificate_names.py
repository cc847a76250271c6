"""Names in a client's certificate: the one that says who the client is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier

from resolver.errors import RuleError
from resolver.policy.proved_names import normal_identity

_UPN: Final = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")  # Microsoft's user principal name
_UTF8_STRING: Final = 0x0C
_MOST_NAMES: Final = 100  # of a certificate that are looked at
_WITH_HOST = re.compile(r"[^@:\s]+@[^@:\s]+\Z")  # mail addresses and user principal names; with a colon it were a URI
_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\Z")  # no wildcard: that is nobody's name
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+\Z")


def identity_of(certificate: x509.Certificate) -> str:
    """Its first name that can be an identity: a mail address, else a UPN, else a host name, else a URI; "" for none.

    Each must have its kind's form, so that none imitates another's, and be in NFC, so that it is what a CA saw. The
    subject has no say (RFC 9525 section 2).
    Raises ValueError for extensions that cannot be read.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    for text in _in_order(list(names)[:_MOST_NAMES]):
        try:
            return normal_identity(text)
        except RuleError:
            continue
    return ""


def _in_order(names: list[x509.GeneralName]) -> Iterator[str]:
    """The names of a usable form, kind by kind."""
    mails = [name.value for name in names if isinstance(name, x509.RFC822Name)]
    users = [
        text
        for name in names
        if isinstance(name, x509.OtherName) and name.type_id == _UPN and (text := read_utf8_string(name.value))
    ]
    hosts = [name.value for name in names if isinstance(name, x509.DNSName)]
    uris = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    for form, texts in ((_WITH_HOST, mails), (_WITH_HOST, users), (_HOST, hosts), (_URI, uris)):
        yield from (text for text in texts if form.match(text) and unicodedata.is_normalized("NFC", text))


def read_utf8_string(der: bytes) -> str:
    """The text of a UTF8String in DER (X.690 section 8.1.3); "" for anything else, and for more than 255 octets."""
    if len(der) < 2 or der[0] != _UTF8_STRING:
        return ""
    length, start = der[1], 2
    if length == 0x81 and len(der) > 2:  # one octet of length follows, for 128 and more
        length, start = der[2], 3
        if length < 0x80:
            return ""
    elif length >= 0x80:
        return ""
    if len(der) != start + length:
        return ""
    try:
        return der[start:].decode()
    except UnicodeDecodeError:
        return ""
