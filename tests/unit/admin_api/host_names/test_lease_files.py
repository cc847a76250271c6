"""Hosts files and lease files of DHCP servers: which names they give, which lines are passed over, on any octets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.host_names.dhcpd import read_dhcpd
from admin_api.host_names.dnsmasq import read_dnsmasq
from admin_api.host_names.files import DHCP, HOSTS, HostFile, HostFileError
from admin_api.host_names.found import FoundNames, HostName
from admin_api.host_names.hosts import read_hosts
from admin_api.host_names.kea import read_kea

HOSTS_FILE = b"""\
127.0.0.1 localhost
192.0.2.7 printer.office.example printer  # second floor
192.0.2.7 other.office.example
192.0.2.300 wrong.office.example
2001:DB8::7 Printer.Office.Example.
"""
DNSMASQ = b"""\
1795730400 02:00:5e:00:53:01 192.0.2.20 laptop 01:02:00:5e:00:53:01
0 06-02:00:5e:00:53:02 192.0.2.21 camera *
1795730400 02:00:5e:00:53:03 192.0.2.22 * *
86400 02:00:5e:00:53:04 192.0.2.23 router
duid 00:01:00:01:2d:00:00:00:02:00:5e:00:53:00
1795730400 T1234 2001:db8::20 laptop 00:01:00:01:2d:00:00:00:02:00:5e:00:53:01
what is this
"""
DHCPD = rb"""
# The format of this file is documented in the dhcpd.leases(5) manual page.
authoring-byte-order little-endian;
server-duid "\000\001\000\001)\352";

