"""Commands on exemptions, leases and pauses. They call the admin API of a running server."""

from __future__ import annotations

import urllib.parse
from typing import Annotated

import typer

from moatdns.cli.api_client import ApiClient, IdArgument, Item, ReasonOption, api_command, checked_id
from moatdns.cli.common import fail, seconds_of, span_of
from moatdns.cli.output import print_json, print_line
from resolver.policy.groups import parse_client

exemption_app = typer.Typer()
lease_app = typer.Typer()
pause_app = typer.Typer()

ForOption = Annotated[str, typer.Option("--for", metavar="DURATION", help="How long: '90s', '30m', '8h', '14d', '2w'.")]


@api_command(exemption_app, "grant")
def grant(
    api: ApiClient,
    scope: Annotated[list[str], typer.Argument(help="What to open: 'ai', a vendor, a vendor/service, a list, a name.")],
    owner: Annotated[str, typer.Option("--owner", metavar="NAME", help="The person responsible for it.")],
    reason: ReasonOption,
    lasts: ForOption,
    client: Annotated[list[str] | None, typer.Option("--client", metavar="IP", help="Repeatable.")] = None,
    network: Annotated[str | None, typer.Option("--network", metavar="CIDR")] = None,
    group: Annotated[str | None, typer.Option("--group", metavar="NAME")] = None,
    identity: Annotated[str | None, typer.Option("--identity", metavar="WHO", help="The identity in a lease.")] = None,
    ticket: Annotated[str | None, typer.Option("--ticket", metavar="TEXT")] = None,
) -> None:
    """Grant an exemption, or request one under four eyes. Needs a client, network, group or identity."""
    given = {"clients": client or None, "network": network, "group": group, "identity": identity}
    subject = {name: value for name, value in given.items() if value is not None}
    if len(subject) != 1:
        fail("use exactly one of --client, --network, --group and --identity", code=2)
    body = {
        "subject": subject,
        "scope": scope,
        "owner": owner,
        "reason": reason,
        "ticket": ticket,
        "duration_seconds": seconds_of(lasts),
    }
    api.show(api.call("POST", "exemptions", body).body, _print_exemption)


@api_command(exemption_app, "list")
def list_exemptions(
    api: ApiClient,
    status: Annotated[str | None, typer.Option("--status", help="pending, active, expired, revoked or denied.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", metavar="NAME")] = None,
) -> None:
    """List exemptions, newest first."""
    api.show_all(list(api.items("exemptions", status=status, owner=owner)), _print_exemption)


@api_command(exemption_app, "show")
def show(api: ApiClient, number: IdArgument) -> None:
    """Show an exemption, with its history."""
    api.show(api.call("GET", f"exemptions/{_id(number)}").body, _print_with_history)


def _act(api: ApiClient, action: str, number: str, **body: str | int | None) -> None:
    api.show(api.call("POST", f"exemptions/{_id(number)}:{action}", body).body, _print_exemption)


@api_command(exemption_app, "approve")
def approve(api: ApiClient, number: IdArgument) -> None:
    """Approve an exemption, or its renewal, that another owner requested."""
    _act(api, "approve", number)


@api_command(exemption_app, "deny")
def deny(api: ApiClient, number: IdArgument, reason: ReasonOption = "") -> None:
    """Deny an exemption, or its renewal."""
    _act(api, "deny", number, reason=reason or None)


@api_command(exemption_app, "renew")
def renew(
    api: ApiClient,
    number: IdArgument,
    lasts: ForOption,
    reason: ReasonOption = "",
) -> None:
    """Renew an exemption for a duration from now."""
    _act(api, "renew", number, duration_seconds=seconds_of(lasts), reason=reason or None)


@api_command(exemption_app, "revoke")
def revoke(api: ApiClient, number: IdArgument, reason: ReasonOption = "") -> None:
    """End an exemption now."""
    _act(api, "revoke", number, reason=reason or None)


@api_command(lease_app, "set")
def set_lease(
    api: ApiClient,
    address: Annotated[str, typer.Argument(metavar="IP")],
    identity: Annotated[str, typer.Option("--identity", metavar="WHO")],
    lasts: ForOption,
    group: Annotated[
        str | None, typer.Option("--group", metavar="NAME", help="Default: the group of its network.")
    ] = None,
    also: Annotated[
        list[str] | None, typer.Option("--also", metavar="IP", help="One more address of the same device.")
    ] = None,
) -> None:
    """Lease an address to an identity, or renew the lease."""
    body = {"identity": identity, "group": group, "ttl_seconds": seconds_of(lasts), "addresses": also or []}
    api.show(api.call("PUT", f"leases/{_address(address)}", body).body, _print_lease)


