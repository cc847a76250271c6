"""The admin API at a glance: every path, who may, what is sent, what comes back, and which function does it.

The router and the OpenAPI description are both made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel

from admin_api import models
from admin_api.http.call import Handler
from admin_api.resources import (
    audit,
    catalogue,
    exemptions,
    explain,
    groups,
    leases,
    lists,
    node,
    pauses,
    policy,
    queries,
    reports,
    rules,
    statistics,
    tokens,
    webhooks,
)

BASE = "/api/v1"
NAME = r"{name:[a-z0-9][a-z0-9-]*}"
LIST = r"{name:[a-z0-9][a-z0-9-]*(?:/[a-z0-9][a-z0-9-]*)?}"  # bundled lists are called vendor/service


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `role` is the least that may; None: no token is asked for."""

    method: str
    path: str
    handler: Handler
    role: str | None
    summary: str
    replies: dict[int, type[BaseModel] | None]
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    may_fail_with: tuple[int, ...] = field(default=())  # beside what any operation may
    needs_body: bool = True  # where there is a body at all

    @property
    def tag(self) -> str:
        """The resource that it is about."""
        return self.path.removeprefix(BASE).split("/")[1].partition(":")[0]


_GONE = (404,)
_CONFLICT = (404, 409, 412)
ID = r"{id:[a-z]{2}-[0-9a-f]{1,40}}"
ADDRESS = r"{address:[0-9A-Fa-f:.]{2,45}}"


def _exemption_action(action: str, handler: Handler, summary: str, body: type[BaseModel] | None) -> Route:
    return Route(
        "POST",
        f"{BASE}/exemptions/{ID}:{action}",
        handler,
        "operator",
        summary,
        {200: models.ExemptionItem},
        body=body,
        may_fail_with=_CONFLICT,
        needs_body=action == "renew",
    )


