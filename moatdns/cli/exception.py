"""Commands on exemptions, leases and pauses. They call the admin API of a running server."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable
from typing import Annotated, Any

import typer

from moatdns.cli.api_client import DEFAULT_URL, ApiClient, CaOption, TokenFileOption, UrlOption
from moatdns.cli.common import JsonOption, fail, print_json, print_line, seconds_of, span_of
from resolver.policy.groups import parse_client

exemption_app = typer.Typer(help="Exemptions: granted for a while, to whom, by whom and why.", no_args_is_help=True)
lease_app = typer.Typer(help="Leases: who has which address for now.", no_args_is_help=True)
pause_app = typer.Typer(help="Pauses: a group, or every group, is only watched for a while.", no_args_is_help=True)

_ID = re.compile(r"[a-z]{2}-[0-9a-f]{1,40}\Z")

ForOption = Annotated[str, typer.Option("--for", metavar="DURATION", help="How long: '90s', '30m', '8h', '14d', '2w'.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT")]


@exemption_app.command("grant")
def grant(
    scope: Annotated[list[str], typer.Argument(help="What is open: 'ai', a vendor, a vendor/service, a list, a name.")],
    owner: Annotated[str, typer.Option("--owner", metavar="NAME", help="Who asked for it, and answers for it.")],
    reason: ReasonOption,
    lasts: ForOption,
    client: Annotated[
        list[str] | None, typer.Option("--client", metavar="IP", help="May be given more than once.")
    ] = None,
    network: Annotated[str | None, typer.Option("--network", metavar="CIDR")] = None,
    group: Annotated[str | None, typer.Option("--group", metavar="NAME")] = None,
    identity: Annotated[str | None, typer.Option("--identity", metavar="WHO", help="As leases have it.")] = None,
    ticket: Annotated[str | None, typer.Option("--ticket", metavar="TEXT")] = None,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Grant an exemption, or ask for one where two have to agree. One of client, network, group and identity."""
    given = {"clients": client or None, "network": network, "group": group, "identity": identity}
    subject = {name: value for name, value in given.items() if value is not None}
    if len(subject) != 1:
        fail("say to whom by one of --client, --network, --group and --identity", code=2)
    body = {
        "subject": subject,
        "scope": scope,
        "owner": owner,
        "reason": reason,
        "ticket": ticket,
        "duration_seconds": seconds_of(lasts),
    }
    _show_exemption(ApiClient(url, token_file, ca).call("POST", "exemptions", body).body, as_json=as_json)


