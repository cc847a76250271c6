"""The keeper of the catalogue feed: what it takes, what it remembers, and what survives a restore."""

from __future__ import annotations

import asyncio
import datetime
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from admin_api.store.store import Store
from admin_api.subscriptions.feed import keeper as module
from admin_api.subscriptions.feed.child import judge
from admin_api.subscriptions.feed.keeper import FeedKeeper
from admin_api.subscriptions.feed.opening import open_catalogue
from blocklists.catalogue import Catalogue
from blocklists.data_files import catalogue_version
from blocklists.feed.kept import FeedState, accept_held, keep, read_state, write_state
from blocklists.feed.minisign import SecretKey, Signature
from blocklists.feed.place import CurrentCatalogue
from resolver.config.settings import ControlSettings, FeedSettings
from tests.support.publisher import Publisher, catalogue
from tests.unit.doubles import Said, SteadyAccess

pytestmark = pytest.mark.slow

KEY = SecretKey.generate()
LONG_AGO = "2026-01-01T00:00:00Z"


class Compiles:
    """A policy keeper that needs no time."""

    snapshot = None

    def changed(self) -> None:
        """Something is new."""

    async def wait_until_compiled_with(self, _: Catalogue) -> bool:
        return True


@pytest.fixture(autouse=True)
def _judged_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child's work in this process; tests/end_to_end/test_catalogue_feed.py has the child."""

    async def judged(_module: object, _channel: object, order: Any, *_: object) -> object:
        return await asyncio.to_thread(judge, order)

    monkeypatch.setattr(module, "in_child", judged)


def put(file: Path, content: bytes, key: SecretKey = KEY) -> None:
    """Publish into a file."""
    file.write_bytes(content)
    file.with_name(file.name + ".minisig").write_text(Signature.make(content, key, "x").text)


