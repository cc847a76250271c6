"""CAs of clients' certificates and their CRLs, judged one certificate at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from resolver.config.client_authorities import ClientAuthorities, Fault, Proof, read_authorities
from resolver.errors import ListenError
from tests.support.client_certificates import DAY, ClientAuthority, mail, upn

NAME = "alice@corp.example"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def authority(tmp_path: Path) -> ClientAuthority:
    """A CA with a CRL that nobody is on."""
    return ClientAuthority(tmp_path / "one")


def test_a_certificate_is_taken_until_it_or_the_list_ends(authority: ClientAuthority) -> None:
    shown = authority.issue(mail(NAME))
    end = shown.x509.not_valid_after_utc.timestamp()
    assert read_authorities(authority.ca, None).judge(shown.der, now()) == Proof(NAME, end)
    judged = read_authorities(authority.ca, authority.crl).judge(shown.der, now())
    assert isinstance(judged, Proof)
    assert judged.until == pytest.approx((now() + DAY).timestamp(), abs=60)


def test_a_certificate_ends_with_its_ca(tmp_path: Path) -> None:
    authority = ClientAuthority(tmp_path, ends_in=2 * DAY)
    shown = authority.issue(mail(NAME))
    judged = read_authorities(authority.ca, None).judge(shown.der, now())
    assert judged == Proof(NAME, authority.x509.not_valid_after_utc.timestamp())
    assert read_authorities(authority.ca, None).judge(shown.der, now() + 3 * DAY) is Fault.EXPIRED


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_one_on_the_list_is_revoked_whatever_the_form_of_the_list(
    authority: ClientAuthority, encoding: Encoding
) -> None:
    gone, good = authority.issue(mail(NAME)), authority.issue(mail(NAME))
    authority.write_crl([gone], encoding=encoding)
    authorities = read_authorities(authority.ca, authority.crl)
    assert authorities.judge(gone.der, now()) is Fault.REVOKED
    assert isinstance(authorities.judge(good.der, now()), Proof)


def test_the_newest_list_of_a_ca_counts(authority: ClientAuthority) -> None:
    gone = authority.issue(mail(NAME))
    newest, older = authority.crl_of([gone]), authority.crl_of(begins_in=-3 * DAY, ends_in=5 * DAY)
    for order in ((newest, older), (older, newest)):
        authority.crl.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in order))
        assert read_authorities(authority.ca, authority.crl).judge(gone.der, now()) is Fault.REVOKED


@pytest.mark.parametrize(
    ("begins", "ends", "fault"), [(-2 * DAY, -DAY, Fault.EXPIRED), (DAY, 2 * DAY, Fault.NOT_YET_VALID)]
)
def test_before_and_after_its_time_a_certificate_is_refused(
    authority: ClientAuthority, begins: timedelta, ends: timedelta, fault: Fault
) -> None:
    shown = authority.issue(mail(NAME), begins_in=begins, ends_in=ends)
    assert read_authorities(authority.ca, authority.crl).judge(shown.der, now()) is fault


@pytest.mark.parametrize(("begins", "ends"), [(-3 * DAY, -DAY), (DAY, 3 * DAY)])
def test_a_list_whose_time_is_over_or_to_come_refuses_all_of_its_ca(
    authority: ClientAuthority, begins: timedelta, ends: timedelta
) -> None:
    shown = authority.issue(mail(NAME))
    authority.write_crl(begins_in=begins, ends_in=ends)
    authorities = read_authorities(authority.ca, authority.crl)
    assert authorities.judge(shown.der, now()) is Fault.NO_VALID_CRL
    notes = list(authorities.notes(now()))
    assert [("was to be renewed by" in note) for note in notes] == ([True] if ends < timedelta() else [])


def test_of_two_cas_one_without_a_list_is_refused_and_told(tmp_path: Path, authority: ClientAuthority) -> None:
    other = ClientAuthority(tmp_path / "other", "Other")
    both = tmp_path / "both.pem"
    both.write_bytes(authority.ca.read_bytes() + other.ca.read_bytes())
    authorities = read_authorities(both, authority.crl)
    assert isinstance(authorities.judge(authority.issue(mail(NAME)).der, now()), Proof)
    assert authorities.judge(other.issue(mail(NAME)).der, now()) is Fault.NO_VALID_CRL
    assert list(authorities.notes(now())) == [
        "tls.clients.crl: there is no CRL of 'CN=Other': all certificates of this CA are refused"
    ]


def test_of_two_cas_of_one_name_each_has_its_own_certificates_and_list(
    tmp_path: Path, authority: ClientAuthority
) -> None:
    other = ClientAuthority(tmp_path / "other")
    both, crls = tmp_path / "both.pem", tmp_path / "both.crl"
    gone, good = other.issue(mail(NAME)), authority.issue(mail(NAME))
    assert gone.x509.serial_number == good.x509.serial_number
    other.write_crl([gone])
    both.write_bytes(authority.ca.read_bytes() + other.ca.read_bytes())
    crls.write_bytes(other.crl.read_bytes() + authority.crl.read_bytes())
    authorities = read_authorities(both, crls)
    assert authorities.judge(gone.der, now()) is Fault.REVOKED
    assert isinstance(authorities.judge(good.der, now()), Proof)
    assert read_authorities(authority.ca, None).judge(gone.der, now()) is Fault.UNKNOWN_CA


def test_octets_that_are_no_certificate_are_no_proof(authority: ClientAuthority) -> None:
    authorities = read_authorities(authority.ca, None)
    for octets in (b"", b"\x30\x03\x02\x01\x01", authority.issue(mail(NAME)).der[:-1]):
        assert authorities.judge(octets, now()) is Fault.UNUSABLE
    changed = bytearray(authority.issue(mail(NAME)).der)
    changed[-1] ^= 1  # of the signature
    assert authorities.judge(bytes(changed), now()) is Fault.UNKNOWN_CA


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[ClientAuthorities, bytes]:
    """CAs, and a certificate with names of each kind."""
    authority = ClientAuthority(tmp_path_factory.mktemp("any"))
    names = (mail(NAME), upn(NAME), x509.DNSName("x.example"), x509.UniformResourceIdentifier("a:b"))
    return read_authorities(authority.ca, authority.crl), authority.issue(*names).der


@pytest.mark.slow
@given(data=st.data())
def test_whatever_octets_a_certificate_has_it_is_judged(
    judged: tuple[ClientAuthorities, bytes], data: st.DataObject
) -> None:
    authorities, der = judged
    octets = bytearray(der)
    for place, octet in data.draw(
        st.dictionaries(st.integers(0, len(der) - 1), st.integers(0, 255), max_size=8)
    ).items():
        octets[place] = octet
    verdict = authorities.judge(bytes(octets), now())
    assert isinstance(verdict, Fault) or octets == der


def test_an_issuer_whose_name_has_a_wrong_form_is_no_trouble(judged: tuple[ClientAuthorities, bytes]) -> None:
    authorities, der = judged
    name = der.index(b"\x0c", der.index(b"\x55\x04\x03"))  # UTF8String, behind commonName
    assert authorities.judge(der[:name] + b"\x03" + der[name + 1 :], now()) is Fault.UNUSABLE  # BIT STRING


def test_a_ca_that_ends_soon_is_told(tmp_path: Path) -> None:
    authority = ClientAuthority(tmp_path, ends_in=3 * DAY)
    authorities = read_authorities(authority.ca, None)
    [note] = authorities.notes(now())
    assert note.startswith("tls.clients.ca: the CA 'CN=Clients of corp.example' ends at ")
    assert authorities.first_end == authority.x509.not_valid_after_utc


def test_what_is_wrong_with_a_file_is_said_with_its_key(tmp_path: Path, authority: ClientAuthority) -> None:
    def why(ca: Path, crl: Path | None = None) -> str:
        with pytest.raises(ListenError) as caught:
            read_authorities(ca, crl)
        return str(caught.value)

    text, large = tmp_path / "text", tmp_path / "large"
    text.write_text("nothing")
    large.write_bytes(bytes((1 << 20) + 1))
    other = ClientAuthority(tmp_path / "other", "Other")
    impostor = ClientAuthority(tmp_path / "impostor")
    missing = tmp_path / "none"
    assert why(missing) == f"tls.clients.ca: {missing} cannot be read: No such file or directory"
    assert why(text).startswith(f"tls.clients.ca: {text} contains no certificates in PEM form")
    assert why(large) == f"tls.clients.ca: {large} is too large: at most 1 MiB"
    leaf = authority.issue(mail(NAME)).certificate
    assert "is no CA's" in why(leaf)
    assert why(authority.ca, missing).startswith(f"tls.clients.crl: {missing} cannot be read")
    assert why(authority.ca, text).startswith(f"tls.clients.crl: {text} is no CRL in PEM or DER form")
    assert why(authority.ca, authority.ca) == f"tls.clients.crl: {authority.ca} contains no CRL in PEM form"
    assert "'CN=Other', which is no CA in tls.clients.ca" in why(authority.ca, other.crl)
    assert "but with the key of another CA" in why(authority.ca, impostor.crl)


def test_a_list_that_does_not_speak_for_all_certificates_is_refused(authority: ClientAuthority) -> None:
    scope = x509.IssuingDistributionPoint(
        full_name=None,
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=True,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
    for extension, what in ((x509.DeltaCRLIndicator(1), "a delta CRL"), (scope, "a part of a CRL")):
        made = authority.crl_of(extensions=[extension])
        authority.crl.write_bytes(made.public_bytes(Encoding.PEM))
        with pytest.raises(ListenError, match=f"is {what}: name the full one"):
            read_authorities(authority.ca, authority.crl)
