"""The site at a glance: every address, who may, and which function makes the page. The menu is `menu.py`."""

from __future__ import annotations

from admin_api.api.routes import DOMAIN, ID
from admin_api.pages.audit import audit
from admin_api.pages.catalogue import catalogue
from admin_api.pages.changes import changes
from admin_api.pages.check import check
from admin_api.pages.clients import clients
from admin_api.pages.exemptions import exemptions
from admin_api.pages.groups import groups
from admin_api.pages.lists import lists
from admin_api.pages.local import local
from admin_api.pages.looks import looks
from admin_api.pages.overview import overview
from admin_api.pages.policy import policy
from admin_api.pages.query_log import query_log
from admin_api.pages.reports import reports
from admin_api.pages.roll_out import roll_out
from admin_api.pages.setup import setup
from admin_api.pages.shared.visit import PageRoute
from admin_api.pages.status import status
from admin_api.pages.tokens import tokens
from admin_api.pages.unlisted import unlisted

_NAME = r"{name:[a-z0-9][a-z0-9-]*}"
_LIST = r"{name:[a-z0-9][a-z0-9-]*(?:/[a-z0-9][a-z0-9-]*)?}"  # bundled ones are called vendor/service
_VENDOR = r"{vendor:[a-z0-9][a-z0-9-]*}"
_REVISION = r"/policy/revisions/{revision:\d{1,9}}"

PAGES: tuple[PageRoute, ...] = (
    PageRoute("GET", "/", overview.show),
    PageRoute("GET", "/overview/series", overview.series),
    PageRoute("GET", "/queries", query_log.show),
    PageRoute("POST", "/look", looks.give, shown_again=looks.show),
    PageRoute("GET", "/check", check.show),
    PageRoute("GET", "/exemptions", exemptions.show),
    PageRoute("GET", "/exemptions/new", exemptions.show_new, "operator"),
    PageRoute("POST", "/exemptions", exemptions.create, "operator", shown_again=exemptions.show_new),
    PageRoute("GET", f"/exemptions/{ID}", exemptions.show_one),
    PageRoute(
        "POST",
        f"/exemptions/{ID}/{{action:approve|deny|revoke|renew}}",
        exemptions.act,
        "operator",
        shown_again=exemptions.show_one,
    ),
    PageRoute("POST", f"/exemptions/{ID}/confirm", exemptions.confirm, "admin", shown_again=exemptions.show_one),
    PageRoute("GET", "/changes", changes.show),
    PageRoute("GET", f"/changes/{ID}", changes.show_one),
    PageRoute(
        "POST",
        f"/changes/{ID}/{{action:approve|deny|withdraw}}",
        changes.act,
        "operator",
        shown_again=changes.show_one,
    ),
    PageRoute("GET", "/groups", groups.listing),
    PageRoute("POST", "/groups", groups.create, "admin", shown_again=groups.new),
    PageRoute("POST", "/groups:pause", groups.act_on_all, "admin", shown_again=groups.listing),
    PageRoute("GET", "/groups:new", groups.new, "admin"),
    PageRoute("GET", f"/groups/{_NAME}", groups.show),
    PageRoute("POST", f"/groups/{_NAME}", groups.act, "admin", shown_again=groups.show),
    PageRoute("GET", f"/groups/{_NAME}:edit", groups.edit, "admin"),
    PageRoute("POST", f"/groups/{_NAME}:edit", groups.save, "admin", shown_again=groups.edit),
    PageRoute("GET", "/clients", clients.show),
    PageRoute("POST", "/clients", clients.act, "operator", shown_again=clients.shown_again),
    PageRoute("GET", "/clients/new", clients.new, "operator"),
    PageRoute("GET", "/clients/history", clients.history),
    PageRoute("GET", "/catalogue", catalogue.listing),
    PageRoute("POST", "/catalogue", catalogue.switch, "admin", shown_again=catalogue.listing),
    PageRoute("GET", f"/catalogue/{_VENDOR}", catalogue.vendor),
    PageRoute("POST", f"/catalogue/{_VENDOR}", catalogue.switch, "admin", shown_again=catalogue.vendor),
    PageRoute("GET", "/lists", lists.listing),
    PageRoute("POST", "/lists", lists.create, "operator", shown_again=lists.new),
    PageRoute("GET", "/lists:new", lists.new, "operator"),
    PageRoute("GET", f"/lists/{_LIST}", lists.show),
    PageRoute("POST", f"/lists/{_NAME}", lists.act, "operator", shown_again=lists.show),
    PageRoute("GET", f"/lists/{_NAME}:edit", lists.edit, "operator"),
    PageRoute("POST", f"/lists/{_NAME}:edit", lists.save, "operator", shown_again=lists.edit),
    PageRoute("GET", "/unlisted", unlisted.show),
    PageRoute(
        "POST",
        f"/unlisted/{DOMAIN}/{{action:block|allow|ignore|want}}",
        unlisted.act,
        "operator",
        shown_again=unlisted.show,
    ),
    PageRoute("GET", "/local", local.show),
    PageRoute("POST", "/local", local.act, "operator", shown_again=local.show),
    PageRoute("GET", "/reports", reports.first),
    PageRoute("GET", "/reports/exemptions", reports.exemptions),
    PageRoute("GET", "/reports/exemptions.csv", reports.csv),
    PageRoute("GET", "/reports/usage", reports.usage),
    PageRoute("GET", "/reports/usage.csv", reports.csv),
    PageRoute("GET", "/reports/evidence", reports.evidence),
    PageRoute("GET", "/reports/evidence.json", reports.evidence_file),
    PageRoute("GET", "/roll-out", roll_out.show),
    PageRoute("GET", f"/roll-out/{_NAME}", roll_out.show_one),
    PageRoute("POST", f"/roll-out/{_NAME}", roll_out.act, "admin", shown_again=roll_out.show_one),
    PageRoute("GET", "/audit", audit.show),
    PageRoute("GET", "/audit/export.jsonl", audit.export),
    PageRoute("POST", "/audit/acknowledge", audit.acknowledge, "admin", shown_again=audit.show),
    PageRoute("GET", "/policy", policy.show),
    PageRoute("GET", "/policy/export.yaml", policy.export),
    PageRoute("GET", "/policy/document", policy.document),
    PageRoute("POST", "/policy/document", policy.plan, shown_again=policy.document),
    PageRoute("POST", "/policy/apply", policy.apply, shown_again=policy.document),
    PageRoute("GET", _REVISION, policy.back),
    PageRoute("POST", _REVISION, policy.go_back, shown_again=policy.back),
    PageRoute("GET", "/status", status.show),
    PageRoute("POST", "/status/privacy", status.widen, "admin", shown_again=status.show),
    PageRoute("POST", "/status/flush", status.flush, shown_again=status.show),
    PageRoute("POST", "/status/webhooks-test", status.test_webhooks, shown_again=status.show),
    PageRoute("POST", "/status/mail-test", status.test_mail, shown_again=status.show),
    PageRoute("GET", "/tokens", tokens.show, "admin"),
    PageRoute("POST", "/tokens", tokens.create, "admin", shown_again=tokens.show),
    PageRoute("POST", "/tokens/{name}/revoke", tokens.revoke, "admin", shown_again=tokens.show),
    PageRoute("POST", "/tokens/{name}/confirm", tokens.confirm, "admin", shown_again=tokens.show),
    PageRoute("GET", "/setup", setup.show),
)