class Running:
    """A keeper at work."""

    def __init__(self, keeper: FeedKeeper, current: CurrentCatalogue, log: Said) -> None:
        self.keeper = keeper
        self.current = current
        self.log = log

    @property
    def fed(self) -> list[str]:
        """The rules that the feed has in force."""
        return [domain.rule.text for domain in self.current.catalogue.fed]

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for something, looking at the feed again and again."""
        async with asyncio.timeout(20):
            while not true():  # noqa: ASYNC110 what is waited for is many things
                await asyncio.sleep(0.02)

    async def look(self, true: Callable[[], object]) -> None:
        self.keeper.look_now()
        await self.until(true)

    @property
    def error(self) -> str:
        return self.keeper.record.error


@asynccontextmanager
async def running(state_dir: Path, store_dir: Path, source: str, **different: Any) -> AsyncIterator[Running]:
    """A keeper over a state directory and a store."""
    feed = FeedSettings(source, keys=different.pop("keys", (KEY.public.line,)), allow_private=True, **different)
    settings = ControlSettings(str(state_dir), feed=feed)
    log = Said()
    store = await Store.open(None, store_dir, log)
    opened = open_catalogue(settings)
    current = CurrentCatalogue(opened.loaded)
    keeper = FeedKeeper(settings, SteadyAccess(store), Compiles(), current, opened, log)  # type: ignore[arg-type]
    task = asyncio.ensure_future(keeper.run())
    try:
        yield Running(keeper, current, log)
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.wait([task])
        await store.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "published").mkdir()
    return tmp_path / "published" / "ai.json"


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """A state directory, and one for the store."""
    for name in ("state", "store"):
        (tmp_path / name).mkdir()
    return tmp_path / "state", tmp_path / "store"


async def test_a_file_is_taken_and_read_again_when_it_is_another(file: Path, places: tuple[Path, Path]) -> None:
    put(file, catalogue(1, "first.example"))
    async with running(*places, str(file)) as feed:
        await feed.until(lambda: feed.fed == ["first.example"])
        put(file, catalogue(2, "second.example"))
        await feed.look(lambda: feed.fed == ["second.example"])
        tried = feed.keeper.record.attempt_at
        feed.keeper.look_now()
        await asyncio.sleep(0.2)
        assert feed.keeper.record.attempt_at == tried, "the same file is not judged again"


async def test_a_file_that_is_not_there_is_told_and_taken_once_it_is(file: Path, places: tuple[Path, Path]) -> None:
    async with running(*places, str(file)) as feed:
        await feed.until(lambda: feed.error)
        assert str(file) in feed.error
        assert any("feed" in text for text in feed.keeper.troubles)
        put(file, catalogue(1, "first.example"))
        await feed.look(lambda: feed.fed == ["first.example"])
        assert feed.keeper.troubles == []


async def test_a_pipe_in_the_place_of_a_file_keeps_nobody_waiting(file: Path, places: tuple[Path, Path]) -> None:
    os.mkfifo(file)
    async with running(*places, str(file)) as feed:
        await feed.until(lambda: feed.error)
        assert "not a regular file" in feed.error


async def test_a_version_that_expires_in_force_stays_and_is_told(file: Path, places: tuple[Path, Path]) -> None:
    content = catalogue(3, "first.example", expires=LONG_AGO)
    digest = keep(places[0], content, Signature.make(content, KEY, "x").text.encode())
    write_state(places[0], FeedState(in_force=digest, highest={"acme": (3, digest)}))
    put(file, content)
    async with running(*places, str(file)) as feed:
        await feed.until(lambda: feed.error)
        assert feed.fed == ["first.example"]
        assert any("it stays until a newer one comes" in text for text in feed.keeper.troubles)
        assert feed.keeper.gauges()["moatdns_feed_failing"] == {(): True}
        put(file, catalogue(4, "first.example"))
        await feed.look(lambda: not feed.keeper.troubles)


@pytest.mark.parametrize("lost", ["state", "store"])
async def test_the_highest_version_seen_survives_the_loss_of_either_record(
    file: Path, places: tuple[Path, Path], tmp_path: Path, lost: str
) -> None:
    put(file, catalogue(5, "first.example"))
    async with running(*places, str(file)) as feed:
        await feed.until(lambda: feed.fed)
    (tmp_path / "new").mkdir()
    restored = (tmp_path / "new", places[1]) if lost == "state" else (places[0], tmp_path / "new")
    put(file, catalogue(4, "older.example"))
    async with running(*restored, str(file)) as feed:
        await feed.until(lambda: feed.error)
        assert "is older than version 5" in feed.error
        assert "older.example" not in feed.fed
    assert read_state(restored[0]).highest["acme"][0] == 5


async def test_a_number_counts_also_where_its_content_is_refused(file: Path, places: tuple[Path, Path]) -> None:
    put(file, catalogue(5, "wikipedia.org"))
    async with running(*places, str(file)) as feed:
        await feed.until(lambda: "no AI service" in feed.error)
        put(file, catalogue(4, "first.example"))
        await feed.look(lambda: "older than version 5" in feed.error)


async def test_what_waits_is_in_force_once_it_is_accepted(file: Path, places: tuple[Path, Path]) -> None:
    put(file, catalogue(1, "first.example"))
    async with running(*places, str(file), is_reviewed=True) as feed:
        await feed.until(lambda: feed.keeper.held)
        assert feed.fed == []
        held = read_state(places[0]).held
        assert held is not None
        accept_held(places[0], held)
        await feed.until(lambda: feed.fed == ["first.example"])
        assert feed.keeper.held is None


async def test_what_waits_is_in_force_when_the_config_says_auto(file: Path, places: tuple[Path, Path]) -> None:
    put(file, catalogue(1, "first.example"))
    async with running(*places, str(file), is_reviewed=True) as feed:
        await feed.until(lambda: feed.keeper.held)
    file.unlink()  # noqa: ASYNC240
    async with running(*places, str(file)) as feed:
        await feed.until(lambda: feed.fed == ["first.example"])


async def test_what_waits_still_waits_after_a_restart(file: Path, places: tuple[Path, Path]) -> None:
    put(file, catalogue(1, "first.example"))
    for _ in range(2):
        async with running(*places, str(file), is_reviewed=True) as feed:
            await feed.until(lambda: feed.keeper.held)
            assert feed.fed == []


async def test_another_series_waits_for_a_person(file: Path, places: tuple[Path, Path]) -> None:
    put(file, catalogue(1, "first.example"))
    async with running(*places, str(file)) as feed:
        await feed.until(lambda: feed.fed)
        put(file, catalogue(9, "other.example", series="other"))
        await feed.look(lambda: feed.keeper.held)
        assert feed.keeper.held is not None
        assert "its series is 'other'" in feed.keeper.held.why
        assert feed.fed == ["first.example"]


async def test_a_release_that_is_as_new_takes_the_feeds_place(file: Path, places: tuple[Path, Path]) -> None:
    put(file, catalogue(catalogue_version() + 1, "first.example", series="moatdns"))
    async with running(*places, str(file)) as feed:
        await feed.until(lambda: feed.fed == ["first.example"])
    put(file, catalogue(catalogue_version(), "first.example", series="moatdns"))
    (places[0] / "feed" / "state.json").unlink()
    (places[1] / "moatdns.db").unlink(missing_ok=True)
    other = places[0].with_name("other")
    other.mkdir()
    async with running(places[0], other, str(file)) as feed:
        await feed.until(lambda: feed.keeper.record.success_at)
        assert feed.fed == []
        assert feed.keeper.troubles == []


async def test_a_copy_whose_key_is_trusted_no_more_is_not_in_force(file: Path, places: tuple[Path, Path]) -> None:
    put(file, catalogue(1, "first.example"))
    async with running(*places, str(file)) as feed:
        await feed.until(lambda: feed.fed)
    new = SecretKey.generate()
    async with running(*places, str(file), keys=(new.public.line,)) as feed:
        await feed.until(lambda: feed.error)
        assert feed.fed == []
        assert any("last good copy is not in force" in text for text in feed.keeper.troubles)
        put(file, catalogue(1, "first.example"), new)
        await feed.look(lambda: feed.fed == ["first.example"])
        assert feed.keeper.troubles == []


async def test_a_server_is_asked_only_for_what_is_newer(places: tuple[Path, Path]) -> None:
    with Publisher() as publisher:
        publisher.publish(catalogue(1, "first.example"))
        async with running(*places, publisher.url, keys=(publisher.key.public.line,)) as feed:
            await feed.until(lambda: feed.fed)
            known, at = len(publisher.requests), feed.keeper.record.success_at
            await feed.look(lambda: feed.keeper.record.success_at != at)
            (request,) = publisher.requests[known:]
            assert "if-none-match" in request
        async with running(*places, publisher.url, keys=(publisher.key.public.line,)) as feed:
            await asyncio.sleep(0.3)
            assert len(publisher.requests) == known + 1, "a start alone asks nobody"
            assert feed.fed == ["first.example"]
            soon = datetime.datetime.now(datetime.UTC).timestamp() + 60
            assert feed.keeper.next_at > soon
