"""The commands about lists: what is in a file, and what the policy covers."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from admin_api.query_log.files import FOLDER, days, open_to_read, path_of
from admin_api.query_log.tallies import names_of
from admin_api.query_log.unreadable import BlockPlace, lacks_of
from blocklists.formats.content import ListContent
from blocklists.formats.reading import FORMATS, read_list
from blocklists.loading import load_catalogue
from blocklists.neighbours import Neighbourhood
from moatdns.cli.common import ConfigOption, JsonOption, fail
from moatdns.cli.output import print_json, print_line, print_problems
from moatdns.cli.reading import load, policy_of
from resolver.errors import ListError, RuleError
from resolver.policy.decision import Decision, Verdict
from resolver.wire.names import key_of, parse_any_name

lists_app = typer.Typer()

_PIECE = 1 << 16
_STDIN = "-"


@lists_app.command("check")
def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Lists, plain or gzip; '-' is stdin.")],
    list_format: Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Show the contents of lists, and unreadable lines: exit 0 if there are none, else 1."""
    if list_format not in FORMATS:
        fail(f"--format: {list_format!r} is not known: use one of {', '.join(FORMATS)}", code=2)
    found = [(name, _read(name, list_format)) for name in files]
    if as_json:
        print_json([{"file": name, **_plain(content)} for name, content in found])
    else:
        for name, content in found:
            _tell(name, content)
    if any(isinstance(content, str) or content.problem_count for _, content in found):
        raise typer.Exit(1)


def _read(name: str, list_format: str) -> ListContent | str:
    """The content of a file, or why it cannot be read."""
    try:
        if name == _STDIN:
            return read_list(_pieces(sys.stdin.buffer), list_format, may_have_regexes=True)
        with Path(name).open("rb") as file:
            return read_list(_pieces(file), list_format, may_have_regexes=True)
    except ListError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


def _plain(content: ListContent | str) -> dict[str, object]:
    if isinstance(content, str):
        return {"ok": False, "error": content}
    plain = asdict(content)
    del plain["content"]
    return {"ok": content.problem_count == 0, **plain}


def _tell(name: str, content: ListContent | str) -> None:
    if isinstance(content, str):
        print_line(f"{name}: {content}")
        return
    print_line(
        f"{name}: {content.format}, {content.rules:,} rules ({content.patterns} patterns, "
        f"{content.regexes} regular expressions), {content.lines:,} lines, {content.duplicates:,} duplicates"
    )
    for reason, found in content.inexpressible.items():
        print_line(f"  skipped: {found.count:,} (line {found.line}, …): {reason}")
    for problem in content.problems:
        print_line(f"  line {problem.line}: {problem.text!r}: {problem.reason}")
    if content.problem_count > len(content.problems):
        print_line(f"  and {content.problem_count - len(content.problems):,} more lines that cannot be read")


@lists_app.command("coverage")
def coverage(
    names: Annotated[
        str | None, typer.Option("--names", metavar="FILE", help="Names, one a line; '-' is stdin.")
    ] = None,
    config: ConfigOption = None,
    client: Annotated[str, typer.Option(metavar="IP", help="The client's address.")] = "127.0.0.1",
    query_log: Annotated[
        bool, typer.Option("--query-log", help="Search the query log for unlisted names next to listed ones.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show which names the policy blocks, by which rule, and which not: exit 0 if all are blocked, else 1.

    With --query-log: queried names that match no rule and are next to a listed one: below the same registrable
    domain, or with a listed CNAME target. Exit 0 if there are none, else 1.
    """
    if (names is None) is not query_log:
        fail("use either --names FILE or --query-log", code=2)
    path, loaded = load(config)
    text = _text_of(names) if names is not None else ""
    policy, origin = policy_of(path, loaded)
    try:
        view, _ = policy.view_of(client)
    except ValueError as error:
        fail(f"--client: {error}", code=2)
    if names is not None:
        _cover(names, text, lambda key: policy.decide(view, key), origin, as_json=as_json)
    else:
        stack = policy.stack
        _find_neighbours(
            loaded.state_dir / FOLDER, lambda key: bool(stack.matches(key, stack.walk(key))), as_json=as_json
        )


def _text_of(source: str) -> str:
    try:
        return sys.stdin.read() if source == _STDIN else Path(source).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        fail(f"{source}: cannot be read: {error}")


def _cover(source: str, text: str, decide: Callable[[bytes], Decision], origin: str, *, as_json: bool) -> None:
    rows: list[dict[str, str | None]] = []
    for number, line in enumerate(text.splitlines(), 1):
        name = line.partition("#")[0].strip()
        if not name:
            continue
        try:
            decision = decide(key_of(parse_any_name(name)))
        except RuleError as error:
            fail(f"{source}:{number}: {error}", code=2)
        rule = decision.rule
        rows.append(
            {
                "name": name,
                "verdict": decision.verdict.value,
                "service": decision.service,
                "list": rule.list if rule else None,
                "rule": rule.text if rule else None,
            }
        )
    open_names = [row for row in rows if row["verdict"] != Verdict.BLOCK.value]
    if as_json:
        print_json({"origin": origin, "names": rows, "not_blocked": len(open_names)})
    else:
        for row in rows:
            by = f"{row['rule']} of {row['list']}" if row["rule"] else "no rule matches"
            print_line(f"{row['verdict']:<8} {row['name']:<50} {by}")
        print_line(f"{len(rows) - len(open_names)} of {len(rows)} names are blocked (policy: {origin})")
    if open_names:
        raise typer.Exit(1)


@dataclass(slots=True)
class _Neighbour:
    """A name of the query log that no list has, next to one that some has."""

    name: str
    queries: int = 0
    domain: str | None = None  # registrable, that both are below
    services: list[str] = field(default_factory=list)
    by: str = "domain"  # or "cname"


def _find_neighbours(folder: Path, is_listed: Callable[[bytes], bool], *, as_json: bool) -> None:
    neighbourhood = Neighbourhood(load_catalogue())
    found: dict[str, _Neighbour] = {}
    for name, count, service in _seen(folder):
        try:
            is_matched = is_listed(key_of(parse_any_name(name)))
        except RuleError:
            continue
        near = neighbourhood.of(name)
        if is_matched or (service is None and near is None):
            continue
        row = found.setdefault(name, _Neighbour(name))
        row.queries += count
        if service is not None:  # it matched by what it led to
            row.by, row.services = "cname", [service]
        elif near is not None and row.by == "domain":
            row.domain, row.services = near[0], list(near[1])
    rows = sorted(found.values(), key=lambda row: (-row.queries, row.name))
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        for row in rows:
            how = f"below {row.domain}, like names" if row.by == "domain" else "leads to a name"
            print_line(f"{row.queries:>8,} {row.name:<50} {how} of {', '.join(row.services)}")
        print_line(f"{len(rows)} unlisted neighbours in the query log" if rows else "no unlisted neighbours")
    if rows:
        raise typer.Exit(1)


def _seen(folder: Path) -> Iterator[tuple[str, int, str | None]]:
    """Names of the query log, how often, and the service that each was counted for."""
    unreadable: list[BlockPlace] = []
    for day in days(folder):
        try:
            connection = open_to_read(folder, day)
            try:
                met: list[int] = []
                yield from names_of(connection, met.append)
                unreadable += [(day, number) for number in met]
            finally:
                connection.close()
        except sqlite3.Error as error:
            fail(f"{path_of(folder, day)}: cannot be read: {error}")
    print_problems(*lacks_of(unreadable))
