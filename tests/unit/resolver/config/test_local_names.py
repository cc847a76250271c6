"""The keys local, local_files and local_ttl_seconds: what is taken, and what is wrong with the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.config import local_files
from resolver.config.local_files import read_local_names
from resolver.config.notes import config_notes
from resolver.config.to_settings import worker_settings
from resolver.errors import ConfigError
from resolver.wire.local_records import LocalRecord
from tests.unit.resolver.config.conftest import Load, Problems

HOSTS = """\
# the office
127.0.0.1 localhost localhost.localdomain
::1       localhost
192.0.2.7 printer.office.example printer  # second floor
2001:db8::7 Printer.Office.Example.

192.0.2.9\tnas.office.example
"""


def test_names_of_the_key_and_of_hosts_files_are_settings_of_workers(load: Load, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(HOSTS)
    config = load(
        "local_files: [hosts]\nlocal_ttl_seconds: 60\nlocal:\n  '*.Lab.office.example': ['10.0.0.1', '10.0.0.1']\n"
        "  intra.office.example: [Printer.office.example.]\n  nas.office.example: ['2001:DB8::9']\n"
    )
    settings = worker_settings(config, workers=1, system_servers=[])
    at = tmp_path / "hosts"
    assert settings.local_ttl_seconds == 60
    assert settings.local == (
        LocalRecord("*.lab.office.example", addresses=("10.0.0.1",), origin="local"),
        LocalRecord("intra.office.example", alias="printer.office.example", origin="local"),
        LocalRecord("nas.office.example", addresses=("2001:db8::9",), origin="local"),  # the file's does not count
        LocalRecord("printer.office.example", addresses=("192.0.2.7", "2001:db8::7"), origin=f"{at}:4"),
        LocalRecord("printer", addresses=("192.0.2.7",), origin=f"{at}:4"),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a.example: []", "has no address and no name: write them as in ['192.0.2.7'], or remove it"),
        ("a.example: '192.0.2.7'", "should be a list, as in [one, two], is '192.0.2.7'"),
        ("a.example: ['192.0.2.7', b.example]", "should be addresses, or exactly one name (which it then stands for)"),
        ("a.example: [b.example, c.example]", "should be addresses, or exactly one name (which it then stands for)"),
        ("a.example: ['192.0.2.300']", "'192.0.2.300' is not an IP address"),
        ("a.example: ['fe80::1%eth0']", "'fe80::1%eth0' is an address on one link of one host: leave it out"),
        ("a.example: ['b c']", "'b c' is not a domain name: a label is letters, digits, '-' and '_'"),
        ("'a.*.example': ['192.0.2.7']", "'a.*.example' is not a domain name: a label is letters, digits, '-' and"),
        ("'*.': ['192.0.2.7']", "'' is not a domain name: it has no label"),
        ("'*.com': ['192.0.2.7']", "'*.com' would take the names of everybody below com: write your own domain"),
        ("'192.0.2.7': [a.example]", "'192.0.2.7' is an address, where a name is due"),
        ("x.localhost: ['192.0.2.7']", "'x.localhost' is a special name, which means the same everywhere: choose"),
        ("x.onion: ['192.0.2.7']", "'x.onion' is a special name, which means the same everywhere: choose another"),
        ("7.2.0.192.in-addr.arpa: [a.example]", "'7.2.0.192.in-addr.arpa' is a reverse name, or a special one"),
        ("_dns.resolver.arpa: ['192.0.2.7']", "'_dns.resolver.arpa' is a reverse name, or a special one"),
        ("a.example: [a.example]", "leads to itself: a.example → a.example: let one have an address"),
        ("'*.a.example': [x.a.example]", "leads to itself: *.a.example → *.a.example: let one have an address"),
    ],
)
def test_what_is_no_local_name_is_told_by_its_line(text: str, problem: str, problems: Problems) -> None:
    (line,) = problems(f"workers: 1\nlocal:\n  {text}\n")
    place, _, said = line.partition(" local.")
    assert place == "3:"
    assert said.partition(": ")[2].startswith(problem), line


def test_one_name_stands_once_however_it_is_written(problems: Problems) -> None:
    (line,) = problems("local:\n  a.example: ['192.0.2.7']\n  A.example.: ['192.0.2.8']\n")
    assert line == "3: local.'A.example.': is 'a.example', which is already listed: keep one"


def test_aliases_in_a_circle_and_too_long_ones_are_refused(problems: Problems) -> None:
    found = problems("local:\n  a.example: [b.example]\n  b.example: [c.example]\n  c.example: [a.example]\n")
    assert found[0].startswith("2: local.'a.example': leads to itself: a.example → b.example → c.example → a.example")
    assert len(found) == 3
    chain = "".join(f"  n{at}.example: [n{at + 1}.example]\n" for at in range(9))
    (line,) = problems(f"local:\n{chain}  n9.example: ['192.0.2.1']\n")
    assert line == ("2: local.'n0.example': leads on by more than 8 names: let it stand for the last of them")
    assert not problems("local: {home.arpa: ['192.0.2.1'], dev.test: ['192.0.2.2'], out.example: [www.example.net]}")


def test_a_wildcard_below_what_is_everybodys_own_takes_nothing_of_others(problems: Problems) -> None:
    own = ("home.arpa", "test", "internal", "lab.home.arpa")
    assert not problems("local: {" + ", ".join(f"'*.{name}': ['192.0.2.1']" for name in own) + "}")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("192.0.2.7", "'192.0.2.7' has no name: write 'ADDRESS NAME [ALIAS…]'"),
        ("printer 192.0.2.7", "'printer' is not an IP address"),
        ("192.0.2.7 a..b", "'a..b' has an empty label: write one dot between labels"),
        ("192.0.2.7 *.office.example", "'*.office.example' is not a domain name"),
    ],
)
def test_a_bad_line_of_a_hosts_file_is_told_with_file_and_line(
    line: str, problem: str, load: Load, tmp_path: Path
) -> None:
    path = tmp_path / "hosts"
    path.write_text(f"# one\n{line}\n192.0.2.1 good.example\n")
    with pytest.raises(ConfigError) as caught:
        load("local_files: [hosts]")
    (told,) = caught.value.problems
    assert told.startswith(f"{path}:2: {problem}")


def test_addresses_of_this_machine_alone_are_left_out_of_hosts_files_and_noted(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text(
        "127.0.0.1 localhost\n127.0.1.1 server.office.example server\n::1 ip6-localhost ip6-loopback\n"
        "fe00::0 ip6-localnet\nff02::1 ip6-allnodes\n0.0.0.0 ads.example\n255.255.255.255 broadcasthost\n"
        "::ffff:127.0.0.1 mapped.example\n192.0.2.7 printer.office.example\n"
    )
    config = load("local_files: [hosts]\nlocal: {shut.example: ['0.0.0.0']}")
    assert [record.name for record in config.local_names.records] == ["shut.example", "printer.office.example"]
    notes = [note for note in config_notes(config) if note.startswith("local_files")]
    assert notes == [
        f"local_files: 7 lines of {path} are left out, since loopback, multicast, broadcast and unspecified addresses "
        "are no hosts of your network; to block names, use a list"
    ]
    path.write_text("192.0.2.7 printer.office.example\n")
    assert not [note for note in config_notes(load("local_files: [hosts]")) if note.startswith("local_files")]


def test_a_hosts_file_that_is_none_is_told_in_a_few_lines(load: Load, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_bytes(b"\xff\xfe\n" * 1000)
    with pytest.raises(ConfigError) as caught:
        load("local_files: [hosts, missing]")
    *lines, more, missing = caught.value.problems
    assert lines[0].endswith("hosts:1: this line is not UTF-8")
    assert (len(lines), more.endswith("hosts: and more: is it a hosts file?")) == (20, True)
    assert missing.startswith(f"{tmp_path / 'moatdns.yaml'}:1: local_files: '")
    assert missing.endswith("cannot be read: No such file or directory")


def test_files_lines_names_and_addresses_are_bounded(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hosts"
    path.write_text("".join(f"192.0.2.{at} a.example\n" for at in range(65)))
    with pytest.raises(ConfigError, match=r"hosts:65: a\.example has more than 64 addresses"):
        load("local_files: [hosts]")
    path.write_text("192.0.2.1 a.example\n" * 4)
    for bound, value, why in (
        ("MOST_FILE_BYTES", 40, "is larger than"),
        ("MOST_LINES", 3, "has 4 lines: at most 3"),
        ("MOST_NAMES", 0, "1 local names in all: at most 0"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(local_files, bound, value)
            with pytest.raises(ConfigError, match=why):
                load("local_files: [hosts]")


@given(st.binary(max_size=200))
def test_any_octets_are_names_or_a_mistake(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "hosts").write_bytes(content)
        try:
            names = read_local_names({}, (Path("hosts"),), Path(folder))
        except ConfigError as error:
            assert all(str(Path(folder) / "hosts") in problem for problem in error.problems)
        else:
            assert all(record.addresses for record in names.records)