@exemption_app.command("list")
def list_exemptions(
    status: Annotated[str | None, typer.Option("--status", help="pending, active, expired, revoked or denied.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", metavar="NAME")] = None,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """List exemptions, newest first."""
    items = list(ApiClient(url, token_file, ca).items("exemptions", status=status, owner=owner))
    if as_json:
        print_json(items)
        return
    for item in items:
        _show_exemption(item, as_json=False)


@exemption_app.command("show")
def show(
    number: Annotated[str, typer.Argument(metavar="ID")],
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an exemption, with all that happened to it."""
    body = ApiClient(url, token_file, ca).call("GET", f"exemptions/{_id(number)}").body
    _show_exemption(body, as_json=as_json)
    if not as_json:
        for event in body["history"]:
            note = f": {event['note']}" if event["note"] else ""
            print_line(f"  {event['at'][:19]}Z {event['action']} by {event['actor']} ({event['owner']}){note}")


def _act(action: str, number: str, body: dict[str, Any], client: ApiClient, *, as_json: bool) -> None:
    _show_exemption(client.call("POST", f"exemptions/{_id(number)}:{action}", body).body, as_json=as_json)


@exemption_app.command("approve")
def approve(
    number: Annotated[str, typer.Argument(metavar="ID")],
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve what somebody else asked for: an exemption, or its renewal."""
    _act("approve", number, {}, ApiClient(url, token_file, ca), as_json=as_json)


@exemption_app.command("deny")
def deny(
    number: Annotated[str, typer.Argument(metavar="ID")],
    reason: ReasonOption = "",
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deny an exemption, or its renewal."""
    _act("deny", number, {"reason": reason or None}, ApiClient(url, token_file, ca), as_json=as_json)


@exemption_app.command("renew")
def renew(
    number: Annotated[str, typer.Argument(metavar="ID")],
    lasts: ForOption,
    reason: ReasonOption = "",
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let an exemption last longer, from now on."""
    body = {"duration_seconds": seconds_of(lasts), "reason": reason or None}
    _act("renew", number, body, ApiClient(url, token_file, ca), as_json=as_json)


@exemption_app.command("revoke")
def revoke(
    number: Annotated[str, typer.Argument(metavar="ID")],
    reason: ReasonOption = "",
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """End an exemption now."""
    _act("revoke", number, {"reason": reason or None}, ApiClient(url, token_file, ca), as_json=as_json)


@lease_app.command("set")
def set_lease(
    address: Annotated[str, typer.Argument(metavar="IP")],
    identity: Annotated[str, typer.Option("--identity", metavar="WHO")],
    lasts: ForOption,
    group: Annotated[str | None, typer.Option("--group", metavar="NAME", help="Left out: its network's.")] = None,
    also: Annotated[
        list[str] | None, typer.Option("--also", metavar="IP", help="One more address of the same device.")
    ] = None,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lease an address to an identity, or renew that."""
    body = {"identity": identity, "group": group, "ttl_seconds": seconds_of(lasts), "addresses": also or []}
    item = ApiClient(url, token_file, ca).call("PUT", f"leases/{_address(address)}", body).body
    if as_json:
        print_json(item)
    else:
        print_line(_lease_line(item))


@lease_app.command("list")
def list_leases(
    identity: Annotated[str | None, typer.Option("--identity", metavar="WHO")] = None,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """List leases by address."""
    items = list(ApiClient(url, token_file, ca).items("leases", identity=identity))
    _show_all(items, _lease_line, as_json=as_json)


@lease_app.command("end")
def end_lease(
    address: Annotated[str, typer.Argument(metavar="IP")],
    identity: Annotated[
        str | None, typer.Option("--identity", metavar="WHO", help="Only if it is this one's; role lease has to say.")
    ] = None,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """End the leases of a device, all its addresses."""
    query = f"?{urllib.parse.urlencode({'identity': identity})}" if identity is not None else ""
    ApiClient(url, token_file, ca).call("DELETE", f"leases/{_address(address)}{query}")
    if as_json:
        print_json({"ended": address}, indent=None)


@pause_app.command("set")
def set_pause(
    reason: ReasonOption,
    lasts: ForOption,
    group: Annotated[str | None, typer.Option("--group", metavar="NAME", help="Left out: every group.")] = None,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Only watch a group, or every group, for a while."""
    body = {"group": group, "reason": reason, "duration_seconds": seconds_of(lasts)}
    item = ApiClient(url, token_file, ca).call("POST", "pauses", body).body
    if as_json:
        print_json(item)
    else:
        print_line(_pause_line(item))


@pause_app.command("list")
def list_pauses(
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """List all pauses."""
    items = ApiClient(url, token_file, ca).call("GET", "pauses").body["items"]
    _show_all(items, _pause_line, as_json=as_json)


@pause_app.command("end")
def end_pause(
    number: Annotated[str, typer.Argument(metavar="ID")],
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a pause now."""
    ApiClient(url, token_file, ca).call("DELETE", f"pauses/{_id(number)}")
    if as_json:
        print_json({"ended": number}, indent=None)


def _show_exemption(item: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(item)
        return
    kind, who = next(iter(item["subject"].items()))
    whom = ", ".join(who) if isinstance(who, list) else who
    state = item["status"] if item["status"] != "active" or item["in_force"] else f"from {item['starts_at'][:19]}Z"
    print_line(
        f"{item['id']} {state}: {', '.join(item['scope'])} for {kind} {whom} {_lasts(item)}, "
        f"{item['owner']}: {item['reason']}"
    )
    if item["status"] == "pending":
        print_line(f"  waits until {item['waits_until'][:19]}Z: another than {item['requested_owner']} approves it")
    if item["renewal"]:
        print_line(f"  renewal until {item['renewal']['expires_at'][:19]}Z waits for approval")


def _lasts(item: dict[str, Any]) -> str:
    """For how long it was asked, or until when it lasts."""
    seconds = item["requested_seconds"]
    if seconds is None:
        return f"until {item['expires_at'][:19]}Z"
    asked = f"{'asks' if item['status'] == 'pending' else 'asked'} for {span_of(seconds)}"
    return asked if item["from_approval"] else f"{asked}, until {item['expires_at'][:19]}Z"


def _show_all(items: list[dict[str, Any]], line: Callable[[dict[str, Any]], str], *, as_json: bool) -> None:
    if as_json:
        print_json(items)
        return
    for item in items:
        print_line(line(item))


def _lease_line(item: dict[str, Any]) -> str:
    group = f", group {item['group']}" if item["group"] else ""
    return f"{item['address']} {item['identity']}{group}, until {item['ends_at'][:19]}Z"


def _pause_line(item: dict[str, Any]) -> str:
    return f"{item['id']} {item['group'] or 'every group'} until {item['expires_at'][:19]}Z: {item['reason']}"


def _id(text: str) -> str:
    """An id, fit for a path; ends with status 2 for what is none."""
    if _ID.match(text) is None:
        fail(f"{text!r} is no id: 'list' shows them", code=2)
    return text


def _address(text: str) -> str:
    """An address, fit for a path; ends with status 2 for what is none."""
    try:
        return str(parse_client(text))
    except ValueError:
        fail(f"{text!r} is no IP address", code=2)
