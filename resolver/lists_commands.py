"""The commands about lists: what is in a file, and what the policy covers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from blocklists.formats.content import ListContent
from blocklists.formats.reading import FORMATS, read_list
from resolver.command_line import JsonOption, fail, print_line
from resolver.errors import ListError

lists_app = typer.Typer(help="Lists of rules: what a file holds, and what the policy covers.", no_args_is_help=True)

_PIECE = 1 << 16
_STDIN = "-"


@lists_app.command("check")
def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Lists, plain or gzip; '-' is stdin.")],
    list_format: Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Tell what lists hold, and what of them cannot be read: 0 when all can, 1 when not."""
    if list_format not in FORMATS:
        fail(f"--format: {list_format!r} is not known: take one of {', '.join(FORMATS)}", code=2)
    reports: list[dict[str, Any]] = []
    for name in files:
        try:
            content = _read(name, list_format)
        except ListError as error:
            reports.append({"file": name, "ok": False, "error": str(error)})
        except OSError as error:
            reports.append({"file": name, "ok": False, "error": f"cannot be read: {error.strerror or error}"})
        else:
            reports.append({"file": name, "ok": content.problem_count == 0, **_plain(content)})
    if as_json:
        print_line(json.dumps(reports, indent=2))
    else:
        for report in reports:
            _tell(report)
    if not all(report["ok"] for report in reports):
        raise typer.Exit(1)


def _read(name: str, list_format: str) -> ListContent:
    if name == _STDIN:
        return read_list(_pieces(sys.stdin.buffer), list_format, may_have_regexes=True)
    with Path(name).open("rb") as file:
        return read_list(_pieces(file), list_format, may_have_regexes=True)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


def _plain(content: ListContent) -> dict[str, Any]:
    plain = asdict(content)
    del plain["content"]
    return plain


def _tell(report: dict[str, Any]) -> None:
    if "error" in report:
        print_line(f"{report['file']}: {report['error']}")
        return
    print_line(
        f"{report['file']}: {report['format']}, {report['rules']:,} rules ({report['patterns']} patterns, "
        f"{report['regexes']} regular expressions), {report['lines']:,} lines, {report['duplicates']:,} twice"
    )
    for reason, found in report["inexpressible"].items():
        print_line(f"  left out: {found['count']:,} (line {found['line']}, …): {reason}")
    for problem in report["problems"]:
        print_line(f"  line {problem['line']}: {problem['text']!r}: {problem['reason']}")
    if report["problem_count"] > len(report["problems"]):
        print_line(f"  and {report['problem_count'] - len(report['problems']):,} more lines that cannot be read")
