"""The admin API at a glance: every path, who may, what is sent, what comes back, and which function does it.

The router and the OpenAPI description are both made from this table.
"""

from __future__ import annotations

from admin_api.api import models
from admin_api.api.resources import (
    audit,
    cache,
    catalogue,
    explain,
    groups,
    lists,
    node,
    queries,
    rules,
    statistics,
    tokens,
    webhooks,
)
from admin_api.api.route import BASE, CONFLICT, GONE, Route
from admin_api.api.subject_routes import SUBJECT_ROUTES

NAME = r"{name:[a-z0-9][a-z0-9-]*}"
LIST = r"{name:[a-z0-9][a-z0-9-]*(?:/[a-z0-9][a-z0-9-]*)?}"  # bundled lists are called vendor/service


# fmt: off
ROUTES: tuple[Route, ...] = (
    Route("GET", f"{BASE}/lists", lists.listing, "viewer", "All lists", {200: models.Lists}, query=models.ListsPage),
    Route("POST", f"{BASE}/lists", lists.create, "operator", "Make a list, with its first rules",
          {201: models.ListItem, 202: models.Accepted}, body=models.ListBody, may_fail_with=(409,)),
    Route("GET", f"{BASE}/lists/{LIST}/rules", rules.listing, "viewer", "Rules of a list", {200: models.Rules},
          query=models.RulesPage, may_fail_with=GONE),
    Route("POST", f"{BASE}/lists/{LIST}/rules", rules.add, "operator",
          "Add rules; more than 10,000 are accepted, and come in force soon",
          {200: models.Added, 202: models.Accepted}, body=models.RulesBody, may_fail_with=CONFLICT),
    Route("POST", f"{BASE}/lists/{LIST}/rules:batchDelete", rules.delete, "operator", "Remove rules",
          {200: models.Deleted, 202: models.Accepted}, body=models.RulesBody, may_fail_with=CONFLICT),
    Route("GET", f"{BASE}/lists/{LIST}", lists.show, "viewer", "A list", {200: models.ListItem}, may_fail_with=GONE),
    Route("PUT", f"{BASE}/lists/{LIST}", lists.replace, "operator",
          "Make a list what is sent (without rules: as they are)",
          {200: models.ListItem, 201: models.ListItem, 202: models.Accepted}, body=models.ListPut,
          may_fail_with=CONFLICT),
    Route("PATCH", f"{BASE}/lists/{LIST}", lists.change, "operator", "Change a list (RFC 7396)",
          {200: models.ListItem}, body=models.ListPatch, may_fail_with=CONFLICT),
    Route("DELETE", f"{BASE}/lists/{LIST}", lists.delete, "operator", "Remove a list", {204: None},
          may_fail_with=CONFLICT),
    Route("POST", f"{BASE}/lists/{LIST}:refresh", lists.refresh, "operator",
          "Fetch a list now, and take it even if it lost more than half of its rules", {202: models.Accepted},
          may_fail_with=CONFLICT),
    Route("GET", f"{BASE}/catalogue", catalogue.show, "viewer", "The bundled catalogue",
          {200: models.CatalogueReply}),
    Route("GET", f"{BASE}/groups", groups.listing, "viewer", "All groups", {200: models.Groups},
          query=models.GroupsPage),
    Route("POST", f"{BASE}/groups", groups.create, "admin", "Make a group", {201: models.GroupItem},
          body=models.GroupBody, may_fail_with=(409,)),
    Route("GET", f"{BASE}/groups/{NAME}", groups.show, "viewer", "A group", {200: models.GroupItem},
          may_fail_with=GONE),
    Route("PUT", f"{BASE}/groups/{NAME}", groups.replace, "admin", "Make a group what is sent",
          {200: models.GroupItem, 201: models.GroupItem}, body=models.GroupPatch, may_fail_with=CONFLICT),
    Route("PATCH", f"{BASE}/groups/{NAME}", groups.change, "admin", "Change a group (RFC 7396)",
          {200: models.GroupItem}, body=models.GroupPatch, may_fail_with=CONFLICT),
    Route("DELETE", f"{BASE}/groups/{NAME}", groups.delete, "admin", "Remove a group", {204: None},
          may_fail_with=CONFLICT),
    *SUBJECT_ROUTES,
    Route("GET", f"{BASE}/explain", explain.show, "viewer", "What becomes of a name for a client, and why",
          {200: models.Explained}, query=models.ExplainQuery),
    Route("GET", f"{BASE}/stats/summary", statistics.summary, "viewer", "Counts of a window", {200: models.Summary},
          query=models.Window),
    Route("GET", f"{BASE}/stats/top", statistics.top, "viewer", "What most hits are about", {200: models.Top},
          query=models.TopQuery),
    Route("GET", f"{BASE}/stats/series", statistics.series, "viewer", "Counts over time", {200: models.Series},
          query=models.SeriesQuery),
    Route("GET", f"{BASE}/queries", queries.listing, "viewer", "The query log, newest first", {200: models.Log},
          query=models.LogQuery),
    Route("GET", f"{BASE}/audit", audit.listing, "viewer", "The audit trail, newest first", {200: models.Audit},
          query=models.AuditPage),
    Route("GET", f"{BASE}/audit:export", audit.export, "viewer", "The audit trail as JSON lines, oldest first",
          {200: None}, query=models.AuditExport, other_types=(audit.JSON_LINES,)),
    Route("POST", f"{BASE}/audit:acknowledge", audit.acknowledge, "admin",
          "Name lost rows of the audit trail in the trail itself, so that the loss is a known one",
          {200: models.Acknowledged}, body=models.AcknowledgeBody, may_fail_with=(409,)),
    Route("GET", f"{BASE}/tokens", tokens.listing, "admin", "All tokens", {200: models.Tokens}, query=models.Page),
    Route("POST", f"{BASE}/tokens", tokens.create, "admin", "Make a token; it is shown this once",
          {201: models.NewToken}, body=models.TokenBody, may_fail_with=(409,)),
    Route("GET", f"{BASE}/tokens/{NAME}", tokens.show, "admin", "A token", {200: models.TokenItem},
          may_fail_with=GONE),
    Route("DELETE", f"{BASE}/tokens/{NAME}", tokens.delete, "admin", "Revoke a token", {204: None},
          may_fail_with=GONE),
    Route("GET", f"{BASE}/webhooks", webhooks.listing, "viewer", "How each webhook is", {200: models.Webhooks}),
    Route("POST", f"{BASE}/webhooks:test", webhooks.test, "admin", "Send a test to every webhook",
          {202: models.WebhooksTested}),
    Route("POST", f"{BASE}/cache:flush", cache.flush, "operator", "Forget cached answers", {200: models.Flushed},
          body=models.FlushBody, needs_body=False),
    Route("GET", f"{BASE}/status", node.status, "viewer", "How the node is", {200: models.Status}),
    Route("GET", "/health", node.health, None, "Alive", {200: models.Health}),
    Route("GET", "/ready", node.ready, None, "Whether a policy is served", {200: models.Ready, 503: models.Ready}),
    Route("GET", "/metrics", node.metrics, None, "Prometheus", {200: None}, may_fail_with=(404,),
          other_types=(node.METRICS_TYPE,)),
)
# fmt: on
