"""The site at a glance: every address, who may, and which function makes the page. The menu is `menu.py`."""

from __future__ import annotations

from admin_api.exception_routes import ID
from admin_api.pages import audit, check, exemptions, overview, policy, query_log, reports, setup, status, tokens
from admin_api.pages.visit import Page

REVISION = r"/policy/revisions/{revision:\d{1,9}}"

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
    Page("GET", "/reports", reports.first),
    Page("GET", "/reports/exemptions", reports.exemptions),
    Page("GET", "/reports/exemptions.csv", reports.exemptions_csv),
    Page("GET", "/reports/usage", reports.usage),
    Page("GET", "/reports/usage.csv", reports.usage_csv),
    Page("GET", "/audit", audit.show),
    Page("GET", "/audit/export.jsonl", audit.export),
    Page("GET", "/policy", policy.show),
    Page("GET", "/policy/export.yaml", policy.export),
    Page("GET", "/policy/document", policy.document),
    Page("POST", "/policy/document", policy.plan, shown_again=policy.document),
    Page("POST", "/policy/apply", policy.apply, shown_again=policy.document),
    Page("GET", REVISION, policy.back),
    Page("POST", REVISION, policy.go_back, shown_again=policy.back),
    Page("GET", "/status", status.show),
    Page("POST", "/status/flush", status.flush, shown_again=status.show),
    Page("POST", "/status/webhooks-test", status.test_webhooks, shown_again=status.show),
    Page("GET", "/tokens", tokens.show, "admin"),
    Page("POST", "/tokens", tokens.create, "admin", shown_again=tokens.show),
    Page("POST", "/tokens/{name}/revoke", tokens.revoke, "admin", shown_again=tokens.show),
    Page("GET", "/setup", setup.show),
)
