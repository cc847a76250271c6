"""The whole life of an exception: granted over HTTP, seen by dig, over by itself, in the report. One server for all."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.support.clients import ask, dig, is_blocked, kdig
from tests.support.granting import IN_FORCE_SECONDS, blocked, end_of, grant, lease, until_blocked
from tests.support.lease_hooks import VPN, Gateway
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, wait_until
from tests.support.unbound import Unbound

PROXY = "127.0.0.77"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, world: Unbound) -> Iterator[Moatdns]:
    """Two workers, and a forwarder that is believed."""
    config = {
        "workers": 2,
        "upstream": {"servers": [world.server]},
        "clients": {"trusted_proxies": [{"network": PROXY, "sources": ["client-subnet"]}]},
        "query_log": {"what": "all"},
    }
    with Moatdns(tmp_path_factory.mktemp("exceptions"), config, with_api=True) as moatdns:
        moatdns.api.post("groups", {"name": "vpn", "exempt": True})
        yield moatdns


def test_an_exemption_bites_at_once_for_one_client_and_one_vendor_and_ends_by_itself(office: Moatdns) -> None:
    assert blocked(office, "127.0.0.9") == {True}
    made = grant(office, "127.0.0.9", 3)
    assert blocked(office, "127.0.0.9") == {False}
    shown = dig(office.port, "-b", "127.0.0.9", "claude.ai")
    assert shown.rdata
    assert shown.rdata != ["0.0.0.0"]
    assert blocked(office, "127.0.0.10") == {True}
    assert blocked(office, "127.0.0.9", "api.openai.com") == {True}
    assert -0.1 < until_blocked(office, "127.0.0.9", end_of(made)) < IN_FORCE_SECONDS
    assert blocked(office, "127.0.0.9") == {True}

    wait_until(lambda: office.api.get(f"exemptions/{made['id']}")["status"] == "expired", "its end in the record")
    report = {item["id"]: item for item in office.api.get("reports/exemptions?reason=a+test")["items"]}
    assert report[made["id"]]["uses"] > 16
    usage = office.api.get("reports/usage?by=group,vendor")["items"]
    assert any(item["vendor"] == "anthropic" and item["exempted"] > 16 and item["blocked"] > 16 for item in usage)
    wait_until(
        lambda: any(i["exemption"] == made["id"] for i in office.api.get("queries?verdict=exempt")["items"]),
        "the exemption in the query log",
    )


def test_a_revoked_exemption_is_closed_at_once(office: Moatdns) -> None:
    number = grant(office, "127.0.0.14", 60)["id"]
    assert blocked(office, "127.0.0.14") == {False}
    office.api.post(f"exemptions/{number}:revoke", {"reason": "done"}, status=200)
    assert blocked(office, "127.0.0.14") == {True}


def test_a_lease_gives_a_group_and_its_end_takes_it(office: Moatdns) -> None:
    lease(office, "127.0.0.20", group="vpn", addresses=["2001:db8::20"])
    assert blocked(office, "127.0.0.20") == {False}
    explained = office.api.get("explain?name=claude.ai&client=127.0.0.20")
    assert (explained["group"]["name"], explained["group"]["via"], explained["verdict"]) == ("vpn", "lease", "exempt")
    assert office.api.call("DELETE", "leases/2001:db8::20?identity=ana").status == 204
    assert blocked(office, "127.0.0.20") == {True}


def test_an_identity_is_exempt_wherever_it_is_leased(office: Moatdns) -> None:
    grant(office, "", 60, subject={"identity": "ben"})
    for address in ("127.0.0.21", "127.0.0.22"):
        lease(office, address, identity="ben")
        assert blocked(office, address) == {False}
    lease(office, "127.0.0.21", identity="eve")
    assert blocked(office, "127.0.0.21") == {True}


def test_a_forwarder_that_is_trusted_asks_for_one_client(office: Moatdns) -> None:
    lease(office, "127.0.0.30", group="vpn")
    for tcp in ((), ("+tcp",)):
        exempt = kdig(office.port, "claude.ai", "-b", PROXY, "+subnet=127.0.0.30/32", *tcp)
        assert (exempt.rdata != ["0.0.0.0"], "CLIENT-SUBNET: 127.0.0.30/32/32" in exempt.text) == (True, True)
        other = kdig(office.port, "claude.ai", "-b", PROXY, "+subnet=127.0.0.31/32", *tcp)
        assert other.rdata == ["0.0.0.0"]
        for nobody in (("+subnet=127.0.0.0/24",), ("+subnet=0.0.0.0/0",), ()):
            refused = kdig(office.port, "claude.ai", "-b", PROXY, *nobody, *tcp)
            assert (refused.status, refused.ede[0][0]) == ("REFUSED", 18), nobody
        stranger = kdig(office.port, "claude.ai", "-b", "127.0.0.78", "+subnet=127.0.0.30/32", *tcp)
        assert (stranger.rdata, "CLIENT-SUBNET" in stranger.text) == (["0.0.0.0"], False)
    refused = kdig(office.port, "claude.ai", "-b", PROXY, "+subnet=8.8.8.8/32")
    assert refused.status == "REFUSED"


def test_a_pause_opens_and_is_over_by_itself(office: Moatdns) -> None:
    made = office.api.post("pauses", {"group": "default", "reason": "incident", "duration_seconds": 2})
    assert blocked(office, "127.0.0.40") == {False}
    assert until_blocked(office, "127.0.0.40", end_of(made)) < IN_FORCE_SECONDS


def test_a_schedule_is_in_force_by_one_patch_and_explained(office: Moatdns) -> None:
    windows = [{"days": ["mon"], "start": "03:00", "end": "03:01"}, {"days": ["thu"], "start": "03:00", "end": "03:01"}]
    schedule = {"time_zone": "Europe/Berlin", "windows": windows}
    assert office.api.call("PATCH", "groups/default", {"schedule": schedule}).status == 200
    try:
        assert blocked(office, "127.0.0.41") == {False}
        trace = office.api.get("explain?name=claude.ai&client=127.0.0.41")["trace"]
        assert [step["outcome"] for step in trace if step["step"] in ("schedule", "mode")] == ["watched", "monitor"]
    finally:
        assert office.api.call("PATCH", "groups/default", {"schedule": None}).status == 200
    assert blocked(office, "127.0.0.41") == {True}


def command(office: Moatdns, *arguments: str, status: int = 0) -> str:
    """What a command prints: on stdout, or on stderr if it is to fail."""
    environ = {**os.environ, "MOATDNS_TOKEN": str(office.api.token), "NO_COLOR": "1"}
    url = f"http://127.0.0.1:{office.admin_port}"
    done = subprocess.run(
        [MOATDNS, *arguments, "--url", url],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        env=environ,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stderr


def test_the_commands_grant_list_renew_and_revoke(office: Moatdns) -> None:
    run = partial(command, office)
    asked = ["--client", "127.0.0.50", "--owner", "Ana", "--reason", "a test", "--for", "5m", "--json"]
    number = json.loads(run("exemption", "grant", "anthropic", *asked))["id"]
    assert blocked(office, "127.0.0.50") == {False}
    assert f"{number} active: anthropic for client 127.0.0.50" in run("exemption", "list", "--status", "active")
    run("exemption", "renew", number, "--for", "1h")
    run("exemption", "revoke", number, "--reason", "done")
    assert "revoke by token:first" in run("exemption", "show", number)
    assert blocked(office, "127.0.0.50") == {True}
    assert "'antropic' is not known: did you mean 'anthropic'?" in run(
        "exemption", "grant", "antropic", *asked, status=1
    )
    run("exemption", "grant", "anthropic", "--owner", "A", "--reason", "r", "--for", "1h", status=2)
    assert run("exemption", "show", "nope", status=2) == "'nope' is not an id: 'list' shows them\n"
    assert run("exemption", "show", "ex-0", status=1) == "there is no exemption 'ex-0'\n"
    assert run("lease", "end", "nope", status=2) == "'nope' is not an IP address\n"

    run("lease", "set", "127.0.0.51", "--identity", "ana", "--group", "vpn", "--for", "1h", "--also", "2001:db8::51")
    assert blocked(office, "127.0.0.51") == {False}
    assert "2001:db8::51 ana, group vpn" in run("lease", "list")
    run("lease", "end", "2001:db8::51", "--identity", "ana")
    assert blocked(office, "127.0.0.51") == {True}

    pause = json.loads(run("pause", "set", "--reason", "incident", "--for", "1h", "--json"))["id"]
    assert blocked(office, "127.0.0.52") == {False}
    assert pause in run("pause", "list")
    run("pause", "end", pause)
    assert blocked(office, "127.0.0.52") == {True}


def test_the_commands_export_plan_apply_and_roll_back(office: Moatdns, tmp_path: Path) -> None:
    run, file = partial(command, office), tmp_path / "policy.yaml"
    run("policy", "export", str(file))
    assert run("policy", "plan", str(file)) == run("policy", "apply", str(file)) == "nothing would change\n"
    document = yaml.safe_load(file.read_text())
    before = document["revision"]
    document["policy"]["lists"].append({"name": "house", "block": ["filed.example"]})
    file.write_text(yaml.safe_dump(document))
    assert "+ lists/house\n" in run("policy", "plan", str(file))
    assert "use --yes" in run("policy", "apply", str(file), status=2)
    assert blocked(office, "127.0.0.61", "filed.example") == {False}
    assert run("policy", "apply", str(file), "--yes").endswith(f"in force as revision {before + 1}\n")
    assert blocked(office, "127.0.0.61", "filed.example") == {True}
    assert "planned against" in run("policy", "apply", str(file), "--revision", str(before), status=1)
    replay = ("policy", "plan", str(file), "--replay")
    assert run(*replay, "9999w", "--reason", "a test", status=2).startswith("--replay: ")
    assert run(*replay, "7d", status=2).startswith("--reason: is required with --replay")
    # What explains itself speaks of the same revisions as the history.
    explained = subprocess.run(
        [MOATDNS, "explain", "filed.example", "--json", "--config", str(office.config_file)],
        capture_output=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    assert json.loads(explained.stdout)["revision"] == before + 1
    assert office.api.get("explain?name=filed.example")["revision"] == before + 1
    assert f"{before + 1} " in run("policy", "history", "--limit", "1")
    assert json.loads(run("policy", "rollback", str(before), "--yes", "--json"))["revision"] == before + 2
    assert blocked(office, "127.0.0.61", "filed.example") == {False}


def test_a_planned_policy_is_replayed_on_what_clients_asked(office: Moatdns) -> None:
    assert not is_blocked(ask(office.port, "plain.example", client="127.0.0.60"))
    wait_until(lambda: office.api.get("queries?name=plain.example")["items"], "the query log")
    document = office.api.get("policy")
    document["policy"]["lists"].append({"name": "house", "block": ["plain.example"]})
    document["policy"]["groups"].append({"name": "lab", "networks": ["127.0.0.9/32"], "exempt": True})
    plan = office.api.call("POST", "policy:plan?replay_seconds=86400&reason=test", document)
    assert plan.status == 200, plan
    found = {(i["client"], i["name"]): (i["before"], i["after"]) for i in plan.body["replay"]["items"]}
    assert found["127.0.0.60", "plain.example"] == ("allow", "block")
    assert found["127.0.0.9", "claude.ai"] == ("block", "exempt")
    assert plan.body["replay"]["cannot_show"] == []  # all queries are logged, with their clients
    assert not is_blocked(ask(office.port, "plain.example", client="127.0.0.60"))


def test_the_vpn_hook_that_ships_leases_by_the_api(office: Moatdns, tmp_path: Path) -> None:
    token = office.api.post("tokens", {"name": "vpn-hook", "owner": "VPN", "role": "lease"})["token"]
    gateway = Gateway(tmp_path, f"http://127.0.0.1:{office.admin_port}", GROUP="vpn")
    gateway.token_file.write_text(token)
    hook = VPN / "openvpn-learn-address"
    for words in (("add", "127.0.0.61", "ana"), ("add", "127.0.0.62", "ben")):
        assert gateway.run(hook, *words).returncode == 0
    wait_until(lambda: blocked(office, "127.0.0.61") == blocked(office, "127.0.0.62") == {False}, "leases")
    assert gateway.run(hook, "update", "127.0.0.62", "eve").returncode == 0
    assert gateway.run(hook, "delete", "127.0.0.61").returncode == 0
    wait_until(lambda: blocked(office, "127.0.0.61") == {True}, "the end of a lease")
    wait_until(lambda: office.api.get("leases/127.0.0.62")["identity"] == "eve", "the next one's lease")
    gateway.end()
