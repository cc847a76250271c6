"""What admins write for the lease hooks: the config file, the token and the map."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.lease_hook.people import KINDS, DeviceMap, Holder, device_key, normal_key, read_identity
from deploy.lease_hook.settings import HookError, Settings, read_settings
from tests.support.examples import examples

GOOD = "URL=https://moatdns.corp.example:8053/\n"


def read(folder: Path, text: str) -> Settings:
    file = folder / "lease-hook.conf"
    file.write_text(text)
    return read_settings(file)


def people(folder: Path, devices: str, more: str = "") -> DeviceMap:
    (folder / "map").write_text(devices)
    return DeviceMap(read(folder, f"{GOOD}MAP={folder / 'map'}\n{more}"))


def test_one_line_is_enough(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD)
    assert (found.url, found.group, found.ttl_seconds) == ("https://moatdns.corp.example:8053", None, 3600)
    assert (found.unmapped, found.map_file) == ("none", None)


def test_nothing_in_the_file_is_executed(tmp_path: Path) -> None:
    found = read(tmp_path, f'# $(touch {tmp_path}/one)\n{GOOD}CA_FILE="/etc/$(touch {tmp_path}/two)"\n')
    assert str(found.ca_file) == f"/etc/$(touch {tmp_path}/two)"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["lease-hook.conf"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "URL: '' is not the address of moatdns's admin API"),
        ("URL=ftp://moatdns.example", "URL: 'ftp://moatdns.example' is not the address"),
        ("URL=https://user:word@moatdns.example", "is not the address"),
        ("URL=https://moatdns.example:port", "is no URL"),
        ("URL=http://10.0.0.1:8053", "sends the token in clear: use https, or set ALLOW_PLAIN_HTTP=yes"),
        ("URL", "lease-hook.conf:1: is not KEY=VALUE"),
        (f"{GOOD}TLL_SECONDS=60", "lease-hook.conf:2: 'TLL_SECONDS' is no key: there are URL, TOKEN_FILE"),
        (f"{GOOD}TTL_SECONDS=5", "TTL_SECONDS: '5' is not a number from 60 to 604800"),
        (f"{GOOD}TTL_SECONDS=1h", "TTL_SECONDS: '1h' is not a number"),
        (f"{GOOD}GROUP=VPN staff", "GROUP: 'VPN staff' is no name of a group"),
        (f"{GOOD}MAP=map", "MAP: 'map' is not a whole path"),
        (f"{GOOD}STATE_DIR=", "STATE_DIR: '' is empty"),
        (f"{GOOD}UNMAPPED=all", "UNMAPPED: 'all' is none of none, host-name, mac"),
    ],
)
def test_a_bad_line_is_told_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(HookError) as told:
        read(tmp_path, text)
    assert says in str(told.value)
    assert str(tmp_path) in str(told.value)


def test_a_token_that_everybody_may_read_is_not_used(tmp_path: Path) -> None:
    found = read(tmp_path, f"{GOOD}TOKEN_FILE={tmp_path / 'token'}\n")
    with pytest.raises(HookError, match="token: cannot be read: No such file"):
        found.token()
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(HookError, match="is open to everybody: chmod 640 it"):
        found.token()
    (tmp_path / "token").chmod(0o640)
    assert found.token() == "secret"
    (tmp_path / "token").write_text("two words\n")
    with pytest.raises(HookError, match="holds no token"):
        found.token()


def test_a_map_knows_an_address_however_it_is_written(tmp_path: Path) -> None:
    found = people(
        tmp_path, "# who\n02-00-5E-00-53-07 alice staff # laptop\nkey= bob\n0:0:5e:0:53:1 cleo\n", "GROUP=vpn"
    )
    assert found.faults == []
    assert found.get("02:00:5e:00:53:07") == Holder("alice", "staff")
    assert found.get("unknown", "key=") == Holder("bob", "vpn")
    assert found.get("00:00:5E:00:53:01") == Holder("cleo", "vpn")
    assert found.get("KEY=") is None


def test_a_bad_line_of_the_map_is_told_and_left_out(tmp_path: Path) -> None:
    long = "x" * 201
    found = people(tmp_path, f"one\nk1 ana Staff\nk2 ana\nk2 eve\nk3 {long}\nk4 a b c d\n")
    assert found.get("k2") == Holder("ana", None)
    assert [fault.split(":")[1] for fault in found.faults] == ["1", "2", "4", "5", "6"]
    assert "'k2' is named twice; left out" in found.faults[2]


def test_a_device_that_nobody_mapped_is_nobody_unless_the_config_says_otherwise(tmp_path: Path) -> None:
    mac = "02:00:5E:00:53:99"
    assert people(tmp_path, "").of_device(mac, host_name="laptop") is None
    by_name = people(tmp_path, "", "UNMAPPED=host-name\nGROUP=guests")
    assert by_name.of_device(mac, host_name="laptop") == Holder("host:laptop", "guests")
    assert by_name.of_device(mac) is None
    assert people(tmp_path, "", "UNMAPPED=mac").of_device(mac) == Holder("mac:02:00:5e:00:53:99", None)


def test_a_device_cannot_call_itself_somebody_of_the_map(tmp_path: Path) -> None:
    found = people(tmp_path, "02:00:5e:00:53:07 alice staff\n", "UNMAPPED=host-name")
    assert found.of_device("02:00:5e:00:53:99", host_name="alice") == Holder("host:alice", None)


IDENTIFIER = "02:00:5e:00:53:07"


@pytest.mark.parametrize("written", [IDENTIFIER, f"mac:{IDENTIFIER}", "02-00-5E-00-53-07", "mac:2:0:5e:0:53:7"])
def test_what_a_client_says_of_itself_is_no_mac_address_however_it_is_written(tmp_path: Path, written: str) -> None:
    found = people(tmp_path, f"{written} alice\n")
    assert found.of_device(IDENTIFIER.upper()) == Holder("alice", None)
    for said in (IDENTIFIER, IDENTIFIER.upper(), f"mac:{IDENTIFIER}", "02-00-5e-00-53-07"):
        assert found.of_device("", client_id=said) is None
        assert found.of_device("06-ff:00:00:00:00:01", client_id=said, duid=said) is None


@pytest.mark.parametrize(("kind", "others"), [("id", ("mac", "duid")), ("duid", ("mac", "id"))])
def test_a_key_of_one_kind_is_none_of_another(tmp_path: Path, kind: str, others: tuple[str, ...]) -> None:
    found = people(tmp_path, f"{kind}:{IDENTIFIER} alice\n")
    said = {"mac": {"mac": IDENTIFIER}, "id": {"client_id": IDENTIFIER}, "duid": {"duid": IDENTIFIER}}
    assert found.of_device(**{"mac": "", **said[kind]}) == Holder("alice", None)
    for other in others:
        assert found.of_device(**{"mac": "", **said[other]}) is None
    assert found.note == ""


@pytest.mark.parametrize(
    ("plain", "kind"),
    [
        ("02:00:5e:00:53:07", "mac"),
        ("06-02:00:5e:00:53:07", "mac"),
        ("01:02:00:5e:00:53:07", "id"),
        ("ff:00:00:00:01:00:03:00:01:02:00:5e:00:53:07", "id"),
        ("00:03:00:01:02:00:5e:00:53:07", "duid"),
        ("00:04:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00", "duid"),
    ],
)
def test_keys_of_earlier_maps_go_on_as_one_kind_and_that_is_noted(tmp_path: Path, plain: str, kind: str) -> None:
    found = people(tmp_path, f"{plain} alice\n")
    by = {each: found.of_device("", **{each: plain}) for each in ("client_id", "duid")} | {
        "mac": found.of_device(plain)
    }
    named = {"mac": "mac", "id": "client_id", "duid": "duid"}[kind]
    assert {each for each, holder in by.items() if holder} == {named}
    assert "1 keys of devices say no kind" in found.note
    assert people(tmp_path, f"{kind}:{plain} bob\n{plain} eve\n").faults


def test_a_session_of_a_vpn_is_no_device(tmp_path: Path) -> None:
    found = people(tmp_path, f"mac:{IDENTIFIER} alice\nid:01:02 bob\nana-laptop ana staff\n")
    assert found.of_name("ana-laptop") == Holder("ana", "staff")
    assert found.get(f"mac:{IDENTIFIER}") is None
    for name in (f"mac:{IDENTIFIER}", "host:laptop", "id:01:02", " duid:00:01"):
        with pytest.raises(HookError, match="only devices have"):
            found.of_name(name)
    assert found.of_device("ana-laptop", client_id="ana-laptop", duid="ana-laptop") is None


@given(st.text(alphabet="0123456789abcdef:-", max_size=30), st.text(alphabet="0123456789abcdef:-", max_size=30))
@settings(max_examples=examples(100))
def test_no_text_of_a_client_is_another_kinds_key(key: str, said: str) -> None:
    for kind in KINDS:
        try:
            found = device_key(kind, key)
        except HookError:
            continue
        assert found[0] == kind
        assert device_key(kind, found[1]) == found
        for other in KINDS:
            with contextlib.suppress(HookError):
                assert (device_key(other, said) == found) <= (other == kind)


@given(st.text(max_size=300))
@settings(max_examples=examples(60))
def test_an_identity_is_one_short_printable_line_or_refused(text: str) -> None:
    try:
        identity = read_identity(text)
    except HookError as error:
        assert str(error).isascii()
        assert "\n" not in str(error)
    else:
        assert 0 < len(identity) <= 200
        assert identity.isprintable()
        identity.encode()


@given(st.text(alphabet="0123456789abcdefABCDEF:-", max_size=30))
@settings(max_examples=examples(60))
def test_the_normal_form_of_a_key_is_its_own_normal_form(text: str) -> None:
    assert normal_key(normal_key(text)) == normal_key(text)


@given(st.text(max_size=200))
@settings(max_examples=examples(60))
def test_any_text_is_a_config_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.conf"
    file.write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(HookError, match=r"any\.conf"):
        read_settings(file)
