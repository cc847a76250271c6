"""A coding agent allowed alone, with all else blocked, reaches every name that its own source or network page names."""

from __future__ import annotations

import functools

import pytest

from blocklists.sources import bundled_sources, groups_of, scopes_of
from resolver.config.policy_schema import Policy
from resolver.policy.compiler import CompiledRules, compile_groups, compile_rules, policy_in_memory
from resolver.policy.decision import Verdict
from resolver.policy.snapshot import PolicySnapshot
from resolver.wire.names import key_of, parse_name
from tests.unit.bundled import bundled_catalogue

NEEDS = {
    # regions of MoonshotAI/kimi-code, platforms of MoonshotAI/kimi-cli
    "moonshot/kimi-code": (
        *("www.kimi.com", "auth.kimi.com", "api.kimi.com", "code.kimi.com", "cdn.kimi.com", "telemetry-logs.kimi.com"),
        *("www.kimi.ai", "auth.kimi.ai", "api.kimi.ai", "api.moonshot.cn", "api.moonshot.ai"),
        *("platform.kimi.com", "platform.kimi.ai"),
    ),
    # Devin Desktop's extension.js and language server
    "windsurf/windsurf": (
        *("server.codeium.com", "inference.codeium.com", "register.windsurf.com", "eu.windsurf.com"),
        *("windsurf.fedstart.com", "windsurf-stable.codeiumdata.com", "server.self-serve.devin.com"),
        *("app.devin.ai", "api.devin.ai"),
    ),
    "windsurf/devin": ("app.devin.ai", "api.devin.ai", "server.codeium.com", "windsurf-stable.codeiumdata.com"),
    # xai-org/grok-build
    "xai/grok-cli": (
        *("x.ai", "auth.x.ai", "accounts.x.ai", "api.x.ai", "grok.com", "cli-chat-proxy.grok.com", "code.grok.com"),
        *("computer-hub.grok.com", "assets.grok.com"),
    ),
    # JetBrains' documentation of AI Assistant, traces of Junie
    "jetbrains/junie": (
        *("auth.grazie.ai", "api.jetbrains.ai", "api.app.prod.grazie.aws.intellij.net", "junie.jetbrains.com"),
        "ingrazzio-cloud-prod.labs.jb.gg",
    ),
    # ampcode.com/security
    "sourcegraph/amp": ("ampcode.com", "auth.ampcode.com", "static.ampcode.com", "production.ampworkers.com"),
    # product.json of CodeBuddy's command line
    "tencent/codebuddy": ("copilot.tencent.com", "www.codebuddy.cn", "www.codebuddy.ai", "www.workbuddy.ai"),
    "zhipu/zcode": ("zcode.z.ai", "cdn-zcode.z.ai", "cdn.codegeex.cn", "chat.z.ai", "api.z.ai", "open.bigmodel.cn"),
    "lovable/lovable": ("lovable.dev", "lovable-api.com", "cdn.gpteng.co", "x.lovableproject.com"),
    "cursor/cursor": ("auth.grokusercontent.com", "accounts.spacex.ai"),
    # channel configuration of warpdotdev/warp
    "warp/warp": ("app.warp.dev", "rtc.app.warp.dev", "sessions.app.warp.dev", "oz.warp.dev"),
    # sdk/src/constants.ts of CodebuffAI/codebuff
    "codebuff/codebuff": ("codebuff.com", "www.codebuff.com", "freebuff.com", "manicode-backend.onrender.com"),
    "commandcode/commandcode": ("commandcode.ai", "api.commandcode.ai"),
    "ibm-bob/bob": ("bob.ibm.com", "api.us-east.bob.ibm.com"),
    # Verdent's security policy
    "verdent/verdent": (
        *("www.verdent.ai", "api.verdent.ai", "agent.verdent.ai", "llm-proxy.verdent.ai", "log.verdent.ai"),
        "login.verdent.ai",
    ),
    "roo-code/roo-code": ("api.roocode.com", "app.roocode.com", "cloud-api.roocode.com"),
    "zencoder/zencoder": ("auth.zencoder.ai", "download.zencoder.ai"),
    "traycer/traycer": ("authn.traycer.ai", "platform.traycer.ai", "relay.traycer.ai"),
    # an API whose keys are made at the chat
    "longcat/api": ("api.longcat.chat", "longcat.chat", "www.longcat.chat"),
}


@functools.cache
def rules() -> CompiledRules:
    return compile_rules(bundled_sources(bundled_catalogue()))


def snapshot_with(allow: list[str]) -> PolicySnapshot:
    group = {"name": "default", "block": ["ai", "clouds", "bypass"], "allow": allow}
    plain = Policy.model_validate({"groups": [group]}).model_dump(mode="json")
    catalogue = bundled_catalogue()
    groups = compile_groups(groups_of(plain, catalogue), plain["own_vendors"], scopes_of(plain, catalogue))
    return policy_in_memory(rules(), groups)


def blocked(snapshot: PolicySnapshot, name: str) -> bool:
    view, _ = snapshot.view_of("127.0.0.1")
    return snapshot.decide(view, key_of(parse_name(name))).verdict is Verdict.BLOCK


@pytest.mark.parametrize("agent", NEEDS)
def test_an_agent_allowed_alone_reaches_what_it_names(agent: str) -> None:
    nothing, alone = snapshot_with([]), snapshot_with([agent])
    assert [name for name in NEEDS[agent] if not blocked(nothing, name)] == []
    assert [name for name in NEEDS[agent] if blocked(alone, name)] == []


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("sourcegraph/amp", "cody-gateway.sourcegraph.com"),
        ("jetbrains/junie", "air.jetbrains.cloud"),
        ("tencent/codebuddy", "yuanbao.tencent.com"),
        ("windsurf/windsurf", "deepwiki.com"),
        ("moonshot/kimi-code", "chatgpt.com"),
        ("zhipu/zcode", "autoglm.zhipuai.cn"),
        ("ibm-bob/bob", "us-south.ml.cloud.ibm.com"),
    ],
)
def test_an_agent_allowed_alone_leaves_other_products_closed(agent: str, name: str) -> None:
    assert blocked(snapshot_with([agent]), name)
