"""Pseudonyms of a query log that a restore brings back: found by the secrets that the node still has."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from admin_api.query_log import files as query_log
from admin_api.query_log.pseudonyms import pseudonyms_of
from blocklists.loading import load_catalogue
from moatdns.pseudonym_secrets import current
from resolver.config.settings import TelemetrySettings
from resolver.telemetry.pseudonyms import DAY_SECONDS, SECRETS_FILE

from .test_backup import brought_back, fill, opened, saved

pytestmark = pytest.mark.slow

SETTINGS = TelemetrySettings()
WEEK = 7 * DAY_SECONDS
ANA = "ana@corp.example"


def logged(state_dir: Path, at: float) -> None:
    """Have a day of the query log."""
    log = query_log.open_to_write(state_dir / query_log.FOLDER, query_log.day_of(at))
    log.execute("INSERT INTO blocks (oldest, newest, count, packed) VALUES (1, 2, 3, x'00')")
    log.close()


@pytest.mark.parametrize("with_query_log", [True, False])
async def test_a_restore_over_the_same_store_keeps_the_secrets_of_rows_that_come_back_and_of_those_of_now(
    tmp_path: Path, with_query_log: bool
) -> None:
    catalogue = load_catalogue()
    state_dir, now = tmp_path / "state", datetime.now(UTC).timestamp()
    store = await opened(state_dir)
    await fill(store, state_dir)  # whose head says which store it is
    (earlier,) = current(state_dir, SETTINGS, now - WEEK).periods[:1]
    logged(state_dir, now - WEEK)
    content = await saved(None, state_dir, with_query_log=with_query_log)
    periods = current(state_dir, SETTINGS, now).periods
    await store.close()
    logged(state_dir, now)
    done = await brought_back(content, state_dir, catalogue, replace=True)
    # As the next start looks: what has no row any more is removed.
    assert current(state_dir, SETTINGS, now).periods == periods
    assert pseudonyms_of(state_dir, "identity", ANA) == {one.of("identity", ANA) for one in (earlier, *periods)}
    assert done.aside is not None
    aside = state_dir / done.aside
    # The old log goes aside with its secrets, or stays with them.
    assert (aside / SECRETS_FILE).exists() is (aside / query_log.FOLDER).is_dir() is with_query_log
    if with_query_log:
        assert pseudonyms_of(aside, "identity", ANA) == pseudonyms_of(state_dir, "identity", ANA)


async def test_over_another_store_the_secrets_go_aside_with_their_log(tmp_path: Path) -> None:
    catalogue = load_catalogue()
    now = datetime.now(UTC).timestamp()
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for state_dir in (theirs, ours):
        await (await opened(state_dir)).close()
        current(state_dir, SETTINGS, now)
        logged(state_dir, now)
    content = await saved(None, theirs, with_query_log=True)
    secrets = (ours / SECRETS_FILE).read_text()
    done = await brought_back(content, ours, catalogue, replace=True)
    assert done.aside is not None
    assert not (ours / SECRETS_FILE).exists()
    assert (ours / done.aside / SECRETS_FILE).read_text() == secrets
