"""Heads of the audit trail are signed now and then, for the log and a file, and vouch for the trail elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from admin_api.audit import head as heads
from admin_api.audit.head import SIGNED_FILE, HeadKeeper
from admin_api.audit.signed_head import read_signed_head
from admin_api.signed.files import NotGenuine
from admin_api.signed.keys import load_key
from admin_api.signed.signer import Signer
from admin_api.store import audit
from admin_api.store.store import Store
from tests.unit.admin_api.conftest import BreakableAccess, Said, SignsHere


async def test_a_signed_head_is_in_the_log_and_in_a_file_once_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "_EVERY_SECONDS", 0.0)
    log = Said()
    store = await Store.open(None, tmp_path, log)
    async with store.change("somebody") as change:
        change.record("test", "things/1", None, {})
    keeper = HeadKeeper(BreakableAccess(store), tmp_path, log, SignsHere(tmp_path))  # type: ignore[arg-type]
    await keeper.note()
    assert not (tmp_path / SIGNED_FILE).exists(), "only with the line in the log"
    for _ in range(2):
        await keeper.note(says_so=True)
    (signed,) = [facts["signed"] for event, facts in log.lines if event == "signed audit head"]
    assert (tmp_path / SIGNED_FILE).read_text() == f"{signed}\n"
    public = load_key(None, tmp_path).public
    async with store.read() as connection:
        assert read_signed_head(signed.encode(), public).pair == await audit.head(connection)
    with pytest.raises(NotGenuine):
        read_signed_head(signed.replace('"row":', '"row":1').encode(), public)
    await store.close()


@pytest.mark.slow
async def test_a_head_that_cannot_be_signed_is_told_and_noted_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "_EVERY_SECONDS", 0.0)
    log = Said()
    store = await Store.open(None, tmp_path, log)
    async with store.change("somebody") as change:
        change.record("test", "things/1", None, {})
    lost = Signer(f"file:{tmp_path / 'gone'}", tmp_path)
    keeper = HeadKeeper(BreakableAccess(store), tmp_path, log, lost)  # type: ignore[arg-type]
    await keeper.note(says_so=True)
    assert [event for event, _ in log.lines if "not signed" in event] == ["the audit trail's head is not signed"]
    assert keeper.heads == 1
    assert lost.trouble is not None
    await store.close()
