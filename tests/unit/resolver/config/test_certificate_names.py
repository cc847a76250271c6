"""The name in a certificate that says who a client is."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from resolver.config.addresses import read_client_name
from resolver.config.certificate_names import identity_of, read_utf8_string
from resolver.errors import RuleError
from resolver.policy.proved_names import PROVED, is_claimable, normal_client_name, normal_identity
from resolver.system.safe_text import refuse_acting
from tests.support.client_certificates import ClientAuthority, mail, upn

URI = x509.UniformResourceIdentifier
DNS = x509.DNSName


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> ClientAuthority:
    """A CA that signs whatever names."""
    return ClientAuthority(tmp_path_factory.mktemp("names"))


@pytest.mark.parametrize(
    ("names", "identity"),
    [
        ((), ""),
        ((mail("Alice@Corp.Example"),), "alice@corp.example"),
        ((DNS("Kiosk-7.Corp.Example"),), "kiosk-7.corp.example"),
        ((URI("SPIFFE://Corp.Example/Ns/Prod"),), "spiffe://corp.example/Ns/Prod"),
        ((URI("URN:uuid:F81D"),), "urn:uuid:F81D"),
        ((upn("Jörg@Firma.Example"),), "jörg@firma.example"),
        # the order of kinds, whatever that in the certificate
        ((URI("a:b"), DNS("d.example"), upn("u@x.example"), mail("m@x.example")), "m@x.example"),
        ((URI("a:b"), DNS("d.example"), upn("u@x.example")), "u@x.example"),
        ((URI("a:b"), DNS("d.example")), "d.example"),
        ((mail("b@x.example"), mail("a@x.example")), "b@x.example"),
        # what cannot be a name of its kind imitates no other kind's, and gives way to the next
        ((DNS("*.corp.example"),), ""),
        ((DNS("alice@corp.example"),), ""),
        ((DNS("proved:alice"),), ""),
        ((upn("kiosk-7"),), ""),
        ((upn("a b@x.example"), DNS("d.example")), "d.example"),
        ((upn("a\u202eb@x.example"), DNS("d.example")), "d.example"),
        ((upn("a" * 199 + "@x"), DNS("d.example")), "d.example"),
        ((mail("urn:a@x.example"), DNS("d.example")), "d.example"),
        ((mail("https://x.example/a@b"), DNS("d.example")), "d.example"),
        ((upn("a@x.example:b"), DNS("d.example")), "d.example"),
        ((URI("urn:a,b"), URI("urn:c")), "urn:c"),
        # what would become another's name: a Kelvin sign is no k, an I with a dot no i, and a name is in NFC
        ((upn("jac\u212a@x.example"), DNS("d.example")), "d.example"),
        ((upn("al\u0130ce@x.example"), DNS("d.example")), "d.example"),
        ((upn("jo\u0308rg@x.example"), DNS("d.example")), "d.example"),
        ((x509.OtherName(ObjectIdentifier("1.2.3"), b"\x0c\x05a@b.c"),), ""),
        ((x509.IPAddress(IPv4Address("192.0.2.1")),), ""),
    ],
)
def test_the_first_usable_name_is_the_identity(
    authority: ClientAuthority, names: tuple[x509.GeneralName, ...], identity: str
) -> None:
    assert identity_of(authority.issue(*names).x509) == identity


@pytest.mark.parametrize("length", [0, 1, 127, 128, 200, 255])
def test_a_text_in_der_is_read_whatever_its_length(length: int) -> None:
    name = upn("x" * length)
    assert isinstance(name, x509.OtherName)
    assert read_utf8_string(name.value) == "x" * length


@given(st.binary(max_size=300))
def test_whatever_is_in_a_name_it_is_read_or_nothing(der: bytes) -> None:
    text = read_utf8_string(der)
    if text:
        octets = text.encode()
        assert der[-len(octets) :] == octets
        assert len(der) - len(octets) == (2 if len(octets) < 128 else 3)


@pytest.mark.slow
@given(st.text(max_size=260))
def test_an_identity_has_one_normal_form_that_is_safe_to_show(text: str) -> None:
    try:
        normal = normal_identity(text)
    except RuleError:
        return
    assert normal_identity(normal) == normal
    assert 0 < len(normal.encode()) <= 200
    assert not any(letter.isspace() for letter in normal)
    refuse_acting(normal)
    assert normal_client_name(f"{PROVED}{text}") == f"{PROVED}{normal}"
    assert "," not in normal
    if normal.isascii():
        assert text.strip().isascii()  # NBSP is stripped, too


@given(st.text(max_size=70))
def test_no_claim_is_a_proof(text: str) -> None:
    assert not is_claimable(PROVED + text)
    if is_claimable(text):
        assert not normal_client_name(text).startswith(PROVED)


def test_a_group_names_proved_names_in_their_normal_form() -> None:
    assert read_client_name(" Proved:Alice@Corp.Example ") == "proved:alice@corp.example"
    assert read_client_name("proved:jo\u0308rg@x.example") == "proved:j\u00f6rg@x.example"  # as some keyboards write it
    assert read_client_name("Kiosk-7") == "kiosk-7"
    for wrong in (
        "alice@corp.example",
        "proved:",
        "proved:a b",
        "proved:a\u200bb",
        "proved:urn:a,b",
        "proved:a@x.example,proved:b@x.example",
        "proved:jac\u212a@x.example",
        f"proved:{'a' * 201}",
        "a.b",
        "\u212a",
    ):
        with pytest.raises(RuleError):
            read_client_name(wrong)
