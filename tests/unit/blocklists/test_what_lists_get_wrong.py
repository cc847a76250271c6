"""What public lists of AI services get wrong, and the compiled policy must not: a test for each point."""

from __future__ import annotations

from typing import Any

import pytest

from blocklists.catalogue import Catalogue
from blocklists.sources import compile_policy
from resolver.config.policy_schema import Policy
from resolver.policy.compiler import policy_in_memory
from resolver.policy.decision import Decision, Verdict
from resolver.wire.names import key_of, parse_name
from tests.unit.bundled import bundled_catalogue

CATALOGUE = bundled_catalogue()


def decide(name: str, *, block: tuple[str, ...] = ("ai", "gateways", "bypass"), **policy: Any) -> Decision:
    group = {"name": "default", "block": list(block), "allow": policy.pop("allow", [])}
    plain = Policy.model_validate({"groups": [group], **policy}).model_dump(mode="json")
    snapshot = policy_in_memory(*compile_policy(plain, CATALOGUE))
    view, _ = snapshot.view_of("127.0.0.1")
    return snapshot.decide(view, key_of(parse_name(name)))


def blocked(name: str, **more: Any) -> bool:
    return decide(name, **more).verdict is Verdict.BLOCK


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return CATALOGUE


def test_the_catalogue_knows_at_least_85_vendors_and_20_resellers_and_clouds(catalogue: Catalogue) -> None:
    kinds = [vendor.kind for vendor in catalogue.about.values()]
    assert kinds.count("vendor") >= 85
    assert kinds.count("reseller") + kinds.count("cloud") >= 20
    assert {s.id for s in catalogue.services.values() if s.vendor == "bypass"} >= {
        "bypass/canary",
        "bypass/public-doh",
        "bypass/relays",
        "bypass/smart-dns",
    }


@pytest.mark.parametrize(
    "name",
    ["claude.com", "platform.claude.com", "x.claudeusercontent.com", "cdn.oaistatic.com", "x.oaistatsig.com"],
)
def test_1_new_brands_are_not_missed(name: str) -> None:
    assert blocked(name)


@pytest.mark.parametrize("name", ["chatgpt.com", "ab.chatgpt.com", "persistent.oaistatic.com"])
def test_2_codex_is_more_than_the_api(name: str) -> None:
    assert blocked(name)
    assert not blocked(name, allow=["openai/codex"])


@pytest.mark.parametrize(
    "name",
    ["auth0.com", "login.auth0.com", "stripe.com", "js.stripe.com", "sentry.io", "identrust.com", "www.bing.com"],
)
def test_3_what_proxy_lists_carry_along_stays_open(name: str) -> None:
    assert not blocked(name)


@pytest.mark.parametrize(
    "name", ["americanphilanthropic.com", "ngrok.com", "iwindsurf.com", "api.ai", "notx.ai", "fax.ai", "mygrok.com"]
)
def test_4_rules_match_whole_labels(name: str) -> None:
    assert not blocked(name)


@pytest.mark.parametrize(
    "name",
    [
        "bedrock-runtime.us-east-1.amazonaws.com",
        "bedrock-runtime.eu-central-1.amazonaws.com",
        "bedrock.eu-west-3.amazonaws.com",
        "bedrock-mantle.eu-west-1.api.aws",
        "us-central1-aiplatform.googleapis.com",
        "europe-west4-aiplatform.googleapis.com",
        "aiplatform.googleapis.com",
        "somebody.openai.azure.com",
        "somebody.services.ai.azure.com",
        "gateway.ai.cloudflare.com",
    ],
)
def test_5_clouds_model_services_are_known_and_are_a_set_of_their_own(name: str) -> None:
    assert blocked(name, block=("gateways",))
    assert blocked(name, block=("clouds",))
    assert not blocked(name, block=("ai", "bypass"))


@pytest.mark.parametrize("name", ["openrouter.ai", "poe.com", "ai-gateway.vercel.sh", "api.groq.com"])
def test_5_resellers_are_known_and_blocked_like_vendors(name: str) -> None:
    for block in ("gateways", "resellers", "ai"):
        assert blocked(name, block=(block,))
    assert not blocked(name, block=("vendors", "clouds", "bypass"))


@pytest.mark.parametrize(
    "name",
    [
        *("statsig.com", "api.statsigapi.net", "featuregates.org", "browser-intake-datadoghq.com", "sentry.io"),
        *("widget.intercom.io", "cdn.workos.com", "tenant.auth0.com", "js.stripe.com", "js.hcaptcha.com"),
        *("challenges.cloudflare.com", "storage.googleapis.com", "www.googleapis.com", "fonts.googleapis.com"),
        *("somebody.hf.space", "somebody.replit.app", "firestore.googleapis.com", "s3.amazonaws.com"),
        *("sts.amazonaws.com", "ec2.us-east-1.amazonaws.com", "somebody.blob.core.windows.net"),
    ],
)
def test_6_what_everybody_uses_is_never_blocked_by_default(name: str) -> None:
    assert not blocked(name)


@pytest.mark.parametrize(
    "name", ["use-application-dns.net", "mask.icloud.com", "mask-h2.icloud.com", "mask-canary.icloud.com"]
)
def test_7_canaries_get_negative_answers_whatever_the_groups_mode(name: str) -> None:
    decision = decide(name, response={"mode": "zero-ip"})
    assert decision.verdict is Verdict.BLOCK
    assert decision.response == "nxdomain"


@pytest.mark.parametrize(
    ("vendor", "host"),
    [
        ("github", "github.com/copilot"),
        ("duckduckgo", "duckduckgo.com/duckchat"),
        ("xai", "x.com"),
        ("cloudflare-ai", "api.cloudflare.com"),
    ],
)
def test_8_what_dns_cannot_separate_is_said_and_stays_open(catalogue: Catalogue, vendor: str, host: str) -> None:
    assert any(host in limit for limit in catalogue.about[vendor].limits)
    assert not blocked(host.partition("/")[0])


def test_8_addresses_and_foreign_vpns_are_said_too(catalogue: Catalogue) -> None:
    said = " ".join(catalogue.about["bypass"].limits)
    assert "VPN" in said
    assert "address" in said


def test_9_one_plan_is_blocked_while_the_others_stay_open() -> None:
    block = ("github/copilot-individual",)
    assert blocked("api.individual.githubcopilot.com", block=block)
    for name in ("api.business.githubcopilot.com", "api.enterprise.githubcopilot.com", "api.githubcopilot.com"):
        assert not blocked(name, block=block)


def test_9_allowing_a_plan_leaves_the_others_closed() -> None:
    allow = ["github/copilot-business"]
    for name in ("api.business.githubcopilot.com", "copilot-proxy.githubusercontent.com", "api.githubcopilot.com"):
        assert not blocked(name, allow=allow)
    assert blocked("api.individual.githubcopilot.com", allow=allow)


def test_10_the_companys_own_azure_resource_is_excepted_by_name() -> None:
    ours = {"lists": [{"name": "ours", "allow": ["ours.openai.azure.com"]}]}
    block = ("gateways", "ours")
    assert not blocked("ours.openai.azure.com", block=block, **ours)
    assert blocked("theirs.openai.azure.com", block=block, **ours)


def test_11_shared_log_ins_are_said_and_open_with_either_product(catalogue: Catalogue) -> None:
    assert any("Cursor" in limit for limit in catalogue.about["xai"].limits)
    assert blocked("accounts.spacex.ai")
    assert not blocked("accounts.spacex.ai", allow=["cursor/cursor"])
    assert not blocked("accounts.spacex.ai", allow=["xai/grok"])
