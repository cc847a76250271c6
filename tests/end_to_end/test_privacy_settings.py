"""Privacy settings on a running server: what root widens in the file waits, under four eyes, for two owners."""

from __future__ import annotations

import contextlib
import subprocess
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from resolver.config.privacy_file import read_agreed, write_agreed
from tests.support.api import Api
from tests.support.clients import UdpClient, query
from tests.support.moatdns import MOATDNS, Moatdns
from tests.support.programs import PATIENCE_SECONDS, wait_until

ANA, ADDRESS = "ana@corp.example", "127.0.0.7"
PSEUDONYM, FULL = {"query_log.identities": "pseudonym"}, {"query_log.identities": "full"}

pytestmark = pytest.mark.slow


def token(moatdns: Moatdns, name: str, role: str) -> str:
    """A token of another owner, by root: under four eyes one owner alone makes none."""
    words = ["token", "create", "--name", name, "--role", role, "--owner", name, "--config", str(moatdns.config_file)]
    made = subprocess.run([MOATDNS, *words], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)
    return made.stdout.strip()


def ask(moatdns: Moatdns) -> None:
    with UdpClient(moatdns.port, ADDRESS) as client:
        client.exchange(query("claude.ai").to_wire())


def items(api: Api, path: str) -> list[dict[str, Any]]:
    """The items of a listing; none while no control process answers."""
    with contextlib.suppress(OSError, HTTPException):
        found: list[dict[str, Any]] = api.get(path)["items"]
        return found
    return []


def reloads(moatdns: Moatdns) -> int:
    """How often the config was read anew and is in force in every worker."""
    return moatdns.log_text.count('"reloaded"')


def identities(moatdns: Moatdns, count: int) -> list[str]:
    """Identities of the logged queries, the oldest first, once there are so many."""
    rows = wait_until(
        lambda: len(found := items(moatdns.api, "queries")) == count and found, f"{count} rows of the log"
    )
    return [str(row["identity"]) for row in reversed(rows or [])]


def settings(moatdns: Moatdns) -> tuple[str | None, dict[str, str]]:
    """How identities are recorded, and what waits; None while no control process answers."""
    with contextlib.suppress(OSError, HTTPException):
        told = moatdns.api.get("privacy-settings")
        return told["in_force"]["query_log.identities"], told["waits"]
    return None, {}


def config_with(identities: str, approval: str = "four-eyes") -> dict[str, Any]:
    return {
        "workers": 1,
        "upstream": {"servers": ["udp://127.0.0.1:1"]},
        "policy": {"approval": approval},
        "query_log": {"identities": identities},
    }


def test_identities_are_recorded_when_two_owners_agree_and_not_when_root_edits_the_file(tmp_path: Path) -> None:
    with Moatdns(tmp_path, config_with("pseudonym"), with_api=True) as moatdns:
        api = moatdns.api
        other, viewer = (Api(moatdns.admin_port, token(moatdns, *of)) for of in (("ben", "admin"), ("eve", "viewer")))
        assert api.call("PUT", f"leases/{ADDRESS}", {"identity": ANA, "ttl_seconds": 3600}).status == 201
        ask(moatdns)
        (pseudonym,) = identities(moatdns, 1)
        assert pseudonym.startswith("~")
        wait_until(lambda: (moatdns.state_dir / "privacy.json").exists(), "what is in force is kept")

        moatdns.reload(config_with("full"))
        wait_until(lambda: settings(moatdns) == ("pseudonym", FULL), "it waits")
        assert "query_log.identities: full is wider than pseudonym" in moatdns.log_text
        ask(moatdns)
        assert identities(moatdns, 2) == [pseudonym, pseudonym]

        asked = api.post("privacy-settings:widen", {"settings": FULL, "reason": "works agreement 7"}, status=202)
        approve = f"change-requests/{asked['id']}:approve"
        assert api.call("POST", approve, {}).status == 403
        assert settings(moatdns) == ("pseudonym", FULL)
        before = reloads(moatdns)
        assert other.call("POST", approve, {}).status == 200
        wait_until(lambda: reloads(moatdns) > before, "every worker has it")
        wait_until(lambda: settings(moatdns) == ("full", {}), "the config is read anew")
        (row,) = wait_until(lambda: items(viewer, "audit?action=widen"), "the row that all roles see")
        assert (row["actor"], row["before"], row["after"]) == ("config", PSEUDONYM, FULL)
        ask(moatdns)
        assert identities(moatdns, 3) == [pseudonym, pseudonym, ANA]


def test_a_restart_takes_nothing_wider_and_what_is_narrower_at_once(tmp_path: Path) -> None:
    moatdns = Moatdns(tmp_path, config_with("pseudonym"), with_api=True)
    with moatdns:
        wait_until(lambda: (moatdns.state_dir / "privacy.json").exists(), "what is in force is kept")
        moatdns.stop()
        moatdns.write_config(config_with("full"))
        moatdns.start()
        wait_until(lambda: settings(moatdns) == ("pseudonym", FULL), "it waits")
        moatdns.stop()
        found = read_agreed(moatdns.state_dir)
        assert found is not None
        write_agreed(moatdns.state_dir, found.in_force, FULL)  # as the control process does, which then has it read
        moatdns.start()
        wait_until(
            lambda: settings(moatdns) == ("full", {}), "what was agreed to is in force, though nobody read it then"
        )
        moatdns.reload({**config_with("pseudonym"), "retention": {"query_log_days": 300, "exemptions_days": 400}})
        wait_until(lambda: settings(moatdns) == ("pseudonym", {"retention.query_log_days": "300"}), "days wait, too")
        kept = {kind["name"]: kind["kept"] for kind in moatdns.api.get("privacy")["kinds"]}
        assert kept["query log"].startswith("30 days")
        assert kept["exemptions and requests"].startswith("400 days"), "which is less than for ever"
        moatdns.reload(config_with("hidden"))
        for_ever = {"retention.exemptions_days": "null"}
        wait_until(
            lambda: settings(moatdns) == ("hidden", for_ever), "what is narrower in one is held back in the other"
        )
        moatdns.reload(config_with("full", approval="none"))
        wait_until(lambda: settings(moatdns) == ("full", {}), "root ends four eyes")
        rows = wait_until(
            lambda: len(found := items(moatdns.api, "audit?action=widen&object=privacy")) == 2 and found, "its row"
        )
        assert [row["after"] for row in rows] == [FULL | for_ever, FULL]
