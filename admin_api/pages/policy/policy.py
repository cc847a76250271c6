"""The policy's history and the way back; and the policy as a document: planned, tried on what was asked, applied."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from admin_api.api import models
from admin_api.api.http.call import ApiReply
from admin_api.api.http.problems import told_of
from admin_api.editing.errors import Invalid, path_of, pointer
from admin_api.editing.refusals import BadRequest
from admin_api.pages.policy.differences import Line, planned_lines
from admin_api.pages.shared.outcome import is_in_force
from admin_api.pages.shared.visit import Visit
from admin_api.policy_file.text import as_yaml
from resolver.config.places import Document, read_yaml
from resolver.config.wording import path_text

_ROWS = 50
_MOST_PAIRS = 500  # of a replay, on a page
REPLAYS = (("", "not"), ("86400", "the last day"), ("604800", "the last 7 days"))


async def show(visit: Visit) -> web.StreamResponse:
    """GET /policy."""
    history: models.Revisions = await visit.ask("GET /policy/history", query=visit.listing(_ROWS))
    status: models.Status = await visit.ask("GET /status")
    return visit.render(
        "policy/policy.html",
        history=history,
        is_first="cursor" not in visit.query,
        policy=status.policy,
        can_go_back=visit.may_do("POST /policy:rollback"),
    )


async def export(visit: Visit) -> web.StreamResponse:
    """GET /policy/export.yaml."""
    written = await visit.ask("GET /policy")
    text = await asyncio.to_thread(as_yaml, written)  # a policy may have a million rules
    headers = {"Content-Disposition": f'attachment; filename="policy-{written["revision"]}.yaml"'}
    return web.Response(text=text, content_type="application/yaml", headers=headers)


async def back(visit: Visit) -> web.StreamResponse:
    """GET /policy/revisions/{revision}: what going back to it would change."""
    revision = int(visit.path["revision"])
    planned: Any = (await visit.call("POST /policy:plan", body={"to_revision": revision})).body
    return visit.render("policy/policy_back.html", revision=revision, plan=planned, changes=_changes(planned))


async def go_back(visit: Visit) -> web.StreamResponse:
    """POST /policy/revisions/{revision}."""
    revision = int(visit.path["revision"])
    reply = await visit.call("POST /policy:rollback", body={"to_revision": revision}, version=visit.text("version"))
    return visit.go("/policy", told=f"The policy is that of revision {revision} again: {_done(reply)}.")


async def document(visit: Visit) -> web.StreamResponse:
    """GET /policy/document."""
    return _document_page(visit, None)


async def plan(visit: Visit) -> web.StreamResponse:
    """POST /policy/document: what the document would change; it changes nothing."""
    query: dict[str, str] = {}
    if seconds := visit.text("replay"):
        query = {"replay_seconds": seconds, "reason": visit.text("reason")}
    reply = await _send(visit, "POST /policy:plan", query=query)
    return _document_page(visit, reply.body)


async def apply(visit: Visit) -> web.StreamResponse:
    """POST /policy/apply: what was planned."""
    reply = await _send(visit, "POST /policy:apply", version=visit.text("version"))
    count = len(reply.body.changes) if isinstance(reply.body, models.PlanReply) else 0
    return visit.go("/policy", told=f"{count} {'change' if count == 1 else 'changes'}: {_done(reply)}.")


def _document_page(visit: Visit, planned: Any) -> web.Response:
    replayed = planned.replay if planned else None
    return visit.render(
        "policy/policy_document.html",
        text=visit.form.get("document", ""),
        replay=visit.text("replay"),
        replays=REPLAYS if visit.sees_persons("POST /policy:plan") else (),
        plan=planned,
        changes=_changes(planned) if planned else [],
        pairs=replayed.items[:_MOST_PAIRS] if replayed else [],
        can_apply=visit.may_do("POST /policy:apply"),
    )


async def _send(visit: Visit, operation: str, **more: Any) -> ApiReply:
    """Do what takes the document. Raises BadRequest whose mistakes are told by line."""
    read = await asyncio.to_thread(_read, visit.form.get("document", ""))
    try:
        return await visit.call(operation, body=read.data, **more)
    except (BadRequest, Invalid) as error:
        what = told_of(error)
        if not what.errors:
            raise
        raise BadRequest(what.status, what.detail, [("", _by_line(read, *one)) for one in what.errors]) from None


def _read(text: str) -> Document:
    """YAML or JSON as plain data. Raises BadRequest."""
    if not text.strip():
        raise BadRequest(422, "paste the document first", [("/document", "is empty")])
    # A browser sends a form's lines with CR LF, which YAML takes as well.
    read = read_yaml(text, lambda value: value)
    if read.problems:
        raise BadRequest(
            422,
            "the document cannot be read",
            [("", _told(problem.line, path_text(problem.path), problem.text)) for problem in read.problems[:100]],
        )
    if not isinstance(read.data, dict) or "policy" not in read.data:
        raise BadRequest(422, "the document needs a section 'policy', like the download")
    return read


def _by_line(read: Document, at: str, text: str) -> str:
    """A mistake at a JSON pointer, by the line it stands on."""
    where = path_of(at)
    if not where or pointer(where[:1]) not in ("/policy", "/revision"):
        return f"{at.lstrip('/')}: {text}" if at else text
    return _told(read.places.line_of(where), path_text(where), text)


def _told(line: int, path: str, text: str) -> str:
    return f"line {line}: {path}: {text}" if path else f"line {line}: {text}"


def _changes(planned: models.PlanReply) -> list[tuple[models.PlannedItem, list[Line]]]:
    """Each planned change with its lines."""
    return [(item, planned_lines(item)) for item in planned.changes]


def _done(reply: ApiReply) -> str:
    revision = reply.body.revision if isinstance(reply.body, models.PlanReply) else 0
    return f"in force as revision {revision}" if is_in_force(reply) else f"stored as revision {revision}, soon in force"
