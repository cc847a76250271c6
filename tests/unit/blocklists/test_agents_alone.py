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
    # Claude Code's network configuration
    "anthropic/claude-code": (
        *("api.anthropic.com", "claude.ai", "platform.claude.com", "downloads.claude.ai", "mcp-proxy.anthropic.com"),
        *("bridge.claudeusercontent.com", "code.claude.com", "statsig.anthropic.com"),
    ),
    # QwenLM/qwen-code: sign-in, keys and base URLs that it offers
    "alibaba/qwen-code": (
        *("portal.qwen.ai", "chat.qwen.ai", "dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com"),
        *("coding.dashscope.aliyuncs.com", "token-plan.cn-beijing.maas.aliyuncs.com", "bailian.console.aliyun.com"),
        *("modelstudio.console.alibabacloud.com", "home.qwencloud.com", "token-plan.maas.qwencloudapi.com"),
        "qwen-code-assets.oss-cn-hangzhou.aliyuncs.com",
    ),
    # firewall pages of Qoder CN and Lingma, clients of Qoder
    "alibaba/qoder": (
        *("qoder.com", "openapi.qoder.sh", "api3.qoder.sh", "center.qoder.sh", "gateway.qoder.com.cn", "docs.qoder.cn"),
        *("lingma-api.tongyi.aliyun.com", "lingma.alibabacloud.com", "marketplace.lingma.aliyun.com"),
    ),
    # AWS's firewall page, clients of Kiro
    "amazon/kiro": (
        *("app.kiro.dev", "runtime.us-east-1.kiro.dev", "prod.us-east-1.auth.desktop.kiro.dev", "cli.kiro.dev"),
        *("prod.us-east-1.telemetry.kiro.aws.dev", "q.us-east-1.amazonaws.com", "q.eu-central-1.amazonaws.com"),
        *("codewhisperer.us-east-1.amazonaws.com", "desktop-release.q.us-east-1.amazonaws.com"),
    ),
    "augment/augment": ("auth.augmentcode.com", "d16.api.augmentcode.com", "cdn.augmentcode.com"),
    "bytedance/trae": (
        *("www.trae.ai", "growsg-normal.trae.ai", "grow-normal.traeapi.us", "icube-normal.traeapi.us"),
        *("api.trae.com.cn", "lf-cdn.trae.com.cn", "trae-api-cn.mchost.guru", "a0ai.marscode.cn"),
    ),
    "cline/cline": ("api.cline.bot", "app.cline.bot", "data.cline.bot", "otel.cline.bot"),
    "continue/continue": ("api.continue.dev", "hub.continue.dev"),
    "factory/droid": ("app.factory.ai", "auth.factory.ai", "api.factory.ai"),
    # GitHub's allowlist reference
    "github/copilot-business": (
        *("api.business.githubcopilot.com", "copilot-proxy.githubusercontent.com", "copilot-reports.github.com"),
        *("origin-tracker.githubusercontent.com", "copilot-telemetry.githubusercontent.com"),
    ),
    "github/copilot-enterprise": (
        *("api.enterprise.githubcopilot.com", "copilot-proxy.acme.ghe.com", "copilot-api.acme.ghe.com"),
        *("copilot-telemetry-service.acme.ghe.com", "origin-tracker.githubusercontent.com"),
    ),
    # google-gemini/gemini-cli; hosts in the binary of Antigravity's command line
    "google/code-assist": (
        *("cloudcode-pa.googleapis.com", "generativelanguage.googleapis.com", "cloudaicompanion.googleapis.com"),
        *("aicode.googleapis.com", "codeassist.google.com", "geminicli.com"),
    ),
    "google/antigravity": (
        *("antigravity.google", "antigravity.google.com", "antigravity-unleash.goog", "aicode.googleapis.com"),
        *("daily-cloudcode-pa.googleapis.com", "cloudcode-pa.googleapis.com", "businessaicode.googleapis.com"),
        *("daily-cloudcode-pa.sandbox.googleapis.com", "generativelanguage.googleapis.com"),
        *("alkalimakersuiteapplets.pa.googleapis.com", "vertexaisearch.cloud.google.com"),
        "antigravity-cli-auto-updater-974169037036.us-central1.run.app",
    ),
    "google/jules": ("jules.google.com", "jules.googleapis.com", "aida.googleapis.com"),
    # an API whose platform, documents and assets stand beside the chat
    "deepseek/api": (
        *("api.deepseek.com", "platform.deepseek.com", "api-docs.deepseek.com", "cdn.deepseek.com"),
        *("static.deepseek.com", "fe-static.deepseek.com"),
    ),
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
        ("deepseek/api", "chat.deepseek.com"),
        ("github/copilot-business", "copilot-api.acme.ghe.com"),
        ("google/jules", "gemini.google.com"),
        ("google/antigravity", "notebooklm.google.com"),
        ("alibaba/qoder", "chat.qwen.ai"),
        ("amazon/kiro", "nova.amazon.com"),
        ("bytedance/trae", "www.doubao.com"),
        ("ibm-bob/bob", "us-south.ml.cloud.ibm.com"),
    ],
)
def test_an_agent_allowed_alone_leaves_other_products_closed(agent: str, name: str) -> None:
    assert blocked(snapshot_with([agent]), name)
