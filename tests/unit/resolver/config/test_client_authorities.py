"""CAs of clients' certificates and their CRLs, judged one certificate at a time."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from resolver.config.client_authorities import ClientAuthorities, Fault, Proof
from resolver.config.client_authority_files import AuthorityFiles, read_authorities
from resolver.errors import ListenError
from tests.support.client_certificates import DAY, ClientAuthority, joined, judged, mail, upn

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
    assert judged(read_authorities(authority.ca, None), shown.der) == Proof(NAME, end)
    proof = judged(read_authorities(authority.ca, authority.crl), shown.der)
    assert isinstance(proof, Proof)
    assert proof.until == pytest.approx((now() + DAY).timestamp(), abs=60)


def test_a_certificate_ends_with_its_ca(tmp_path: Path) -> None:
    authority = ClientAuthority(tmp_path, ends_in=2 * DAY)
    shown = authority.issue(mail(NAME))
    proof = judged(read_authorities(authority.ca, None), shown.der)
    assert proof == Proof(NAME, authority.x509.not_valid_after_utc.timestamp())
    assert judged(read_authorities(authority.ca, None), shown.der, now() + 3 * DAY) is Fault.EXPIRED


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_one_on_the_list_is_revoked_whatever_the_form_of_the_list(
    authority: ClientAuthority, encoding: Encoding
) -> None:
    gone, good = authority.issue(mail(NAME)), authority.issue(mail(NAME))
    authority.write_crl([gone], encoding=encoding)
    authorities = read_authorities(authority.ca, authority.crl)
    assert judged(authorities, gone.der) is Fault.REVOKED
    assert isinstance(judged(authorities, good.der), Proof)


def test_the_newest_list_of_a_ca_counts(authority: ClientAuthority) -> None:
    gone = authority.issue(mail(NAME))
    newest, older = authority.crl_of([gone]), authority.crl_of(begins_in=-3 * DAY, ends_in=5 * DAY)
    for order in ((newest, older), (older, newest)):
        authority.crl.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in order))
        assert judged(read_authorities(authority.ca, authority.crl), gone.der) is Fault.REVOKED


@pytest.mark.parametrize(
    ("begins", "ends", "fault"), [(-2 * DAY, -DAY, Fault.EXPIRED), (DAY, 2 * DAY, Fault.NOT_YET_VALID)]
)
def test_before_and_after_its_time_a_certificate_is_refused(
    authority: ClientAuthority, begins: timedelta, ends: timedelta, fault: Fault
) -> None:
    shown = authority.issue(mail(NAME), begins_in=begins, ends_in=ends)
    assert judged(read_authorities(authority.ca, authority.crl), shown.der) is fault


@pytest.mark.parametrize(("begins", "ends"), [(-3 * DAY, -DAY), (DAY, 3 * DAY)])
def test_a_list_whose_time_is_over_or_to_come_refuses_all_of_its_ca(
    authority: ClientAuthority, begins: timedelta, ends: timedelta
) -> None:
    shown = authority.issue(mail(NAME))
    authority.write_crl(begins_in=begins, ends_in=ends)
    authorities = read_authorities(authority.ca, authority.crl)
    assert judged(authorities, shown.der) is Fault.NO_VALID_CRL
    [note] = authorities.notes(now())
    assert ("was to be renewed by" if ends < timedelta() else "only: client certificates of this CA are") in note
    assert [trouble.text for trouble in authorities.troubles if trouble.is_there(now())] == [note]
    [then] = [trouble for trouble in authorities.troubles if trouble.text == note]
    assert not then.is_there(now() + (-2 * DAY if ends < timedelta() else 2 * DAY))


@pytest.mark.parametrize("has_list", [True, False])
def test_of_a_ca_that_is_over_no_list_is_missed(tmp_path: Path, authority: ClientAuthority, has_list: bool) -> None:
    old = ClientAuthority(tmp_path / "old", "Old", ends_in=-DAY)
    old.write_crl(begins_in=-5 * DAY, ends_in=-2 * DAY)
    lists = (authority.crl, old.crl) if has_list else (authority.crl,)
    ca = joined(tmp_path / "ca.pem", authority.ca, old.ca)
    authorities = read_authorities(ca, joined(tmp_path / "crl.pem", *lists))
    of_old = [trouble for trouble in authorities.troubles if "'CN=Old'" in trouble.text]
    assert not any(trouble.is_there(now()) for trouble in authorities.troubles)
    assert [trouble.is_there(now() - DAY - timedelta(hours=1)) for trouble in of_old].count(True) == 1


def test_of_two_cas_one_without_a_list_is_refused_and_told(tmp_path: Path, authority: ClientAuthority) -> None:
    other = ClientAuthority(tmp_path / "other", "Other")
    authorities = read_authorities(joined(tmp_path / "both.pem", authority.ca, other.ca), authority.crl)
    assert isinstance(judged(authorities, authority.issue(mail(NAME)).der), Proof)
    assert judged(authorities, other.issue(mail(NAME)).der) is Fault.NO_VALID_CRL
    assert list(authorities.notes(now())) == [
        "tls.clients.crl: there is no CRL of 'CN=Other': client certificates of this CA are refused"
    ]
    [trouble] = [one.text for one in authorities.troubles if one.is_there(now())]
    assert [trouble] == list(authorities.notes(now()))


def test_of_two_cas_of_one_name_each_has_its_own_certificates_and_list(
    tmp_path: Path, authority: ClientAuthority
) -> None:
    other = ClientAuthority(tmp_path / "other")
    gone, good = other.issue(mail(NAME)), authority.issue(mail(NAME))
    assert gone.x509.serial_number == good.x509.serial_number
    other.write_crl([gone])
    both = joined(tmp_path / "both.pem", authority.ca, other.ca)
    authorities = read_authorities(both, joined(tmp_path / "both.crl", other.crl, authority.crl))
    assert judged(authorities, gone.der) is Fault.REVOKED
    assert isinstance(judged(authorities, good.der), Proof)
    assert judged(read_authorities(authority.ca, None), gone.der) is Fault.UNKNOWN_CA


@pytest.mark.parametrize("old_is_first", [True, False])
@pytest.mark.parametrize("old_ends_in", [-DAY, 2 * DAY])
@pytest.mark.parametrize("list_is_by_new", [True, False])
def test_a_ca_that_is_renewed_with_its_key_is_one_ca_whatever_the_order(
    tmp_path: Path, old_is_first: bool, old_ends_in: timedelta, list_is_by_new: bool
) -> None:
    old = ClientAuthority(tmp_path / "old", ends_in=old_ends_in)
    new = ClientAuthority(tmp_path / "new", begins_in=-2 * DAY, key_of=old)
    of_old, of_new, gone = old.issue(mail(NAME)), new.issue(mail("b@corp.example")), old.issue(mail(NAME))
    by = new if list_is_by_new else old
    by.write_crl([gone], ends_in=20 * DAY)
    files = (old.ca, new.ca) if old_is_first else (new.ca, old.ca)
    authorities = read_authorities(joined(tmp_path / "both.pem", *files), by.crl)
    for shown, name in ((of_old, NAME), (of_new, "b@corp.example")):
        proof = judged(authorities, shown.der)
        assert isinstance(proof, Proof)
        assert proof.identity == name
        assert proof.until == pytest.approx((now() + 20 * DAY).timestamp(), abs=60)
    assert judged(authorities, gone.der) is Fault.REVOKED
    assert list(authorities.notes(now())) == []
    assert authorities.first_end == new.x509.not_valid_after_utc


def test_a_ca_whose_certificates_are_over_or_to_come_is_not_taken(tmp_path: Path) -> None:
    over, to_come = (DAY * days for days in (-3, 3))
    old = ClientAuthority(tmp_path / "old", ends_in=over)
    new = ClientAuthority(tmp_path / "new", begins_in=to_come, key_of=old)
    shown = old.issue(mail(NAME))
    assert judged(read_authorities(old.ca, None), shown.der) is Fault.EXPIRED
    assert judged(read_authorities(new.ca, None), shown.der) is Fault.NOT_YET_VALID
    both = read_authorities(joined(tmp_path / "both.pem", old.ca, new.ca), None)
    assert judged(both, shown.der) is Fault.NOT_YET_VALID
    assert isinstance(judged(both, shown.der, now() + 4 * DAY), Proof)


def test_a_certificate_that_was_read_is_judged_by_other_cas_and_lists(tmp_path: Path) -> None:
    old, other = ClientAuthority(tmp_path / "old"), ClientAuthority(tmp_path / "other")
    certificate = old.issue(mail(NAME))
    shown = read_authorities(old.ca, None).read(certificate.der)
    assert not isinstance(shown, Fault)
    new = ClientAuthority(tmp_path / "new", key_of=old)
    assert isinstance(read_authorities(new.ca, new.crl).judge(shown, now()), Proof)
    new.write_crl([certificate])
    assert read_authorities(new.ca, new.crl).judge(shown, now()) is Fault.REVOKED
    assert read_authorities(other.ca, other.crl).judge(shown, now()) is Fault.UNKNOWN_CA


def test_cas_of_one_name_and_several_keys_are_told_with_what_tls_cannot_tell_apart(tmp_path: Path) -> None:
    one, other = ClientAuthority(tmp_path / "one"), ClientAuthority(tmp_path / "other")
    bare = ClientAuthority(tmp_path / "bare", has_identifiers=False)

    def notes(*cas: ClientAuthority) -> list[str]:
        ca = joined(tmp_path / "ca", *(each.ca for each in cas))
        return list(read_authorities(ca, joined(tmp_path / "crl", *(each.crl for each in cas))).notes(now()))

    keys = [x509.SubjectKeyIdentifier.from_public_key(each.x509.public_key()).digest for each in (one, other, bare)]
    names = [f"'CN=Clients of corp.example' (key {key[:4].hex(':').upper()}…)" for key in keys]
    [note] = notes(one, other)
    assert note.startswith(f"tls.clients.ca: {names[0]} and {names[1]} are called the same: TLS may refuse")
    _, no_subject_key, no_authority_key = notes(one, bare)
    assert no_subject_key.startswith(f"tls.clients.ca: the CA {names[2]} has no subjectKeyIdentifier")
    assert no_authority_key.startswith(f"tls.clients.crl: the CRL of {names[2]} has no authorityKeyIdentifier")
    assert notes(one) == notes(bare) == []


def test_a_ca_that_may_not_sign_certificates_or_lists_is_refused(tmp_path: Path) -> None:
    no_certificates = ClientAuthority(tmp_path / "one", signs_certificates=False)
    no_crls = ClientAuthority(tmp_path / "two", signs_crls=False)
    with pytest.raises(ListenError, match=r"may sign no certificates .keyUsage keyCertSign"):
        read_authorities(no_certificates.ca, None)
    with pytest.raises(ListenError, match=r"tls\.clients\.crl: .* may sign no CRLs .keyUsage cRLSign"):
        read_authorities(no_crls.ca, no_crls.crl)
    assert isinstance(judged(read_authorities(no_crls.ca, None), no_crls.issue(mail(NAME)).der), Proof)


def test_files_are_made_sense_of_again_only_when_they_have_changed(authority: ClientAuthority) -> None:
    files = AuthorityFiles(authority.ca, authority.crl)
    first = files.read()
    assert files.read() is first
    authority.write_crl(ends_in=3 * DAY)
    second = files.read()
    assert second is not first
    authority.crl.write_bytes(b"no list")
    for _ in range(2):
        with pytest.raises(ListenError, match=r"tls\.clients\.crl"):
            files.read()
    authority.write_crl()
    assert files.read() is not second


def test_octets_that_are_no_certificate_are_no_proof(authority: ClientAuthority) -> None:
    authorities = read_authorities(authority.ca, None)
    for octets in (b"", b"\x30\x03\x02\x01\x01", authority.issue(mail(NAME)).der[:-1]):
        assert judged(authorities, octets) is Fault.UNUSABLE
    changed = bytearray(authority.issue(mail(NAME)).der)
    changed[-1] ^= 1  # of the signature
    assert judged(authorities, bytes(changed)) is Fault.UNKNOWN_CA


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[ClientAuthorities, bytes]:
    """CAs, and a certificate with names of each kind."""
    authority = ClientAuthority(tmp_path_factory.mktemp("any"))
    names = (mail(NAME), upn(NAME), x509.DNSName("x.example"), x509.UniformResourceIdentifier("a:b"))
    return read_authorities(authority.ca, authority.crl), authority.issue(*names).der


def changed_in_places(data: st.DataObject, der: bytes) -> bytes:
    """Octets, some of them other ones."""
    octets = bytearray(der)
    for place, octet in data.draw(
        st.dictionaries(st.integers(0, len(der) - 1), st.integers(0, 255), max_size=8)
    ).items():
        octets[place] = octet
    return bytes(octets)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # serial numbers below 1
@given(data=st.data())
def test_whatever_octets_a_certificate_has_it_is_judged(
    sample: tuple[ClientAuthorities, bytes], data: st.DataObject
) -> None:
    authorities, der = sample
    octets = changed_in_places(data, der)
    assert isinstance(judged(authorities, octets), Fault) or octets == der


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[ClientAuthority, bytes, bytes]:
    """A CA with a place for files, and what is in them: a CA and a CRL as DER."""
    authority = ClientAuthority(tmp_path_factory.mktemp("files"))
    crl = authority.crl_of([authority.issue(), authority.issue()])
    return authority, authority.x509.public_bytes(Encoding.DER), crl.public_bytes(Encoding.DER)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # serial numbers below 1
@given(data=st.data())
def test_whatever_octets_files_have_they_are_used_or_refused(
    files: tuple[ClientAuthority, bytes, bytes], data: st.DataObject
) -> None:
    authority, ca, crl = files
    of_ca, of_crl = data.draw(st.sampled_from([(True, False), (False, True)]))
    ca = changed_in_places(data, ca) if of_ca else ca
    pem = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(ca).decode()}\n-----END CERTIFICATE-----\n"
    authority.ca.write_text(pem)
    authority.crl.write_bytes(changed_in_places(data, crl) if of_crl else crl)
    try:
        authorities = read_authorities(authority.ca, authority.crl if of_crl else None)
    except ListenError as error:
        assert str(error).startswith(("tls.clients.ca: ", "tls.clients.crl: "))
        return
    for text in authorities.notes(now()):
        assert text.startswith(("tls.clients.ca: ", "tls.clients.crl: "))


def test_an_issuer_whose_name_has_a_wrong_form_is_no_trouble(sample: tuple[ClientAuthorities, bytes]) -> None:
    authorities, der = sample
    name = der.index(b"\x0c", der.index(b"\x55\x04\x03"))  # UTF8String, behind commonName
    assert judged(authorities, der[:name] + b"\x03" + der[name + 1 :]) is Fault.UNUSABLE  # BIT STRING


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


@pytest.mark.parametrize(
    ("scope", "why"),
    [
        ({"only_contains_ca_certs": True}, "for CAs"),
        ({"only_contains_attribute_certs": True}, "for attributes"),
        ({"indirect_crl": True}, "indirect"),
        ({"only_some_reasons": frozenset({x509.ReasonFlags.key_compromise})}, "for some reasons"),
        (
            {"full_name": [x509.UniformResourceIdentifier("http://corp.example/part-7.crl")]},
            "for one distribution point",
        ),
        ({"only_contains_user_certs": True}, ""),
    ],
)
def test_a_list_that_does_not_speak_for_all_certificates_is_refused(
    authority: ClientAuthority, scope: dict[str, Any], why: str
) -> None:
    nothing: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    made = authority.crl_of(extensions=[x509.IssuingDistributionPoint(**{**nothing, **scope})])
    authority.crl.write_bytes(made.public_bytes(Encoding.PEM))
    if not why:
        assert isinstance(judged(read_authorities(authority.ca, authority.crl), authority.issue().der), Proof)
        return
    with pytest.raises(ListenError, match=rf"is a part of a CRL \({why}\): name a full one"):
        read_authorities(authority.ca, authority.crl)


@pytest.mark.parametrize(
    ("extension", "why"),
    [
        (x509.DeltaCRLIndicator(1), "is a delta CRL: name the full one"),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"), "that is unknown: 1.2.3"),
    ],
)
def test_a_list_that_may_mean_something_else_is_refused(
    authority: ClientAuthority, extension: x509.ExtensionType, why: str
) -> None:
    authority.crl.write_bytes(authority.crl_of(extensions=[extension]).public_bytes(Encoding.PEM))
    with pytest.raises(ListenError, match=why):
        read_authorities(authority.ca, authority.crl)
