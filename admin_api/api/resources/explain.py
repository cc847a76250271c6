"""Why a query is answered as it is."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call
from admin_api.api.naming import host_names
from admin_api.editing.errors import Invalid
from admin_api.editing.refusals import BadRequest
from admin_api.evidence.then import AskedThen, explained_at
from admin_api.policy_file.trying import InForce
from resolver.answering.explaining import explain_query
from resolver.errors import RuleError
from resolver.policy.explain import Explanation
from resolver.policy.groups import parse_client
from resolver.policy.proved_names import normal_client_name
from resolver.policy.telling import Step
from resolver.snapshot.clocks import now
from resolver.wire.message import type_number
from resolver.wire.names import parse_any_name

_FORWARDED = ("allow", "monitor", "exempt")
_LOOKED_AT = 20  # rows of the query log about the name and those below it


async def _lately(call: Call, explanation: Explanation) -> Step | None:
    """The query log's remark on a name whose answer was filtered, here or by an upstream; None where no log has one."""
    if explanation.verdict not in _FORWARDED or explanation.trace[-1].step == "local":
        return None
    page = await call.context.query_log.page({"name": explanation.name}, None, None, limit=_LOOKED_AT, cursor=None)
    for row in page.items:
        if row["name"] == explanation.name and row["type"] == explanation.type and row.get("remark"):
            return Step("lately", str(row["rcode"]), f"at {row['at']}: {row['remark']}")
    return None


async def show(call: Call) -> ApiReply:
    """GET /explain."""
    query: models.ExplainQuery = call.query
    snapshot = call.context.policy.snapshot
    if snapshot is None:
        raise BadRequest(503, "no policy is in force yet", Retry_After="1")
    try:
        name = parse_any_name(query.name)
    except RuleError as error:
        raise Invalid([("/name", str(error))]) from None
    try:
        parse_client(query.client)
    except ValueError:
        raise Invalid([("/client", f"{query.client!r} is not an IP address")]) from None
    if type_number(query.type) is None:
        raise Invalid([("/type", f"{query.type!r} is not a record type: write a name such as AAAA, or TYPE999")])
    try:
        normal_client_name(query.client_name)
    except RuleError as error:
        raise Invalid([("/client_name", str(error))]) from None
    if query.at is not None:
        return await _at(call, query.at, name)
    explanation = explain_query(
        snapshot,
        call.context.access,
        name,
        client=query.client,
        qtype=query.type,
        subjects=call.context.subjects.subjects,
        now=now(),
        client_name=query.client_name,
    )
    lately = await _lately(call, explanation)
    if lately is not None:
        explanation = replace(explanation, trace=[*explanation.trace[:-1], lately, explanation.trace[-1]])
    # The snapshot has a number of its own; history, audit and rollback count the store's revisions.
    hosts = await host_names(call, "GET /explain", [explanation.client] if explanation.identity is None else [])
    host = hosts.get(explanation.client)
    plain = {**asdict(explanation), "client_host": host, "revision": call.context.policy.revision}
    return ApiReply(models.Explained.model_validate(plain))


async def _at(call: Call, at: datetime, name: bytes) -> ApiReply:
    """The decision by the policy of a moment that is over."""
    query: models.ExplainQuery = call.query
    context, keeper = call.context, call.context.policy
    if at > datetime.now(UTC):
        raise Invalid([("/at", "is a time to come: leave it out to ask about now")])
    if keeper.snapshot is None:
        raise BadRequest(503, "no policy is in force yet", Retry_After="1")
    asked = AskedThen(at, name, query.client, query.client_name, query.type)
    now = InForce(keeper.snapshot, keeper.revision, context.subjects.subjects)
    days = context.settings.retention.lease_history_days
    started = datetime.fromtimestamp(context.began, UTC)
    async with context.plans.turn():
        then = await explained_at(
            context.store, context.catalogue, now, context.access, asked, started=started, lease_days=days
        )
    plain = {**asdict(then.explanation), "revision": then.revision, "at": at, "notes": then.notes}
    return ApiReply(models.Explained.model_validate(plain))
