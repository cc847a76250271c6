"""A new version of moatdns brings a new catalogue: it is told, and can be held back."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

import blocklists
from blocklists.data_files import catalogue_fingerprint
from tests.support.browser import Person
from tests.support.clients import ask, is_blocked
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, PATIENCE_SECONDS

BUNDLED = Path(blocklists.__file__).parent
NEW = "suno.com"  # what the old catalogue, below, does not have
OLD = "gone.example"  # what it had, and the bundled one has not


def _leave_an_older_one(state_dir: Path) -> Path:
    """As a version before would have: without one vendor, and with one name more."""
    folder = state_dir / "catalogue" / "older"
    for part in ("vendors", "resellers", "clouds", "bypass"):
        shutil.copytree(BUNDLED / part, folder / part)
    (folder / "vendors" / "suno.yaml").unlink()
    midjourney = folder / "vendors" / "midjourney.yaml"
    midjourney.write_text(midjourney.read_text().replace("midjourney.com", OLD))
    return folder.rename(folder.with_name(catalogue_fingerprint(folder)))


def _config(mode: str) -> dict[str, Any]:
    return {"workers": 1, "upstream": {"servers": ["127.0.0.1:1"]}, "policy": {"catalogue": mode}}


def _run(server: Moatdns, *words: str) -> subprocess.CompletedProcess[str]:
    command = [MOATDNS, "catalogue", *words, "--config", str(server.config_file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


def test_a_new_catalogue_is_held_back_until_it_is_accepted_and_the_page_tells_what_waits(
    tmp_path: Path, chromium: Browser
) -> None:
    _leave_an_older_one(tmp_path / "state")
    with Moatdns(tmp_path, _config("review"), with_api=True) as server:
        assert not is_blocked(ask(server.port, NEW))
        assert is_blocked(ask(server.port, OLD))
        assert "a new catalogue waits to be accepted" in server.log_text
        waiting = server.api.get("catalogue")["waiting"]
        assert waiting["added"] == ["midjourney.com (midjourney/midjourney)", *_suno()]
        assert waiting["removed"] == [f"{OLD} (midjourney/midjourney)"]
        told = _run(server, "diff", "--json")
        assert (told.returncode, json.loads(told.stdout)) == (1, waiting)
        with Person(chromium, server) as person:
            page = person.log_in("/catalogue")
            assert "has 3 new rules and 1 removed ones" in page.locator("main").inner_text()
            assert f"removed: {OLD} (midjourney/midjourney)" in (page.locator("main").text_content() or "")
            person.remove_alike_rows()
            assert person.faults() == []
        server.reload(_config("review"))
        assert not is_blocked(ask(server.port, NEW)), "a reload alone accepts nothing"
        accepted = _run(server, "accept")
        assert accepted.returncode == 0, accepted.stderr
        assert "names added" in accepted.stdout
        server.reload(_config("review"))
        assert is_blocked(ask(server.port, NEW))
        assert not is_blocked(ask(server.port, OLD))
        assert server.api.get("catalogue")["waiting"] is None
        assert _run(server, "diff").returncode == 0


def test_without_review_a_new_catalogue_is_taken_and_told_once(tmp_path: Path) -> None:
    _leave_an_older_one(tmp_path / "state")
    log = {"query_log": {"what": "all"}}
    with Moatdns(tmp_path, _config("review") | log) as before:
        held = before.wait_for("queries of the last days that the waiting catalogue would have blocked")
        assert (held["queries"], held["of"], held["cannot_show"]) == (0, 0, [])
        for name in (NEW, NEW, "plain.example"):
            assert not is_blocked(ask(before.port, name))
    with Moatdns(tmp_path, _config("auto") | log) as server:
        assert is_blocked(ask(server.port, NEW))
        grown = server.wait_for("queries of the last days that the changed catalogue would have blocked")
        assert (grown["queries"], grown["clients"], grown["services"]) == (2, 1, {"suno/suno": 2})
        told = server.wait_for("the catalogue changed with this version")
        assert told["what"].startswith("3 names added: midjourney.com (midjourney/midjourney), suno.ai")
        assert told["what"].endswith(f"1 name removed: {OLD} (midjourney/midjourney)")
        server.stop()
        server.start()
        assert is_blocked(ask(server.port, NEW))
        assert not [event for event in server.events if event["event"].startswith("the catalogue changed")]


def test_a_first_start_has_no_news(tmp_path: Path) -> None:
    with Moatdns(tmp_path, _config("review")) as server:
        assert is_blocked(ask(server.port, NEW))
        assert "catalogue" not in server.log_text.replace("/catalogue", "")


def _suno() -> list[str]:
    return ["suno.ai (suno/suno)", "suno.com (suno/suno)"]
