"""Certificates of open connections, judged again by time and by what is read anew."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from resolver.config.settings import ClientCertificates
from resolver.errors import ListenError
from resolver.listeners.proofs import Proofs
from tests.support.client_certificates import DAY, ClientAuthority, mail

HOUR = timedelta(hours=1)


class Connection:
    """One that counts how often it is closed, and drained."""

    def __init__(self) -> None:
        self.closed = self.drained = 0

    def close(self) -> None:
        """Note it."""
        self.closed += 1

    def drain(self) -> None:
        """Note it."""
        self.drained += 1


class Office:
    """Proofs with a clock of their own, and the CA that they are judged by."""

    def __init__(self, folder: Path, *, required: bool = False) -> None:
        self.authority = ClientAuthority(folder)
        self.now = datetime.now(UTC)
        self.dropped: Counter[str] = Counter()
        settings = ClientCertificates(str(self.authority.ca), str(self.authority.crl), required)
        self.proofs = Proofs(settings, self.dropped, clock=lambda: self.now)

    def look_in(self, passed: timedelta) -> None:
        """Let time pass, and look."""
        self.now += passed
        self.look()

    def look(self) -> int:
        """Look until nobody is left to be judged; how many turns that takes."""
        turns = 1
        while self.proofs.look():
            turns += 1
        return turns

    def read(self) -> None:
        """Read the files, and judge by them."""
        self.proofs.use(self.proofs.read())

    def name_of(self, connection: Connection, certificate: bytes | None) -> str | None:
        """The client name that is proved; None where it is not admitted."""
        admitted = self.proofs.admit(connection, certificate)
        return None if admitted is None else admitted.name


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """One whose CA has been read."""
    made = Office(tmp_path / "ca")
    made.read()
    return made


def test_nobody_is_admitted_by_a_certificate_before_the_cas_are_read(tmp_path: Path) -> None:
    office = Office(tmp_path / "ca")
    shown = office.authority.issue(mail("a@x.example"))
    assert office.name_of(Connection(), shown.der) is None
    assert office.name_of(Connection(), None) == ""
    office.read()
    assert office.name_of(Connection(), shown.der) == "proved:a@x.example"
    assert office.dropped == {"client_certificate_unknown_ca": 1}


def test_without_a_certificate_or_a_usable_name_in_it_nobody_is_proved(office: Office, tmp_path: Path) -> None:
    assert office.name_of(Connection(), None) == ""
    assert office.name_of(Connection(), office.authority.issue().der) == ""
    strict = Office(tmp_path / "strict", required=True)
    strict.read()
    assert strict.proofs.check_by(strict.proofs.read()).required
    assert strict.name_of(Connection(), None) is None
    assert strict.name_of(Connection(), strict.authority.issue().der) == ""
    assert strict.dropped == {"client_certificate_missing": 1}


def test_a_connection_ends_with_its_certificate_and_the_list_and_not_before(office: Office) -> None:
    first, second = Connection(), Connection()
    office.proofs.admit(first, office.authority.issue(mail("a@x.example"), ends_in=2 * HOUR).der)
    office.proofs.admit(second, office.authority.issue(mail("b@x.example")).der)
    for _ in range(2):
        office.look_in(HOUR - timedelta(minutes=1))
        assert (first.closed, second.closed) == (0, 0)
    office.look_in(HOUR)
    assert (first.closed, second.closed) == (1, 0)
    office.look_in(DAY)
    assert (first.closed, second.closed) == (1, 1)
    assert office.dropped == {"client_certificate_expired": 1, "client_certificate_no_valid_crl": 1}
    office.look_in(40 * DAY)
    assert (first.closed, second.closed) == (1, 1)


def test_a_new_list_in_time_keeps_a_connection(office: Office) -> None:
    connection = Connection()
    office.proofs.admit(connection, office.authority.issue(mail("a@x.example")).der)
    office.authority.write_crl(ends_in=5 * DAY)
    office.read()
    office.look_in(3 * DAY)
    assert connection.closed == 0


def test_what_is_read_anew_ends_connections_that_are_open_and_not_those_that_are_gone(office: Office) -> None:
    kept, revoked, gone = (Connection() for _ in range(3))
    shown = [office.authority.issue(mail(f"{name}@x.example")) for name in "abc"]
    for connection, one in zip((kept, revoked, gone), shown, strict=True):
        office.proofs.admit(connection, one.der)
    office.proofs.release(gone)
    office.authority.write_crl(shown[1:])
    office.look_in(HOUR)
    assert revoked.closed == 0  # nobody has said that there is a new list
    office.read()
    office.look()
    assert (kept.closed, revoked.closed, gone.closed) == (0, 1, 0)
    assert office.dropped == {"client_certificate_revoked": 1}


def test_a_file_that_cannot_be_read_leaves_the_last_good_ones_in_force(office: Office) -> None:
    shown = office.authority.issue(mail("a@x.example"))
    connection = Connection()
    office.proofs.admit(connection, shown.der)
    office.authority.crl.write_bytes(b"no list")
    with pytest.raises(ListenError, match=r"tls\.clients\.crl"):
        office.read()
    office.look_in(HOUR)
    assert connection.closed == 0
    assert office.name_of(Connection(), shown.der) == "proved:a@x.example"
    office.look_in(DAY)
    assert connection.closed == 1


def test_whoever_shows_a_certificate_has_no_name_but_what_it_proves(office: Office) -> None:
    nothing = office.proofs.admit(Connection(), None)
    unnamed = office.proofs.admit(Connection(), office.authority.issue().der)
    assert nothing is not None
    assert unnamed is not None
    assert (nothing.name, nothing.may_claim) == ("", True)
    assert (unnamed.name, unnamed.may_claim) == ("", False)


def test_connections_are_judged_again_a_hundred_a_turn_and_each_once(office: Office) -> None:
    shown, revoked = (office.authority.issue(mail(f"{name}@x.example")) for name in "ab")
    kept, gone = ([Connection() for _ in range(125)] for _ in range(2))
    for one, other in zip(kept, gone, strict=True):
        office.proofs.admit(one, shown.der)
        office.proofs.admit(other, revoked.der)
    office.authority.write_crl([revoked])
    office.read()
    assert office.look() == 3
    assert ({one.closed for one in kept}, {one.closed for one in gone}) == ({0}, {1})
    assert office.dropped == {"client_certificate_revoked": 125}
    office.now += 2 * DAY  # the list is over
    assert office.look() == 2
    assert {one.closed for one in kept} == {1}


def test_one_that_ends_while_others_are_judged_is_judged_no_more(office: Office) -> None:
    shown = office.authority.issue(mail("a@x.example"))
    connections = [Connection() for _ in range(150)]
    for one in connections:
        office.proofs.admit(one, shown.der)
    office.authority.write_crl([shown])
    office.read()
    assert office.proofs.look()
    for one in connections[100:]:
        office.proofs.release(one)
    assert not office.proofs.look()
    assert [one.closed for one in connections] == [1] * 100 + [0] * 50


def test_files_that_have_not_changed_judge_nobody_again(office: Office) -> None:
    first = office.proofs.read()
    office.proofs.use(first)
    assert office.proofs.read() is first
    for _ in range(150):
        office.proofs.admit(Connection(), office.authority.issue(mail("a@x.example")).der)
    office.look()
    office.read()
    assert not office.proofs.look()


def test_connections_that_began_two_readings_ago_are_drained_with_a_certificate_or_without(office: Office) -> None:
    shown = office.authority.issue(mail("a@x.example"))
    begun: list[list[Connection]] = []
    for reading in range(4):
        of_now = [Connection(), Connection(), Connection()]
        office.proofs.admit(of_now[0], None)
        office.proofs.admit(of_now[1], shown.der)
        office.proofs.admit(of_now[2], None)
        office.proofs.release(of_now[2])
        begun.append(of_now)
        office.authority.write_crl(ends_in=(reading + 2) * DAY)
        office.read()
        office.look()
        office.read()  # nothing has changed
        office.look()
    assert [[one.drained for one in of_one] for of_one in begun] == [[1, 1, 0], [1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert {one.closed for of_one in begun for one in of_one} == {0}