lease 192.0.2.30 {
  starts 4 2026/11/26 10:00:00;
  ends 4 2026/11/26 22:00:00;
  binding state active;
  next binding state free;
  hardware ethernet 02:00:5e:00:53:01;
  uid "\001\002\000^\000S\001 } \" {";
  client-hostname "old-name";
}
lease 192.0.2.30 {
  ends 4 2026/11/26 22:00:00;
  binding state active;
  set ddns-fwd-name = "laptop.corp.example.";
  client-hostname "laptop";
}
lease 192.0.2.31 {
  ends never;
  binding state active;
  client-hostname "B\303\274ro \"2\"";
  on expiry { if exists agent.circuit-id { set x = "}"; } }
}
lease 192.0.2.32 {
  ends epoch 1795730400; # Thu Nov 26 22:00:00 2026
  binding state active;
  client-hostname "phone";
}
lease 192.0.2.33 {
  binding state active;
  client-hostname "gone";
}
lease 192.0.2.33 {
  binding state free;
  client-hostname "gone";
}
ia-na "\001\000\000\000" {
  cltt 4 2026/11/26 10:00:00;
  iaaddr 2001:db8::30 {
    binding state active;
    ends 4 2026/11/26 22:00:00;
    set ddns-fwd-name = "laptop6.corp.example";
  }
}
lease 192.0.2.34 {
  ends 4 yesterday;
  client-hostname "late";
}
"""
KEA_HEAD = (
    b"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n"
)
KEA = KEA_HEAD + (
    b"192.0.2.40,02:00:5e:00:53:01,01:02,3600,1795726800,1,0,0,old-name,0,,0\n"
    b"192.0.2.40,02:00:5e:00:53:01,01:02,3600,1795730400,1,1,1,laptop.corp.example.,0,,0\n"
    b"192.0.2.41,02:00:5e:00:53:02,,4294967295,1795730400,1,0,0,a&#x2cb,0,,0\n"
    b"192.0.2.42,02:00:5e:00:53:03,,3600,1795730400,1,0,0,given-back,0,,0\n"
    b"192.0.2.42,02:00:5e:00:53:03,,0,1795726900,1,0,0,given-back,0,,0\n"
    b"192.0.2.43,,,86400,1795730400,1,0,0,declined,1,,0\n"
    b"192.0.2.44,cut off\n"
)
KEA6 = (
    b"address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,"
    b"hwaddr,state,user_context,hwtype,hwaddr_source,pool_id\n"
    b"2001:db8::40,00:03,3600,1795730400,1,1800,0,7,128,1,1,laptop.corp.example.,,0,,,,0\n"
    b"2001:db8:1::,00:03,3600,1795730400,1,1800,2,7,56,0,0,router,,0,,,,0\n"
)
END = 1795730400.0  # 2026-11-26 22:00 UTC
FORMATS = {
    "hosts": (
        read_hosts,
        HOSTS_FILE,
        {"192.0.2.7": HostName("printer.office.example"), "2001:db8::7": HostName("printer.office.example")},
        1,
        "line 4: '192.0.2.300' is not an IP address",
    ),
    "dnsmasq": (
        read_dnsmasq,
        DNSMASQ,
        {
            "192.0.2.20": HostName("laptop", END),
            "192.0.2.21": HostName("camera"),
            "192.0.2.23": HostName("router"),
            "2001:db8::20": HostName("laptop", END),
        },
        1,
        "line 7: is not 'EXPIRY HARDWARE ADDRESS NAME CLIENT-ID', as dnsmasq writes leases",
    ),
    "dhcpd": (
        read_dhcpd,
        DHCPD,
        {
            "192.0.2.30": HostName("laptop.corp.example", END),
            "192.0.2.31": HostName('Büro "2"'),
            "192.0.2.32": HostName("phone", END),
            "2001:db8::30": HostName("laptop6.corp.example", END),
        },
        1,
        "line 48: its end '4 yesterday' is no time",
    ),
    "kea": (
        read_kea,
        KEA,
        {"192.0.2.40": HostName("laptop.corp.example", END), "192.0.2.41": HostName("a,b")},
        1,
        "line 8: has 2 columns, and the first line 12",
    ),
    "kea-6": (read_kea, KEA6, {"2001:db8::40": HostName("laptop.corp.example", END)}, 0, None),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_gives_the_names_of_addresses_in_use_with_their_ends_and_tells_of_bad_lines(kind: str) -> None:
    read, content, names, passed_over, first = FORMATS[kind]
    found = FoundNames(100)
    read(content, found)
    assert found.names == names
    assert (found.passed_over, found.first) == (passed_over, first)


@pytest.mark.parametrize("kind", FORMATS)
def test_line_breaks_of_windows_change_nothing(kind: str) -> None:
    read, content, names, *_ = FORMATS[kind]
    found = FoundNames(100)
    read(content.replace(b"\n", b"\r\n"), found)
    assert found.names == names


@pytest.mark.parametrize("kind", FORMATS)
def test_names_beyond_the_bound_are_counted_and_not_kept(kind: str) -> None:
    read, content, names, *_ = FORMATS[kind]
    found = FoundNames(1)
    read(content, found)
    assert len(found.names) == 1
    assert found.beyond >= len(names) - 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
@given(data=st.data())
def test_a_reader_takes_any_octets_and_gives_only_what_can_be_shown(kind: str, data: st.DataObject) -> None:
    read, content, *_ = FORMATS[kind]
    begin = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(begin, len(content)))
    changed = content[:begin] + data.draw(st.binary(max_size=60)) + content[end:]
    found = FoundNames(100)
    read(changed, found)
    for address, host in found.names.items():
        assert 0 < len(host.name) <= 253
        assert host.name.isprintable() or not host.name.isascii()
        assert not {"\x1b", "\n", "\u202e"} & set(host.name)
        assert ":" in address or address.count(".") == 3
        assert host.until is None or host.until >= 0
    assert (found.first is None) == (found.passed_over == 0)


@pytest.mark.slow
@given(
    leases=st.dictionaries(
        st.ip_addresses(v=4).map(str).filter(lambda text: text.split(".")[0] not in ("0", "127") and text < "22"),
        st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True),
        max_size=8,
    )
)
def test_each_format_says_the_same_of_the_same_leases(leases: dict[str, str]) -> None:
    dnsmasq = "".join(f"{END:.0f} 02:00:5e:00:53:01 {at} {name} *\n" for at, name in leases.items())
    dhcpd = "".join(
        f'lease {at} {{\n  ends 4 2026/11/26 22:00:00;\n  binding state active;\n  client-hostname "{name}";\n}}\n'
        for at, name in leases.items()
    )
    kea = KEA_HEAD.decode() + "".join(f"{at},,,3600,{END:.0f},1,0,0,{name},0,,0\n" for at, name in leases.items())
    for read, text in ((read_dnsmasq, dnsmasq), (read_dhcpd, dhcpd), (read_kea, kea)):
        found = FoundNames(100)
        read(text.encode(), found)
        assert found.names == {at: HostName(name, END) for at, name in leases.items()}
        assert not found.passed_over


@pytest.mark.parametrize(("kind", "content"), [("dnsmasq", DNSMASQ), ("dhcpd", DHCPD), ("kea", KEA)])
def test_a_lease_file_is_known_by_what_it_looks_like(tmp_path: Path, kind: str, content: bytes) -> None:
    path = tmp_path / "leases"
    path.write_bytes(content)
    found = HostFile(DHCP, str(path)).read(most=100, most_bytes=1 << 20)
    assert found.names == FORMATS[kind][2]


def test_a_last_line_that_is_still_being_written_is_left_for_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "leases"
    path.write_bytes(KEA_HEAD + b"192.0.2.40,,,3600,1795730400,1,0,0,laptop,0,,0\n192.0.2.41,02:00")
    found = HostFile(DHCP, str(path)).read(most=100, most_bytes=1 << 20)
    assert found.names == {"192.0.2.40": HostName("laptop", END)}
    assert not found.passed_over


def test_the_files_that_kea_cleans_up_are_read_before_its_own(tmp_path: Path) -> None:
    path = tmp_path / "leases"
    file = HostFile(DHCP, str(path))

    def lease(suffix: str, *rows: bytes) -> None:
        (tmp_path / f"leases{suffix}").write_bytes(KEA_HEAD + b"".join(rows))

    def names() -> dict[str, str]:
        found = file.read(most=100, most_bytes=1 << 20)
        return {address: host.name for address, host in found.names.items()}

    def row(last: int, name: str) -> bytes:
        return b"192.0.2.%d,,,3600,1795730400,1,0,0,%s,0,,0\n" % (last, name.encode())

    lease(".2", row(1, "older"), row(2, "older"), row(3, "older"))
    lease(".1", row(1, "old"), row(2, "old"))
    lease("", row(1, "new"))
    before = file.signature()
    assert names() == {"192.0.2.1": "new", "192.0.2.2": "old", "192.0.2.3": "older"}
    lease(".completed", row(2, "cleaned"))
    assert file.signature() != before
    assert names() == {"192.0.2.1": "new", "192.0.2.2": "cleaned"}


def test_a_file_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    def refusal(name: str, kind: str = DHCP, most_bytes: int = 1 << 20) -> str:
        with pytest.raises(HostFileError) as refused:
            HostFile(kind, str(tmp_path / name)).read(most=10, most_bytes=most_bytes)
        return str(refused.value)

    (tmp_path / "text").write_text("Dear all\n")
    (tmp_path / "large").write_bytes(b"# \n" * (1 << 20))
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert refusal("text") == "is no lease file of dnsmasq, ISC dhcpd or Kea (memfile)"
    assert refusal("none") == "cannot be read: No such file or directory"
    assert refusal("large", HOSTS) == "is larger than 1 MiB: raise clients.host_names.max_mib"
    assert refusal("pipe") == refusal("folder") == "is not a regular file"
    assert refusal("a\0b", HOSTS).startswith("cannot be read: embedded null")


def test_an_empty_lease_file_has_no_names_and_nothing_is_wrong_with_it(tmp_path: Path) -> None:
    (tmp_path / "leases").write_text("# dnsmasq begins with nothing\n\n")
    found = HostFile(DHCP, str(tmp_path / "leases")).read(most=10, most_bytes=1 << 20)
    assert (found.names, found.passed_over) == ({}, 0)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'lease 192.0.2.1 {\n  client-hostname "a";\n', "line 1: a block without its end"),
        (b"lease 192.0.2.1 {\n}\n}\n", "line 3: ends a block that has not begun"),
        (b"lease a {\n" * 9, "line 9: has blocks within blocks, deeper than leases have"),
        (b'lease 192.0.2.1 {\n  client-hostname "a\n}\n', "line 2: a string without its end"),
    ],
)
def test_what_is_wrong_with_a_block_of_dhcpd_is_told_with_its_line(content: bytes, why: str) -> None:
    found = FoundNames(10)
    read_dhcpd(content, found)
    assert found.first == why
