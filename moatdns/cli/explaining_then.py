"""The decision by the policy of a moment that is over, from the store of the state directory: `explain --at`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from admin_api.editing.refusals import BadRequest
from admin_api.evidence.then import AskedThen, ExplainedThen, explained_at
from admin_api.policy_file.trying import InForce
from admin_api.store import periods
from admin_api.store.store import Store
from admin_api.subscriptions.feed.opening import open_catalogue
from blocklists.versions import in_force
from moatdns.cli.common import fail
from moatdns.cli.reading import policy_of
from moatdns.cli.store import with_store
from resolver.answering.explaining import access_of
from resolver.config.schema import Config
from resolver.config.to_settings import control_settings, worker_settings
from resolver.errors import CatalogueError
from resolver.policy.subjects import Subjects


def time_of(text: str) -> datetime:
    """A time as `--at` takes it; ends with status 2 for what is none, or is to come."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        fail(f"--at: {text!r} is not a time: write it as in '2026-01-31T12:00:00Z'", code=2)
    at = at.replace(tzinfo=at.tzinfo or UTC)
    if at > datetime.now(UTC):
        fail("--at: is a time to come: leave it out to ask about now", code=2)
    return at


def explained_then(config: Config, asked: AskedThen) -> ExplainedThen:
    """The decision then; ends with status 1 and the reason where none can be told."""
    policy, _ = policy_of(config.source, config)
    older = in_force(config.state_dir, review=config.policy.catalogue.mode == "review")
    settings = replace(control_settings(config), catalogue=str(older) if older else None)
    try:
        catalogue = open_catalogue(settings).loaded.catalogue
    except CatalogueError as error:
        fail(str(error))
    access = access_of(worker_settings(config, workers=1, system_servers=[]))
    now = InForce(policy, policy.revision, Subjects())

    async def explain(store: Store) -> ExplainedThen:
        async with store.read() as connection:
            runs = await periods.periods_touching(connection, asked.at, datetime.now(UTC))
        # Whether the last run goes on is not known here; what it had in force counts up to its last sign of life.
        started = runs[-1].started if runs and runs[-1].how is None else asked.at
        days = settings.retention.lease_history_days
        return await explained_at(store, catalogue, now, access, asked, started=started, lease_days=days)

    try:
        return with_store(config, explain)
    except BadRequest as error:
        fail(error.detail)
    except ValueError as error:
        fail(str(error), code=2)