@api_command(lease_app, "list")
def list_leases(
    api: ApiClient,
    identity: Annotated[str | None, typer.Option("--identity", metavar="WHO")] = None,
) -> None:
    """List leases by address."""
    api.show_all(list(api.items("leases", identity=identity)), _print_lease)


@api_command(lease_app, "end")
def end_lease(
    api: ApiClient,
    address: Annotated[str, typer.Argument(metavar="IP")],
    identity: Annotated[
        str | None,
        typer.Option("--identity", metavar="WHO", help="Only if the lease has this identity; required for role lease."),
    ] = None,
) -> None:
    """End the leases of all addresses of a device."""
    query = f"?{urllib.parse.urlencode({'identity': identity})}" if identity is not None else ""
    api.call("DELETE", f"leases/{_address(address)}{query}")
    if api.as_json:
        print_json({"ended": address}, indent=None)


@api_command(pause_app, "set")
def set_pause(
    api: ApiClient,
    reason: ReasonOption,
    lasts: ForOption,
    group: Annotated[str | None, typer.Option("--group", metavar="NAME", help="Default: every group.")] = None,
) -> None:
    """Only monitor a group, or every group, for a while."""
    body = {"group": group, "reason": reason, "duration_seconds": seconds_of(lasts)}
    api.show(api.call("POST", "pauses", body).body, _print_pause)


@api_command(pause_app, "list")
def list_pauses(api: ApiClient) -> None:
    """List all pauses."""
    api.show_all(api.call("GET", "pauses").body["items"], _print_pause)


@api_command(pause_app, "end")
def end_pause(api: ApiClient, number: IdArgument) -> None:
    """End a pause now."""
    api.call("DELETE", f"pauses/{_id(number)}")
    if api.as_json:
        print_json({"ended": number}, indent=None)


def _print_exemption(item: Item) -> None:
    kind, who = next(iter(item["subject"].items()))
    whom = ", ".join(who) if isinstance(who, list) else who
    state = item["status"] if item["status"] != "active" or item["in_force"] else f"from {item['starts_at'][:19]}Z"
    print_line(
        f"{item['id']} {state}: {', '.join(item['scope'])} for {kind} {whom} {_lasts(item)}, "
        f"{item['owner']}: {item['reason']}"
    )
    if item["status"] == "pending":
        print_line(
            f"  waits until {item['waits_until'][:19]}Z for approval by another owner than {item['requested_owner']}"
        )
    if item["renewal"]:
        print_line(f"  renewal until {item['renewal']['expires_at'][:19]}Z waits for approval")


def _print_with_history(item: Item) -> None:
    _print_exemption(item)
    for event in item["history"]:
        note = f": {event['note']}" if event["note"] else ""
        print_line(f"  {event['at'][:19]}Z {event['action']} by {event['actor']} ({event['owner']}){note}")


def _lasts(item: Item) -> str:
    """The requested duration, or the end."""
    seconds = item["requested_seconds"]
    if seconds is None:
        return f"until {item['expires_at'][:19]}Z"
    asked = f"{'requests' if item['status'] == 'pending' else 'requested'} {span_of(seconds)}"
    return asked if item["from_approval"] else f"{asked}, until {item['expires_at'][:19]}Z"


def _print_lease(item: Item) -> None:
    group = f", group {item['group']}" if item["group"] else ""
    print_line(f"{item['address']} {item['identity']}{group}, until {item['ends_at'][:19]}Z")


def _print_pause(item: Item) -> None:
    print_line(f"{item['id']} {item['group'] or 'every group'} until {item['expires_at'][:19]}Z: {item['reason']}")


def _id(text: str) -> str:
    return checked_id(text, "[a-z]{2}", "id: 'list' shows them")


def _address(text: str) -> str:
    """An address, fit for a path; an invalid one exits with status 2."""
    try:
        return str(parse_client(text))
    except ValueError:
        fail(f"{text!r} is not an IP address", code=2)
