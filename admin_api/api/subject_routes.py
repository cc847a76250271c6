"""Routes of leases, exemptions, pauses, change requests, the policy as a document, and reports; see routes.py."""

from __future__ import annotations

from pydantic import BaseModel

from admin_api.api import models
from admin_api.api.http.call import Handler
from admin_api.api.resources import changes, exemptions, leases, pauses, policy, reports
from admin_api.api.route import BASE, CONFLICT, GONE, Route

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
        may_fail_with=CONFLICT,
        needs_body=action == "renew",
    )


def _change_action(action: str, handler: Handler, summary: str, reply: type[BaseModel]) -> Route:
    return Route(
        "POST",
        f"{BASE}/change-requests/{ID}:{action}",
        handler,
        "operator",
        summary,
        {200: reply},
        body=models.ReasonBody,
        may_fail_with=CONFLICT,
        needs_body=False,
    )


# fmt: off
SUBJECT_ROUTES: tuple[Route, ...] = (
    Route("GET", f"{BASE}/exemptions", exemptions.listing, "viewer", "Exemptions, newest first",
          {200: models.Exemptions}, query=models.ExemptionsPage),
    Route("POST", f"{BASE}/exemptions", exemptions.create, "operator",
          "Grant an exemption, or ask for one where two have to agree", {201: models.ExemptionItem},
          body=models.ExemptionBody, may_fail_with=(409,)),
    Route("GET", f"{BASE}/exemptions/{ID}", exemptions.show, "viewer", "An exemption, with all that happened to it",
          {200: models.ExemptionWithHistory}, may_fail_with=GONE),
    _exemption_action("approve", exemptions.approve, "Approve it, or its renewal", models.ReasonBody),
    _exemption_action("deny", exemptions.deny, "Deny it, or its renewal", models.ReasonBody),
    _exemption_action("revoke", exemptions.revoke, "End it now", models.ReasonBody),
    _exemption_action("renew", exemptions.renew, "Let it last longer", models.RenewBody),
    Route("GET", f"{BASE}/change-requests", changes.listing, "viewer",
          "Changes that wait for another owner, and what became of them, newest first", {200: models.ChangeRequests},
          query=models.ChangesPage),
    Route("GET", f"{BASE}/change-requests/{ID}", changes.show, "viewer", "A change that was asked for",
          {200: models.ChangeRequestWithBody}, may_fail_with=GONE),
    _change_action("approve", changes.approve, "Make the change: what another owner asked for", models.ChangeDone),
    _change_action("deny", changes.deny, "Deny the change", models.ChangeRequestItem),
    _change_action("withdraw", changes.withdraw, "Take back what one asked for", models.ChangeRequestItem),
    Route("GET", f"{BASE}/leases", leases.listing, "viewer", "Leases by address", {200: models.Leases},
          query=models.LeasesPage),
    Route("GET", f"{BASE}/leases/{ADDRESS}", leases.show, "viewer", "Who has an address", {200: models.LeaseItem},
          may_fail_with=GONE),
    Route("PUT", f"{BASE}/leases/{ADDRESS}", leases.put, "lease",  # 404: what is no address
          "Lease an address, and more of the same device, or renew that",
          {200: models.LeaseItem, 201: models.LeaseItem}, body=models.LeaseBody, may_fail_with=(404, 409)),
    Route("DELETE", f"{BASE}/leases/{ADDRESS}", leases.delete, "lease", "End the leases of a device", {204: None},
          query=models.LeaseEnd, may_fail_with=(404, 409)),
    Route("GET", f"{BASE}/lease-history", leases.history, "viewer", "Who had which address, newest first",
          {200: models.LeaseHistory}, query=models.LeaseHistoryPage),
    Route("GET", f"{BASE}/pauses", pauses.listing, "viewer", "All pauses", {200: models.Pauses}),
    Route("POST", f"{BASE}/pauses", pauses.create, "admin", "Only watch a group, or every group, for a while",
          {201: models.PauseItem}, body=models.PauseBody, may_fail_with=(409,)),
    Route("DELETE", f"{BASE}/pauses/{ID}", pauses.delete, "admin", "End a pause now", {204: None},
          may_fail_with=GONE),
    Route("GET", f"{BASE}/policy", policy.show, "viewer", "The whole policy as one document",
          {200: models.PolicyReply}),
    Route("POST", f"{BASE}/policy:plan", policy.plan, "viewer",
          "What a document, or going back to a revision, would change", {200: models.PlanReply},
          query=models.PlanQuery, body=models.PlanBody, may_fail_with=(404, 409)),
    Route("POST", f"{BASE}/policy:apply", policy.apply_document, "admin",
          "Make the policy what a document says, in one transaction; If-Match: the planned revision",
          {200: models.PlanReply, 202: models.PlanReply}, body=models.PolicyBody, may_fail_with=(409, 412, 428)),
    Route("POST", f"{BASE}/policy:rollback", policy.rollback, "admin",
          "Make the policy what it was at a revision; If-Match: the revision now",
          {200: models.PlanReply, 202: models.PlanReply}, body=models.RollbackBody,
          may_fail_with=(404, 409, 412, 428)),
    Route("GET", f"{BASE}/policy/history", policy.history, "viewer", "The policy's revisions, newest first",
          {200: models.Revisions}, query=models.Page),
    Route("GET", f"{BASE}/reports/exemptions", reports.exemption_report, "viewer",
          "Who had which exemption, by whom, and how often it was used", {200: models.ExemptionReport},
          query=models.ReportQuery, other_types=(reports.CSV,)),
    Route("GET", f"{BASE}/reports/usage", reports.usage_report, "viewer",
          "Hits by group and vendor, or otherwise, over time", {200: models.UsageReport}, query=models.UsageQuery,
          other_types=(reports.CSV,)),
)
# fmt: on
