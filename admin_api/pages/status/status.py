"""The state of the node: processes, policy, upstreams, lists, webhooks, log sinks; and what can be done about it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from aiohttp import web

from admin_api.api import models
from admin_api.pages.shared.templates import grouped
from admin_api.pages.shared.upstreams import upstreams_of
from admin_api.pages.shared.visit import Visit


async def show(visit: Visit) -> web.StreamResponse:
    """GET /status: the page, or what of it changes by itself where htmx asks."""
    status: models.Status = await visit.ask("GET /status")
    webhooks: models.Webhooks = await visit.ask("GET /webhooks")
    sinks: models.LogSinks = await visit.ask("GET /log-sinks")
    mail: models.MailState = await visit.ask("GET /mail")
    privacy: models.PrivacySettings = await visit.ask("GET /privacy-settings")
    return visit.render(
        "status/status_now.html" if visit.is_part else "status/status.html",
        status=status,
        workers=_workers(status),
        upstreams=upstreams_of(status),
        lists=sorted(status.lists, key=lambda item: (item["last_error"] is None, item["name"])),
        dropped=Counter(status.dropped).most_common(),
        webhooks=webhooks.items,
        sinks=sinks.items,
        mail=mail if mail.server is not None else None,
        privacy=privacy,
        now=datetime.now(UTC),
    )


async def flush(visit: Visit) -> web.StreamResponse:
    """POST /status/flush."""
    name = visit.text("name")
    is_all = visit.text("what") == "all"
    body = {} if is_all else {"name": name, "below": visit.text("below") == "yes"}
    done = (await visit.call("POST /cache:flush", body=body)).body
    count = done.forgotten if isinstance(done, models.Flushed) else 0
    what = "in all workers" if is_all else f"for {name}"
    answers = "cached answer" if count == 1 else "cached answers"
    return visit.go("/status", told=f"{grouped(count)} {answers} {what} removed.")


async def widen(visit: Visit) -> web.StreamResponse:
    """POST /status/privacy: agree to the wider privacy settings that wait, those that the page named."""
    settings = dict(line.split(" ", 1) for line in visit.form.getall("setting", []) if " " in line)
    await visit.call("POST /privacy-settings:widen", body={"settings": settings, "reason": visit.text("reason")})
    return visit.go("/status", told="The wider privacy settings come in force: the config is read again.")


async def test_webhooks(visit: Visit) -> web.StreamResponse:
    """POST /status/webhooks-test."""
    sent = (await visit.call("POST /webhooks:test")).body
    count = sent.hooks if isinstance(sent, models.WebhooksTested) else 0
    return visit.go(
        "/status",
        told=f"A test is on its way to {count} {'webhook' if count == 1 else 'webhooks'}: see the result below.",
    )


async def test_mail(visit: Visit) -> web.StreamResponse:
    """POST /status/mail-test."""
    await visit.call("POST /mail:test")
    return visit.go("/status", told="A test is on its way by mail: see the result below.")


def _workers(status: models.Status) -> list[dict[str, object]]:
    """Each worker with whether it serves the policy in force."""
    return [{**worker, "is_current": worker.get("revision") == status.policy["snapshot"]} for worker in status.workers]