ROUTES: tuple[Route, ...] = (
    Route("GET", f"{BASE}/lists", lists.listing, "viewer", "All lists", {200: models.Lists}, query=models.ListsPage),
    Route(
        "POST",
        f"{BASE}/lists",
        lists.create,
        "operator",
        "Make a list, with its first rules",
        {201: models.ListItem, 202: models.Accepted},
        body=models.ListBody,
        may_fail_with=(409,),
    ),
    Route(
        "GET",
        f"{BASE}/lists/{LIST}/rules",
        rules.listing,
        "viewer",
        "Rules of a list",
        {200: models.Rules},
        query=models.RulesPage,
        may_fail_with=_GONE,
    ),
    Route(
        "POST",
        f"{BASE}/lists/{LIST}/rules",
        rules.add,
        "operator",
        "Add rules; more than 10,000 are accepted, and come in force soon",
        {200: models.Added, 202: models.Accepted},
        body=models.RulesBody,
        may_fail_with=_CONFLICT,
    ),
    Route(
        "POST",
        f"{BASE}/lists/{LIST}/rules:batchDelete",
        rules.delete,
        "operator",
        "Remove rules",
        {200: models.Deleted, 202: models.Accepted},
        body=models.RulesBody,
        may_fail_with=_CONFLICT,
    ),
    Route("GET", f"{BASE}/lists/{LIST}", lists.show, "viewer", "A list", {200: models.ListItem}, may_fail_with=_GONE),
    Route(
        "PUT",
        f"{BASE}/lists/{LIST}",
        lists.replace,
        "operator",
        "Make a list what is sent (without rules: as they are)",
        {200: models.ListItem, 201: models.ListItem, 202: models.Accepted},
        body=models.ListPut,
        may_fail_with=_CONFLICT,
    ),
    Route(
        "PATCH",
        f"{BASE}/lists/{LIST}",
        lists.change,
        "operator",
        "Change a list (RFC 7396)",
        {200: models.ListItem},
        body=models.ListPatch,
        may_fail_with=_CONFLICT,
    ),
    Route(
        "DELETE",
        f"{BASE}/lists/{LIST}",
        lists.delete,
        "operator",
        "Remove a list",
        {204: None},
        may_fail_with=_CONFLICT,
    ),
    Route(
        "POST",
        f"{BASE}/lists/{LIST}:refresh",
        lists.refresh,
        "operator",
        "Fetch a list now, and take it even if it lost more than half of its rules",
        {202: models.Accepted},
        may_fail_with=_CONFLICT,
    ),
    Route("GET", f"{BASE}/catalogue", catalogue.show, "viewer", "The bundled catalogue", {200: models.CatalogueReply}),
    Route("GET", f"{BASE}/groups", groups.listing, "viewer", "All groups", {200: models.Groups}, query=models.Page),
    Route(
        "POST",
        f"{BASE}/groups",
        groups.create,
        "admin",
        "Make a group",
        {201: models.GroupItem},
        body=models.GroupBody,
        may_fail_with=(409,),
    ),
    Route(
        "GET", f"{BASE}/groups/{NAME}", groups.show, "viewer", "A group", {200: models.GroupItem}, may_fail_with=_GONE
    ),
    Route(
        "PUT",
        f"{BASE}/groups/{NAME}",
        groups.replace,
        "admin",
        "Make a group what is sent",
        {200: models.GroupItem, 201: models.GroupItem},
        body=models.GroupPatch,
        may_fail_with=_CONFLICT,
    ),
    Route(
        "PATCH",
        f"{BASE}/groups/{NAME}",
        groups.change,
        "admin",
        "Change a group (RFC 7396)",
        {200: models.GroupItem},
        body=models.GroupPatch,
        may_fail_with=_CONFLICT,
    ),
    Route(
        "DELETE",
        f"{BASE}/groups/{NAME}",
        groups.delete,
        "admin",
        "Remove a group",
        {204: None},
        may_fail_with=_CONFLICT,
    ),
    Route(
        "GET",
        f"{BASE}/exemptions",
        exemptions.listing,
        "viewer",
        "Exemptions, newest first",
        {200: models.Exemptions},
        query=models.ExemptionsPage,
    ),
    Route(
        "POST",
        f"{BASE}/exemptions",
        exemptions.create,
        "operator",
        "Grant an exemption, or ask for one where two have to agree",
        {201: models.ExemptionItem},
        body=models.ExemptionBody,
        may_fail_with=(409,),
    ),
    Route(
        "GET",
        f"{BASE}/exemptions/{ID}",
        exemptions.show,
        "viewer",
        "An exemption, with all that happened to it",
        {200: models.ExemptionWithHistory},
        may_fail_with=_GONE,
    ),
    _exemption_action("approve", exemptions.approve, "Approve it, or its renewal", models.ReasonBody),
    _exemption_action("deny", exemptions.deny, "Deny it, or its renewal", models.ReasonBody),
    _exemption_action("revoke", exemptions.revoke, "End it now", models.ReasonBody),
    _exemption_action("renew", exemptions.renew, "Let it last longer", models.RenewBody),
    Route(
        "GET",
        f"{BASE}/leases",
        leases.listing,
        "viewer",
        "Leases by address",
        {200: models.Leases},
        query=models.LeasesPage,
    ),
    Route(
        "GET",
        f"{BASE}/leases/{ADDRESS}",
        leases.show,
        "viewer",
        "Who has an address",
        {200: models.LeaseItem},
        may_fail_with=_GONE,
    ),
    Route(
        "PUT",
        f"{BASE}/leases/{ADDRESS}",
        leases.put,
        "lease",
        "Lease an address, and more of the same device, or renew that",
        {200: models.LeaseItem, 201: models.LeaseItem},
        body=models.LeaseBody,
        may_fail_with=(409,),
    ),
    Route(
        "DELETE",
        f"{BASE}/leases/{ADDRESS}",
        leases.delete,
        "lease",
        "End the leases of a device",
        {204: None},
        query=models.LeaseEnd,
        may_fail_with=(404, 409),
    ),
    Route(
        "GET",
        f"{BASE}/lease-history",
        leases.history,
        "viewer",
        "Who had which address, newest first",
        {200: models.LeaseHistory},
        query=models.LeaseHistoryPage,
    ),
    Route("GET", f"{BASE}/pauses", pauses.listing, "viewer", "All pauses", {200: models.Pauses}),
    Route(
        "POST",
        f"{BASE}/pauses",
        pauses.create,
        "admin",
        "Only watch a group, or every group, for a while",
        {201: models.PauseItem},
        body=models.PauseBody,
        may_fail_with=(409,),
    ),
    Route(
        "DELETE",
        f"{BASE}/pauses/{ID}",
        pauses.delete,
        "admin",
        "End a pause now",
        {204: None},
        may_fail_with=_GONE,
    ),
    Route(
        "GET",
        f"{BASE}/policy",
        policy.show,
        "viewer",
        "The whole policy as one document",
        {200: models.PolicyReply},
    ),
    Route(
        "POST",
        f"{BASE}/policy:plan",
        policy.plan,
        "viewer",
        "What a document, or going back to a revision, would change",
        {200: models.PlanReply},
        query=models.PlanQuery,
        body=models.PlanBody,
        may_fail_with=(404, 409),
    ),
    Route(
        "POST",
        f"{BASE}/policy:apply",
        policy.apply_document,
        "admin",
        "Make the policy what a document says, in one transaction; If-Match: the planned revision",
        {200: models.PlanReply, 202: models.PlanReply},
        body=models.PolicyBody,
        may_fail_with=(409, 412, 428),
    ),
    Route(
        "POST",
        f"{BASE}/policy:rollback",
        policy.rollback,
        "admin",
        "Make the policy what it was at a revision; If-Match: the revision now",
        {200: models.PlanReply, 202: models.PlanReply},
        body=models.RollbackBody,
        may_fail_with=(404, 409, 412, 428),
    ),
    Route(
        "GET",
        f"{BASE}/policy/history",
        policy.history,
        "viewer",
        "The policy's revisions, newest first",
        {200: models.Revisions},
        query=models.Page,
    ),
    Route(
        "GET",
        f"{BASE}/reports/exemptions",
        reports.exemption_report,
        "viewer",
        "Who had which exemption, by whom, and how often it was used",
        {200: models.ExemptionReport},
        query=models.ReportQuery,
    ),
    Route(
        "GET",
        f"{BASE}/reports/usage",
        reports.usage_report,
        "viewer",
        "Hits by group and vendor, or otherwise, over time",
        {200: models.UsageReport},
        query=models.UsageQuery,
    ),
    Route(
        "GET",
        f"{BASE}/explain",
        explain.show,
        "viewer",
        "What becomes of a name for a client, and why",
        {200: models.Explained},
        query=models.ExplainQuery,
    ),
    Route(
        "GET",
        f"{BASE}/stats/summary",
        statistics.summary,
        "viewer",
        "Counts of a window",
        {200: models.Summary},
        query=models.Window,
    ),
    Route(
        "GET",
        f"{BASE}/stats/top",
        statistics.top,
        "viewer",
        "What most hits are about",
        {200: models.Top},
        query=models.TopQuery,
    ),
    Route(
        "GET",
        f"{BASE}/stats/series",
        statistics.series,
        "viewer",
        "Counts over time",
        {200: models.Series},
        query=models.SeriesQuery,
    ),
    Route(
        "GET",
        f"{BASE}/queries",
        queries.listing,
        "viewer",
        "The query log, newest first",
        {200: models.Log},
        query=models.LogQuery,
    ),
    Route(
        "GET",
        f"{BASE}/audit",
        audit.listing,
        "viewer",
        "The audit trail, newest first",
        {200: models.Audit},
        query=models.AuditPage,
    ),
    Route(
        "GET",
        f"{BASE}/audit:export",
        audit.export,
        "viewer",
        "The audit trail as JSON lines, oldest first",
        {200: None},
        query=models.AuditExport,
    ),
    Route("GET", f"{BASE}/tokens", tokens.listing, "admin", "All tokens", {200: models.Tokens}, query=models.Page),
    Route(
        "POST",
        f"{BASE}/tokens",
        tokens.create,
        "admin",
        "Make a token; it is shown this once",
        {201: models.NewToken},
        body=models.TokenBody,
        may_fail_with=(409,),
    ),
    Route(
        "GET", f"{BASE}/tokens/{NAME}", tokens.show, "admin", "A token", {200: models.TokenItem}, may_fail_with=_GONE
    ),
    Route(
        "DELETE", f"{BASE}/tokens/{NAME}", tokens.delete, "admin", "Revoke a token", {204: None}, may_fail_with=_GONE
    ),
    Route("GET", f"{BASE}/webhooks", webhooks.listing, "viewer", "How each webhook is", {200: models.Webhooks}),
    Route(
        "POST",
        f"{BASE}/webhooks:test",
        webhooks.test,
        "admin",
        "Send a test to every webhook",
        {202: models.WebhooksTested},
    ),
    Route("GET", f"{BASE}/status", node.status, "viewer", "How the node is", {200: models.Status}),
    Route("GET", "/health", node.health, None, "Alive", {200: models.Health}),
    Route("GET", "/ready", node.ready, None, "Whether a policy is served", {200: models.Ready, 503: models.Ready}),
    Route("GET", "/metrics", node.metrics, None, "Prometheus", {200: None}, may_fail_with=(404,)),
)
