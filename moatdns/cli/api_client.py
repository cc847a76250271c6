"""The admin API as the commands call it: one request, and errors as sentences."""

from __future__ import annotations

import http.client
import inspect
import json
import os
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Concatenate, NoReturn, ParamSpec

import typer

from moatdns.cli.common import JsonOption, fail
from moatdns.cli.output import print_json

DEFAULT_URL = "http://127.0.0.1:8053"
TOKEN_VARIABLE = "MOATDNS_TOKEN"  # noqa: S105 (its name)
_SECONDS = 75.0  # the server ends a call after sixty
_MOST_REPLY_BYTES = 256 << 20

Item = dict[str, Any]
"""A JSON object as the API sent it: its keys are those of the API's description."""

P = ParamSpec("P")
Command = Callable[Concatenate["ApiClient", P], None]

UrlOption = Annotated[
    str, typer.Option("--url", envvar="MOATDNS_URL", metavar="URL", help="Base URL of the admin API.")
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help=f"File with the token; default: the value of ${TOKEN_VARIABLE}."),
]
CaOption = Annotated[
    Path | None, typer.Option("--ca", metavar="FILE", help="PEM file of the CA that signed the server's certificate.")
]
IdArgument = Annotated[str, typer.Argument(metavar="ID")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT")]


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """The API's answer to one call."""

    status: int
    body: Any
    headers: dict[str, str]


class ApiClient:
    """Calls to one admin API. Any failure ends the command with a message and status 1."""

    def __init__(
        self, url: str, token_file: Path | None = None, ca: Path | None = None, *, as_json: bool = False
    ) -> None:
        """`as_json`: `show` prints what the API sent as it is."""
        self.as_json = as_json
        self._base = url.rstrip("/")
        scheme = _scheme_of(self._base)
        if scheme not in ("http", "https"):
            fail(f"--url: {url!r} is not a URL: write it as in '{DEFAULT_URL}'", code=2)
        self._token = _token(token_file)
        try:
            context = ssl.create_default_context(cafile=str(ca) if ca else None) if scheme == "https" else None
        except OSError as error:
            fail(f"--ca: {ca}: {error.strerror or error}", code=2)
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({}), _NoRedirects()]
        if context is not None:
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def call(
        self, method: str, path: str, body: Any = None, *, accept: tuple[int, ...] = (), **headers: str
    ) -> ApiAnswer:
        """One request to a path below /api/v1. Statuses of errors end the command unless they are in `accept`."""
        sent = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        request = urllib.request.Request(f"{self._base}/api/v1/{path}", data, sent, method=method)  # noqa: S310
        try:
            with self._opener.open(request, timeout=_SECONDS) as response:
                answer = _answer(response.status, response.headers, response.read(_MOST_REPLY_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                answer = _answer(error.code, error.headers, error.read(1 << 20))
            if answer.status in accept:
                return answer
            _refused(answer)
        except (OSError, http.client.HTTPException, UnicodeError) as error:  # UnicodeError: of a host that is no name
            reason = getattr(error, "reason", None) or error
            fail(f"{self._base} cannot be reached: {reason}; is moatdns running, and is --url correct?")
        _end_if_waiting(answer)
        return answer

    def items(self, path: str, **filters: str | None) -> Iterator[Item]:
        """All items of a listing, page by page."""
        cursor: str | None = None
        while True:
            given = {"limit": "1000", "cursor": cursor, **filters}
            query = urllib.parse.urlencode({name: value for name, value in given.items() if value is not None})
            page = self.call("GET", f"{path}?{query}").body
            yield from page["items"]
            cursor = page.get("next")
            if cursor is None:
                return

    def show(self, item: Item, in_words: Callable[[Item], None], *, indent: int | None = 2) -> None:
        """Print one object, as JSON where that is wanted, else in words."""
        if self.as_json:
            print_json(item, indent=indent)
        else:
            in_words(item)

    def show_all(self, items: Sequence[Item], in_words: Callable[[Item], None]) -> None:
        """Print objects, as a JSON array where that is wanted, else each in words."""
        if self.as_json:
            print_json(items)
            return
        for item in items:
            in_words(item)


def api_command(app: typer.Typer, name: str) -> Callable[[Command[P]], Command[P]]:
    """Make a function a command that calls the API.

    Its first parameter is the client; the options of all such commands are put behind its own.
    """

    def decorate(function: Command[P]) -> Command[P]:
        run: Callable[..., None] = function  # typer gives by keyword what it has read by the signature below

        def command(
            url: UrlOption = DEFAULT_URL,
            token_file: TokenFileOption = None,
            ca: CaOption = None,
            as_json: JsonOption = False,
            **own: Any,
        ) -> None:
            run(ApiClient(url, token_file, ca, as_json=as_json), **own)

        _, *own = inspect.signature(function, eval_str=True).parameters.values()
        *common, _ = inspect.signature(command, eval_str=True).parameters.values()
        parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*own, *common)]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
        command.__annotations__ = {one.name: one.annotation for one in parameters}
        command.__doc__ = function.__doc__
        app.command(name)(command)
        return function

    return decorate


def checked_id(text: str, prefix: str, what: str) -> str:
    """An id with that prefix (a regular expression), fit for a path; ends with status 2 for what is none."""
    if re.fullmatch(f"{prefix}-[0-9a-f]{{1,40}}", text) is None:
        fail(f"{text!r} is not an {what}", code=2)
    return text


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow none: a token is for the server that it was meant for."""


def _scheme_of(url: str) -> str:
    """The scheme of a URL that has a host; "" for what is none."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:  # of brackets that are none of IPv6
        return ""
    return parts.scheme if parts.hostname else ""


def _token(token_file: Path | None) -> str:
    if token_file is None:
        token = os.environ.get(TOKEN_VARIABLE, "").strip()
        if not token:
            fail(f"no token: set ${TOKEN_VARIABLE}, or use --token-file", code=2)
    else:
        try:
            token = token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeError) as error:
            fail(f"--token-file: {token_file}: {getattr(error, 'strerror', None) or error}", code=2)
    if not token.isascii() or not token.isprintable():
        fail("the token contains invalid characters", code=2)
    return token


def _answer(status: int, headers: Any, raw: bytes) -> ApiAnswer:
    found = {name.lower(): value for name, value in headers.items()}
    body: Any = raw.decode("utf-8", "replace")
    if "json" in (kind := found.get("content-type", "")) and "ndjson" not in kind:
        try:
            body = json.loads(body)
        except ValueError:
            fail("the server's JSON is invalid: is it moatdns?")
    return ApiAnswer(status, body or None, found)


def _end_if_waiting(answer: ApiAnswer) -> None:
    """End with status 1 where nothing was done, since another owner has to agree first."""
    body = answer.body
    if answer.status != 202 or not isinstance(body, dict) or "opens" not in body:
        return
    lines = [
        f"nothing has changed yet: {body['id']} waits for another owner's approval until {body['waits_until'][:19]}Z"
    ]
    lines += [f"  {phrase}" for phrase in body["opens"]]
    if body.get("token_part"):
        lines.append(f"the second half of the token, shown only once: {body['token_part']}")
    fail(*lines)


def _refused(answer: ApiAnswer) -> NoReturn:
    if not isinstance(answer.body, dict) or "detail" not in answer.body:
        fail(f"the server answered {answer.status}, but not as moatdns does; is --url correct?")
    errors = [f"{error['pointer'].lstrip('/') or 'it'}: {error['detail']}" for error in answer.body.get("errors", [])]
    fail(*(errors or [str(answer.body["detail"])]))
