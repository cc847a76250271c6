"""Commands on the inbox of unlisted names. They call the admin API of a running server."""

from __future__ import annotations

from typing import Annotated

import typer

from moatdns.cli.api_client import ApiClient, Item, ReasonOption, api_command
from moatdns.cli.common import fail
from moatdns.cli.output import print_line
from resolver.errors import RuleError
from resolver.wire.names import parse_name, to_text

unlisted_app = typer.Typer()

DomainArgument = Annotated[str, typer.Argument(metavar="DOMAIN", help="As 'list' shows it.")]
ListOption = Annotated[
    str | None, typer.Option("--list", metavar="NAME", help="Your own list that gets the rule; default: 'unlisted'.")
]
RuleOption = Annotated[
    str | None, typer.Option("--rule", metavar="RULE", help="A narrower rule, such as '=api.example.ai'.")
]


@api_command(unlisted_app, "list")
def list_unlisted(
    api: ApiClient,
    status: Annotated[
        str | None, typer.Option("--status", help="new, wanted, blocked, allowed or ignored; default: all.")
    ] = None,
    contains: Annotated[str | None, typer.Option("--contains", metavar="TEXT", help="A text in the domain.")] = None,
) -> None:
    """List domains that look like an AI service and match no rule, most evidence first."""
    api.show_all(list(api.items("unlisted", status=status, contains=contains)), _print_unlisted)


@api_command(unlisted_app, "show")
def show(api: ApiClient, domain: DomainArgument) -> None:
    """Show a domain, its evidence, and what a block would have met."""
    api.show(api.call("GET", f"unlisted/{_domain(domain)}").body, _print_unlisted)


@api_command(unlisted_app, "block")
def block(api: ApiClient, domain: DomainArgument, in_list: ListOption = None, rule: RuleOption = None) -> None:
    """Block a domain by a rule in a list of yours."""
    _decide(api, domain, "block", list=in_list, rule=rule)


@api_command(unlisted_app, "allow")
def allow(api: ApiClient, domain: DomainArgument, in_list: ListOption = None, rule: RuleOption = None) -> None:
    """Allow a domain by a rule in a list of yours."""
    _decide(api, domain, "allow", list=in_list, rule=rule)


@api_command(unlisted_app, "ignore")
def ignore(api: ApiClient, domain: DomainArgument, reason: ReasonOption = "") -> None:
    """Ignore a domain: no rule, and no longer new."""
    _decide(api, domain, "ignore", reason=reason or None)


@api_command(unlisted_app, "want")
def want(api: ApiClient, domain: DomainArgument, reason: ReasonOption = "") -> None:
    """Note that people need a domain: no rule yet, and no longer new."""
    _decide(api, domain, "want", reason=reason or None)


def _decide(api: ApiClient, domain: str, action: str, **body: str | None) -> None:
    given = {name: value for name, value in body.items() if value is not None}
    api.show(api.call("POST", f"unlisted/{_domain(domain)}:{action}", given).body, _print_decided)


def _print_unlisted(item: Item) -> None:
    forecast = item["forecast"]
    print_line(
        f"{item['domain']} {item['status']}, {item['score']} points: {forecast['queries_a_day']:g} queries a day of "
        f"about {item['clients']} clients, last {item['last_at'][:19]}Z"
    )
    print_line(f"  {', '.join(item['hosts'])}")
    for piece in item["evidence"]:
        print_line(f"  {piece['points']:>3} {piece['kind']}: {piece['what']}")
    if item["rule"]:
        print_line(f"  {item['status']} by {item['rule']} in list {item['list']}")


def _print_decided(item: Item) -> None:
    print_line(f"{item['domain']} {item['status']}" + (f" by {item['rule']} in {item['list']}" if item["rule"] else ""))
    if item["rule"] and not item["groups"]:
        print_line(f"  no group has list {item['list']} in force: add it, or 'lists', to what a group blocks")


def _domain(text: str) -> str:
    """A domain, fit for a path; an invalid one exits with status 2."""
    try:
        return to_text(parse_name(text))
    except RuleError as error:
        fail(str(error), code=2)
