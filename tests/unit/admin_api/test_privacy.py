"""What is stored of people is told whole: no table is left out, and nothing of anybody is in the telling."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from admin_api.api.people import PERSONS
from admin_api.api.resources.privacy import seen_by
from admin_api.api.route import BASE
from admin_api.api.routes import ROUTES
from admin_api.privacy.kinds import KINDS, NO_PERSON
from admin_api.privacy.receivers import receivers
from admin_api.query_log import files
from admin_api.store.tables import metadata
from resolver.config.load import load_config
from resolver.config.retention_schema import RetentionSection
from resolver.config.schema import Config
from resolver.config.settings import ControlSettings, LogSinkSettings, Retention
from tests.support.log_blocks import add_rows

from .conftest import Served

SETTINGS = ControlSettings("/state")


def test_each_table_of_the_store_is_told_or_holds_nobody() -> None:
    told = {kind.table.name for kind in KINDS if kind.table is not None}
    assert told | NO_PERSON.keys() == metadata.tables.keys()
    assert not told & NO_PERSON.keys()


def test_operations_and_settings_that_are_named_are_there() -> None:
    known = {f"{route.method} {route.path.removeprefix(BASE)}" for route in ROUTES}
    plain = {operation.split("{")[0] for operation in known}
    for kind in KINDS:
        assert {operation.split("{")[0] for operation in kind.operations} <= plain, kind.name
        for key in kind.settings:
            section, _, name = key.partition(".")
            model = Config.model_fields[section].annotation
            assert not name or name in getattr(model, "model_fields"), key  # noqa: B009 (a section's model)


def test_whatever_shows_persons_is_told_of() -> None:
    told = {operation for kind in KINDS for operation in kind.operations}
    whole = {operation for operation, persons in PERSONS.items() if persons.all_of_it}
    assert whole - told <= {"GET /reports/evidence", "GET /leases/{address}", "POST /people:export"}


def test_each_retention_of_the_config_is_said_by_a_kind() -> None:
    said = " ".join(kind.kept(Retention()) for kind in KINDS)
    assert {key for key in RetentionSection.model_fields if key not in said.replace(".statistics", "statistics")} <= {
        "evidence_days"  # runs and troubles of the node, and nobody
    }


@pytest.mark.parametrize(
    ("clients", "identities", "said"),
    [
        ("full", "pseudonym", "its address and a pseudonym of whose it was"),
        ("network", "hidden", "its network (/24, /48) and nothing of whose it was"),
        ("pseudonym", "full", "a pseudonym of its address and whose it was"),
    ],
)
def test_what_is_recorded_is_said_by_the_settings(clients: str, identities: str, said: str) -> None:
    settings = replace(SETTINGS, clients=clients, identities=identities)
    assert [said in kind.holds(settings) for kind in KINDS if kind.name in ("query log", "statistics")] == [True, True]


def test_receivers_are_named_without_what_they_are_trusted_with() -> None:
    settings = replace(
        SETTINGS,
        log_sinks=(LogSinkSettings("https://user:secret@siem.corp.example/in?key=secret"),),
        webhooks=({"url": "https://hooks.corp.example/secret", "events": ["node.degraded"]},),
    )
    found = list(receivers(settings))
    assert [one.to for one in found][:2] == ["https://siem.corp.example", "https://hooks.corp.example"]
    assert "secret" not in str(found)


async def test_a_viewer_reads_what_is_stored_and_of_whom_nothing(served: Served) -> None:
    now = time.time()
    rest = ["A", "NOERROR", "block", "a/b", "a/b", "x.example", None, "udp", 0.0]
    add_rows(served.store_folder / files.FOLDER, files.day_of(now), [[now, "10.9.8.7", "default", "x.example", *rest]])
    body = {"identity": "ana@corp.example", "ttl_seconds": 600}
    assert await served.status("PUT", "leases/10.9.8.7", body, role="lease") in (200, 201)
    async with served.call("GET", "privacy", role="viewer") as response:
        found = await response.json()
    kinds = {kind["name"]: kind for kind in found["kinds"]}
    assert kinds["leases"]["entries"] == 1
    assert kinds["lease history"]["entries"] == 1
    assert kinds["query log"]["octets"] > 0
    assert kinds["query log"]["since"].startswith(files.day_of(now))
    assert kinds["audit trail"]["since"] is not None
    assert "investigator" in kinds["lease history"]["seen_by"]
    assert found["recorded"]["query_log.identities"] == "pseudonym"
    assert not {"ana", "10.9.8.7", "x.example"} & set(json.dumps(found).replace('"', " ").split())
    assert await served.status("GET", "privacy", role="lease") == 403


def test_who_sees_a_kind_is_what_the_table_of_persons_says() -> None:
    for kind in KINDS:
        for operation in kind.operations:
            if operation in PERSONS:
                assert PERSONS[operation].told in seen_by(kind)


def test_the_defaults_of_the_config_are_told_as_they_are() -> None:
    assert load_config(None).query_log.identities_recorded == SETTINGS.identities
    assert Path(SETTINGS.state_dir) == Path("/state")
