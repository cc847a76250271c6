"""The site at a glance: every address, who may, and which function makes the page. The menu is `menu.py`."""

from __future__ import annotations

from admin_api.api.exception_routes import ID
from admin_api.pages.audit import audit
from admin_api.pages.catalogue import catalogue
from admin_api.pages.changes import changes
from admin_api.pages.check import check
from admin_api.pages.clients import clients
from admin_api.pages.exemptions import exemptions
from admin_api.pages.groups import groups
from admin_api.pages.lists import lists
from admin_api.pages.overview import overview
from admin_api.pages.policy import policy
from admin_api.pages.query_log import query_log
from admin_api.pages.reports import reports
from admin_api.pages.setup import setup
from admin_api.pages.shared.visit import Page
from admin_api.pages.status import status
from admin_api.pages.tokens import tokens

_NAME = r"{name:[a-z0-9][a-z0-9-]*}"
_LIST = r"{name:[a-z0-9][a-z0-9-]*(?:/[a-z0-9][a-z0-9-]*)?}"  # bundled ones are called vendor/service
_VENDOR = r"{vendor:[a-z0-9][a-z0-9-]*}"
_REVISION = r"/policy/revisions/{revision:\d{1,9}}"

PAGES: tuple[Page, ...] = (
    Page("GET", "/", overview.show),
    Page("GET", "/overview/series", overview.series),
    Page("GET", "/queries", query_log.show),
    Page("GET", "/check", check.show),
    Page("GET", "/exemptions", exemptions.show),
    Page("GET", "/exemptions/new", exemptions.show_new, "operator"),
    Page("POST", "/exemptions", exemptions.create, "operator", shown_again=exemptions.show_new),
    Page("GET", f"/exemptions/{ID}", exemptions.show_one),
    Page(
        "POST",
        f"/exemptions/{ID}/{{action:approve|deny|revoke|renew}}",
        exemptions.act,
        "operator",
        shown_again=exemptions.show_one,
    ),
    Page("GET", "/changes", changes.show),
    Page("GET", f"/changes/{ID}", changes.show_one),
    Page(
        "POST",
        f"/changes/{ID}/{{action:approve|deny|withdraw}}",
        changes.act,
        "operator",
        shown_again=changes.show_one,
    ),
    Page("GET", "/groups", groups.listing),
    Page("POST", "/groups", groups.create, "admin", shown_again=groups.new),
    Page("POST", "/groups:pause", groups.act_on_all, "admin", shown_again=groups.listing),
    Page("GET", "/groups:new", groups.new, "admin"),
    Page("GET", f"/groups/{_NAME}", groups.show),
    Page("POST", f"/groups/{_NAME}", groups.act, "admin", shown_again=groups.show),
    Page("GET", f"/groups/{_NAME}:edit", groups.edit, "admin"),
    Page("POST", f"/groups/{_NAME}:edit", groups.save, "admin", shown_again=groups.edit),
    Page("GET", "/clients", clients.show),
    Page("POST", "/clients", clients.act, "operator", shown_again=clients.shown_again),
    Page("GET", "/clients/new", clients.new, "operator"),
    Page("GET", "/clients/history", clients.history),
    Page("GET", "/catalogue", catalogue.listing),
    Page("POST", "/catalogue", catalogue.switch, "admin", shown_again=catalogue.listing),
    Page("GET", f"/catalogue/{_VENDOR}", catalogue.vendor),
    Page("POST", f"/catalogue/{_VENDOR}", catalogue.switch_at_vendor, "admin", shown_again=catalogue.vendor),
    Page("GET", "/lists", lists.listing),
    Page("POST", "/lists", lists.create, "operator", shown_again=lists.new),
    Page("GET", "/lists:new", lists.new, "operator"),
    Page("GET", f"/lists/{_LIST}", lists.show),
    Page("POST", f"/lists/{_NAME}", lists.act, "operator", shown_again=lists.show),
    Page("GET", f"/lists/{_NAME}:edit", lists.edit, "operator"),
    Page("POST", f"/lists/{_NAME}:edit", lists.save, "operator", shown_again=lists.edit),
    Page("GET", "/reports", reports.first),
    Page("GET", "/reports/exemptions", reports.exemptions),
    Page("GET", "/reports/exemptions.csv", reports.exemptions_csv),
    Page("GET", "/reports/usage", reports.usage),
    Page("GET", "/reports/usage.csv", reports.usage_csv),
    Page("GET", "/audit", audit.show),
    Page("GET", "/audit/export.jsonl", audit.export),
    Page("POST", "/audit/acknowledge", audit.acknowledge, "admin", shown_again=audit.show),
    Page("GET", "/policy", policy.show),
    Page("GET", "/policy/export.yaml", policy.export),
    Page("GET", "/policy/document", policy.document),
    Page("POST", "/policy/document", policy.plan, shown_again=policy.document),
    Page("POST", "/policy/apply", policy.apply, shown_again=policy.document),
    Page("GET", _REVISION, policy.back),
    Page("POST", _REVISION, policy.go_back, shown_again=policy.back),
    Page("GET", "/status", status.show),
    Page("POST", "/status/flush", status.flush, shown_again=status.show),
    Page("POST", "/status/webhooks-test", status.test_webhooks, shown_again=status.show),
    Page("GET", "/tokens", tokens.show, "admin"),
    Page("POST", "/tokens", tokens.create, "admin", shown_again=tokens.show),
    Page("POST", "/tokens/{name}/revoke", tokens.revoke, "admin", shown_again=tokens.show),
    Page("GET", "/setup", setup.show),
)
