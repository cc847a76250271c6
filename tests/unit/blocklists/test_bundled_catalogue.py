"""The data we ship: who owns which name, what a product needs, and what must never be blocked by default."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest

from blocklists.catalogue import SERVICE_KINDS, Catalogue, CatalogueDomain
from blocklists.data_files import catalogue_fingerprint
from resolver.policy.rule_syntax import RuleForm, RuleKind
from resolver.wire.names import key_of, parse_name
from tests.unit.bundled import bundled_catalogue

CLAUDE_CODE_NEEDS = (  # the vendor's own "Network access requirements", less the shared hosts
    "api.anthropic.com",
    "claude.ai",
    "claude.com",
    "platform.claude.com",
    "mcp-proxy.anthropic.com",
    "downloads.claude.ai",
    "bridge.claudeusercontent.com",
    "x.frame.claudeusercontent.com",
    "code.claude.com",
    # the desktop app
    "anthropic.com",
    "a-api.anthropic.com",
    "a-cdn.anthropic.com",
    "s-cdn.anthropic.com",
    "assets-proxy.anthropic.com",
    "a.claude.ai",
    "a-cdn.claude.ai",
    "assets.claude.ai",
    "x.livepreview.claude.ai",
    "x.livepreview.claude.app",
    "x.claudemcpcontent.com",
)
CODEX_NEEDS = (
    "chatgpt.com",
    "ab.chatgpt.com",
    "ws.chatgpt.com",
    "codex-cloud-backend.chatgpt.com",
    "auth.openai.com",
    "setup.auth.openai.com",
    "auth0.openai.com",
    "sentinel.openai.com",
    "auth-cdn.oaistatic.com",
    "cdn.oaistatic.com",
    "persistent.oaistatic.com",
    "files.oaiusercontent.com",
    "api.openai.com",
    "platform.openai.com",
    "developers.openai.com",
    "openai.gallerycdn.vsassets.io",
    "oaisdmntpreastus.blob.core.windows.net",
    "oaisdmntpruseast1aws.s3.us-east-1.amazonaws.com",
)
CHATGPT_NEEDS = (
    "chatgpt.com",
    "webrtc.chatgpt.com",
    "ab.chatgpt.com",
    "chat.openai.com",
    "ios.chat.openai.com",
    "tcr9i.chat.openai.com",
    "auth.openai.com",
    "auth0.openai.com",
    "www.openai.com",
    "cdn.oaistatic.com",
    "persistent.oaistatic.com",
    "x.oaiusercontent.com",
    "featureassets.oaistatsig.com",
    "cdn.openaimerge.com",
    "o33249.ingest.sentry.io",
    "o207216.ingest.sentry.io",
)
CANARIES = ("use-application-dns.net", "mask.icloud.com", "mask-h2.icloud.com", "mask-canary.icloud.com")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return bundled_catalogue()


def longest_match(catalogue: Catalogue, name: str) -> list[CatalogueDomain]:
    """The domains that carry the longest rule matching `name`; an exact rule is longer than a subtree on one name."""
    key = key_of(parse_name(name))

    def matches(domain: CatalogueDomain) -> bool:
        rule = domain.rule
        if rule.kind is RuleKind.PATTERN:
            return re.search(rule.regex, name) is not None
        if rule.form is RuleForm.EXACT:
            return key == rule.key
        return key.startswith(rule.key) and (rule.form is RuleForm.SUBTREE or key != rule.key)

    def length(domain: CatalogueDomain) -> tuple[bool, int, bool]:
        rule = domain.rule
        return rule.kind is RuleKind.NAME, len(rule.key), rule.form is RuleForm.EXACT

    found = [domain for domain in catalogue.domains if matches(domain)]
    return [domain for domain in found if length(domain) == max(map(length, found))]


def services_at(catalogue: Catalogue, name: str) -> set[str]:
    return {domain.service for domain in longest_match(catalogue, name)}


def opens(catalogue: Catalogue, service: str, name: str) -> bool:
    """Whether allowing `service` opens `name`."""
    return any(service == domain.service or service in domain.needed_by for domain in longest_match(catalogue, name))


def test_every_rule_has_a_source_and_a_date(catalogue: Catalogue) -> None:
    sources = [(e.rule.text, e.source, e.seen) for e in catalogue.domains]
    sources += [(e.rule.text, e.source, e.seen) for e in catalogue.shared]
    for rule, source, seen in sources:
        assert source.strip(), rule
        assert datetime.date(2025, 1, 1) <= seen <= datetime.date(2026, 11, 30), rule


def test_the_promised_services_exist(catalogue: Catalogue) -> None:
    promised = {"anthropic/claude", "anthropic/claude-code", "anthropic/claude-api"}
    promised |= {"openai/chatgpt", "openai/codex", "openai/api", "bypass/canary", "bypass/public-doh"}
    assert promised <= set(catalogue.services)


def test_every_service_has_a_domain_of_its_own(catalogue: Catalogue) -> None:
    open_ones = {s.id for s in catalogue.services.values() if catalogue.about[s.vendor].closed is None}
    assert {domain.service for domain in catalogue.domains} == open_ones


def test_no_service_that_a_version_had_is_forgotten(catalogue: Catalogue) -> None:
    """A policy that names one that is gone would be refused, or block less: `closed` keeps it known."""
    known = (Path(__file__).parent / "known_services.txt").read_text().split()
    assert len(known) > 400
    assert set(known) <= set(catalogue.services)


def test_services_stand_in_order_of_their_ids(catalogue: Catalogue) -> None:
    assert list(catalogue.services) == sorted(catalogue.services)


def test_bypass_is_no_vendor_and_not_in_ai(catalogue: Catalogue) -> None:
    assert {"anthropic", "openai"} <= set(catalogue.vendors)
    assert "bypass" not in catalogue.vendors
    assert not set(catalogue.services_of("ai")) & set(catalogue.services_of("bypass"))
    sets = [set(catalogue.services_of(name)) for name in ("vendors", "resellers", "clouds", "bypass")]
    assert set.union(*sets) == set(catalogue.services)
    assert sum(map(len, sets)) == len(catalogue.services)


def test_ai_is_vendors_and_resellers_and_gateways_are_resellers_and_clouds(catalogue: Catalogue) -> None:
    vendors, resellers, clouds = (set(catalogue.services_of(name)) for name in ("vendors", "resellers", "clouds"))
    assert {"openrouter/openrouter", "poe/poe"} <= resellers
    assert {"amazon-bedrock/bedrock", "google-vertex/vertex-ai", "azure-openai/azure-openai"} <= clouds
    assert set(catalogue.services_of("ai")) == vendors | resellers
    assert set(catalogue.services_of("gateways")) == resellers | clouds


def test_a_kind_gives_the_services_of_that_kind_in_all_sets(catalogue: Catalogue) -> None:
    for kind in SERVICE_KINDS:
        of_kind = tuple(service.id for service in catalogue.services.values() if service.kind == kind)
        assert catalogue.services_of(f"kind:{kind}") == of_kind
    assert catalogue.services_of("kind:none-such") == ()


def test_a_vendor_or_service_name_gives_its_services(catalogue: Catalogue) -> None:
    assert "anthropic/claude-code" in catalogue.services_of("anthropic")
    assert catalogue.services_of("openai/codex") == ("openai/codex",)


@pytest.mark.parametrize("name", ["nobody", "anthropic/", "claude", "AI", ""])
def test_an_unknown_name_gives_no_services(catalogue: Catalogue, name: str) -> None:
    assert catalogue.services_of(name) == ()


def test_the_fingerprint_is_the_same_without_parsing(catalogue: Catalogue) -> None:
    assert catalogue_fingerprint() == catalogue.fingerprint
    assert len(catalogue.fingerprint) == 64


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("claude.ai", "anthropic/claude"),
        ("claude.com", "anthropic/claude"),
        ("x.claudeusercontent.com", "anthropic/claude"),
        ("platform.claude.com", "anthropic/claude-api"),
        ("api.anthropic.com", "anthropic/claude-api"),
        ("code.claude.com", "anthropic/claude-code"),
        ("downloads.claude.ai", "anthropic/claude-code"),
        ("bridge.claudeusercontent.com", "anthropic/claude-in-chrome"),
        ("www.anthropic.com", "anthropic/website"),
        ("www.anthropic.com.cdn.cloudflare.net", "anthropic/website"),
        ("chatgpt.com", "openai/chatgpt"),
        ("ab.chatgpt.com", "openai/chatgpt"),
        ("chat.openai.com.cdn.cloudflare.net", "openai/chatgpt"),
        ("cdn.oaistatic.com", "openai/chatgpt"),
        ("x.oaistatsig.com", "openai/chatgpt"),
        ("persistent.oaistatic.com", "openai/codex"),
        ("eu.api.openai.com", "openai/api"),
        ("cdn.platform.openai.com.cdn.cloudflare.net", "openai/api"),
        ("auth.openai.com", "openai/sign-in"),
        ("sora.chatgpt.com", "openai/sora"),
        ("openai.com", "openai/website"),
        ("mozilla.cloudflare-dns.com", "bypass/public-doh"),
        ("my-profile.dns.nextdns.io", "bypass/public-doh"),
        ("dns.comss.one", "bypass/smart-dns"),
        ("engage.cloudflareclient.com", "bypass/relays"),
    ],
)
def test_a_name_belongs_to_the_right_service(catalogue: Catalogue, name: str, service: str) -> None:
    assert services_at(catalogue, name) == {service}


@pytest.mark.parametrize(
    "name",
    ["americanphilanthropic.com", "notanthropic.com", "myclaude.ai", "xchatgpt.com", "noopenai.com", "notchat.com"],
)
def test_a_rule_matches_whole_labels_only(catalogue: Catalogue, name: str) -> None:
    assert not longest_match(catalogue, name)


@pytest.mark.parametrize(
    "name",
    [
        *("statsig.com", "api.statsig.com", "statsigapi.net", "featuregates.org", "browser-intake-datadoghq.com"),
        *("sentry.io", "ingest.sentry.io", "o1.ingest.sentry.io", "intercom.io", "widget.intercom.io", "workos.com"),
        *("cdn.workos.com", "auth0.com", "cdn.auth0.com", "stripe.com", "js.stripe.com", "js.hcaptcha.com"),
        *("challenges.cloudflare.com", "storage.googleapis.com", "googleapis.com", "identrust.com", "www.bing.com"),
        *(
            "raw.githubusercontent.com",
            "github.com",
            "duckduckgo.com",
            "x.com",
            "blob.core.windows.net",
            "azureedge.net",
        ),
        *("webpubsub.azure.com", "livekit.cloud", "turn.livekit.cloud", "vsassets.io", "cdn.cloudflare.net"),
        *("icloud.com", "www.icloud.com", "apple.com", "nextdns.io", "opendns.com", "www.google.com", "ai.com"),
        *("modelcontextprotocol.io", "somebody.chatgpt.site", "_dns.resolver.arpa", "cloudflare-gateway.com"),
    ],
)
def test_a_name_that_others_use_is_never_blocked_by_default(catalogue: Catalogue, name: str) -> None:
    assert not longest_match(catalogue, name)


def test_shared_names_stand_in_no_service_in_force(catalogue: Catalogue) -> None:
    assert catalogue.shared
    assert not {name.rule for name in catalogue.shared} & {domain.rule for domain in catalogue.domains}


@pytest.mark.parametrize("name", CLAUDE_CODE_NEEDS)
def test_allowing_claude_code_opens_what_it_needs(catalogue: Catalogue, name: str) -> None:
    assert opens(catalogue, "anthropic/claude-code", name)


@pytest.mark.parametrize("name", [n for n in CLAUDE_CODE_NEEDS if n != "code.claude.com"])
def test_allowing_claude_opens_what_its_desktop_app_needs(catalogue: Catalogue, name: str) -> None:
    assert opens(catalogue, "anthropic/claude", name)


@pytest.mark.parametrize("name", ["claude.ai", "claude.com", "platform.claude.com", "api.anthropic.com"])
def test_allowing_claude_in_chrome_opens_its_sign_in_and_api(catalogue: Catalogue, name: str) -> None:
    assert opens(catalogue, "anthropic/claude-in-chrome", name)


@pytest.mark.parametrize("name", CODEX_NEEDS)
def test_allowing_codex_opens_what_it_needs(catalogue: Catalogue, name: str) -> None:
    assert opens(catalogue, "openai/codex", name)


@pytest.mark.parametrize("name", CHATGPT_NEEDS)
def test_allowing_chatgpt_opens_what_it_needs(catalogue: Catalogue, name: str) -> None:
    assert opens(catalogue, "openai/chatgpt", name)


@pytest.mark.parametrize("name", ["api.openai.com", "platform.openai.com", "auth.openai.com", "auth-cdn.oaistatic.com"])
def test_allowing_the_openai_api_opens_its_console_and_sign_in(catalogue: Catalogue, name: str) -> None:
    assert opens(catalogue, "openai/api", name)


@pytest.mark.parametrize(
    ("service", "name"),
    [
        ("anthropic/claude-api", "claude.ai"),
        ("anthropic/claude-code", "pivot.claude.ai"),
        ("openai/codex", "chat.openai.com"),
        ("openai/codex", "sora.chatgpt.com"),
        ("openai/api", "chatgpt.com"),
        ("openai/codex", "claude.ai"),
    ],
)
def test_allowing_one_service_leaves_the_others_closed(catalogue: Catalogue, service: str, name: str) -> None:
    assert longest_match(catalogue, name)
    assert not opens(catalogue, service, name)


@pytest.mark.parametrize("name", ["claude.ai", "claude.com", "assets.claude.ai", "api.anthropic.com"])
def test_blocking_only_claude_code_leaves_the_chat_open(catalogue: Catalogue, name: str) -> None:
    assert "anthropic/claude-code" not in services_at(catalogue, name)


@pytest.mark.parametrize("name", ["auth.openai.com", "platform.openai.com", "api.openai.com"])
def test_blocking_only_chatgpt_leaves_the_api_open(catalogue: Catalogue, name: str) -> None:
    assert "openai/chatgpt" not in services_at(catalogue, name)


@pytest.mark.parametrize("name", CANARIES)
def test_a_canary_forces_nxdomain(catalogue: Catalogue, name: str) -> None:
    assert [domain.response for domain in longest_match(catalogue, name)] == ["nxdomain"]


def test_every_canary_is_one_exact_name(catalogue: Catalogue) -> None:
    canaries = [domain for domain in catalogue.domains if domain.service == "bypass/canary"]
    assert {domain.rule.form for domain in canaries} == {RuleForm.EXACT}
    assert {domain.response for domain in canaries} == {"nxdomain"}


@pytest.mark.slow
def test_no_rule_only_repeats_a_shorter_one(catalogue: Catalogue) -> None:
    for domain in catalogue.domains:
        if domain.rule.form is RuleForm.EXACT:
            continue
        shorter = [
            other
            for other in catalogue.domains
            if other.rule.form is not RuleForm.EXACT
            and len(other.rule.key) < len(domain.rule.key)
            and domain.rule.key.startswith(other.rule.key)
        ]
        if shorter:
            nearest = max(shorter, key=lambda other: len(other.rule.key))
            own = (domain.service, domain.surface, set(domain.needed_by), domain.response)
            assert own != (nearest.service, nearest.surface, set(nearest.needed_by), nearest.response), domain.rule.text
