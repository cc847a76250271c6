"""What may be fetched from where: addresses, redirects and bounds."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver

from admin_api import guarded_http
from admin_api.subscriptions.fetching import Wanted, fetch
from resolver.config.subscription import is_public
from resolver.errors import FetchError
from tests.support import feed as served
from tests.support.feed import Feed


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::"),
        *("", "localhost", "1.2.3"),
    ],
)
def test_private_and_local_addresses_are_known_in_every_disguise(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_addresses_of_the_open_internet_are_public(address: str) -> None:
    assert is_public(address)


async def get(url: str, tmp_path: Path, **more: Any) -> Any:
    bounds = {"most_octets": 1 << 20, "timeout_seconds": 3.0, "progress": lambda *_: None, **more.pop("bounds", {})}
    return await fetch(Wanted(url, **more), tmp_path / "list", **bounds)


@pytest.fixture
def only_one_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.2 stands for the open Internet."""
    monkeypatch.setattr(guarded_http, "is_public", lambda address: address == "127.0.0.2")


@pytest.mark.usefixtures("only_one_is_public")
@pytest.mark.parametrize(
    "to", ["http://127.0.0.1:{}/", "http://localhost:{}/", "http://[::1]:{}/", "http://2130706433:{}/"]
)
async def test_a_redirect_to_a_private_address_is_not_followed(tmp_path: Path, to: str) -> None:
    with Feed(b"secret.example") as private, Feed(host="127.0.0.2") as public:
        public.behave = served.redirect(to.format(private.port))
        with pytest.raises(FetchError, match=r"no address of the open Internet|cannot be asked"):
            await get(public.url, tmp_path)
        assert (len(public.requests), private.requests) == (1, [])


class Turncoat(AbstractResolver):
    """A name whose address is public when it is first looked up, and private ever after."""

    looked_up = 0

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> Any:
        Turncoat.looked_up += 1
        address = "127.0.0.2" if Turncoat.looked_up == 1 else "127.0.0.1"
        return [{"hostname": host, "host": address, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.usefixtures("only_one_is_public")
async def test_the_address_that_was_checked_is_the_one_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded_http, "ThreadedResolver", Turncoat)
    monkeypatch.setattr(Turncoat, "looked_up", 0)
    with Feed(b"a.example.com\n", host="127.0.0.2") as public, Feed(b"secret.example", port=public.port) as private:
        url = f"http://turncoat.example:{public.port}/"
        assert await get(url, tmp_path)
        assert (tmp_path / "list").read_bytes() == b"a.example.com\n"
        with pytest.raises(FetchError, match="no address of the open Internet"):
            await get(url, tmp_path)
        assert (len(public.requests), private.requests) == (1, [])
    assert Turncoat.looked_up == 2


@pytest.mark.usefixtures("only_one_is_public")
async def test_whether_something_listens_at_a_private_address_is_not_told(tmp_path: Path) -> None:
    told = []
    with Feed(b"secret.example") as private:
        for port in (private.port, 1):
            for host in ("127.0.0.1", "[::1]", "localhost"):
                with pytest.raises(FetchError) as error:
                    await get(f"http://{host}:{port}/", tmp_path)
                told.append(str(error.value))
        assert private.requests == []
    assert len(set(told)) == 1


@pytest.mark.usefixtures("only_one_is_public")
async def test_a_redirect_within_the_open_internet_is_followed(tmp_path: Path) -> None:
    with Feed(b"a.example.com\n", host="127.0.0.2") as last, Feed(host="127.0.0.2") as first:
        first.behave = served.redirect(last.url)
        fetched = await get(first.url, tmp_path)
    assert (tmp_path / "list").read_bytes() == b"a.example.com\n"
    assert fetched.etag


async def test_a_copy_that_is_up_to_date_is_not_fetched_again(tmp_path: Path) -> None:
    with Feed(b"a.example.com\n") as feed:
        fetched = await get(feed.url, tmp_path, allow_private=True)
        assert await get(feed.url, tmp_path, allow_private=True, etag=fetched.etag) is None


async def test_a_host_that_is_not_there_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="cannot be reached"):
        await get("http://127.0.0.1:1/", tmp_path, allow_private=True)
    with pytest.raises(FetchError, match=r"has no address|open Internet"):
        await get("http://nowhere.invalid/", tmp_path)


async def test_encodings_that_were_not_asked_for_are_refused(tmp_path: Path) -> None:
    with Feed(b"x") as feed:
        feed.behave = lambda _, handler: served.send(handler, 200, b"x", Content_Encoding="br")
        with pytest.raises(FetchError, match="encoded as 'br'"):
            await get(feed.url, tmp_path, allow_private=True)
