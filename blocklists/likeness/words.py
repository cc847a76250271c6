"""Words and top-level domains that AI services have in their names, with points: how much each says."""

from __future__ import annotations

from typing import Final

ANYWHERE: Final[dict[str, int]] = {
    # Within a label, whatever is around it.
    "gpt": 45, "llm": 40, "llama": 40, "openai": 50, "genai": 40, "aigc": 40, "vertexai": 45, "copilot": 40,
    "chatbot": 35, "generativeai": 50, "diffusion": 25, "inference": 30, "bedrock": 25, "usercontent": 6,
    "neural": 18,
}  # fmt: skip

PARTS: Final[dict[str, int]] = {
    # A part of a label, between hyphens, digits and its ends.
    "ai": 40, "ml": 12, "agi": 30, "chat": 16, "bot": 14, "agent": 18, "agents": 22, "prompt": 18, "prompts": 18,
    "model": 12, "models": 16, "router": 10, "tts": 14, "rag": 12, "nlp": 14, "avatar": 10, "persona": 8, "token": 8,
    "tokens": 8, "embedding": 20, "embeddings": 20, "completion": 20, "completions": 25, "assistant": 18, "mcp": 14,
    "notebook": 6, "code": 4, "coder": 10, "gen": 6, "vision": 5, "speech": 10, "voice": 8, "image": 4, "muse": 6,
}  # fmt: skip

ENDS: Final[dict[str, int]] = {
    # At the begin or end of a longer part.
    "chat": 12, "bot": 10, "agent": 12, "agents": 12, "mind": 7, "brain": 7, "deep": 8, "dream": 6, "prompt": 12,
    "router": 8, "write": 6, "writer": 7, "voice": 8, "speech": 8, "model": 9, "models": 9, "persona": 8, "infer": 12,
    "code": 5, "gen": 3, "copy": 4, "talk": 5, "think": 6, "tokens": 6, "token": 6, "tune": 4, "draw": 4, "cognit": 10,
    "intellig": 8, "buddy": 5, "pilot": 5, "novel": 4, "lexica": 6, "character": 6, "synth": 5, "text": 2,
}  # fmt: skip

HOSTS: Final[dict[str, int]] = {
    # A label in front of the registrable domain: what such a service calls its doors.
    "api": 4, "chat": 3, "console": 4, "platform": 5, "inference": 6, "playground": 6, "gateway": 3, "app": 2,
    "studio": 3, "models": 3, "router": 4, "openapi": 4, "auth": 1, "docs": 1, "cli": 2, "telemetry": 1,
}  # fmt: skip

TOP_LEVEL: Final[dict[str, int]] = {
    "ai": 40, "chat": 22, "bot": 22, "run": 9, "app": 7, "dev": 6, "studio": 6, "so": 6, "io": 4, "ml": 5, "im": 4,
    "sh": 4, "cloud": 4, "tools": 4, "art": 4, "audio": 6, "network": 3, "solutions": 3, "co": 3, "gg": 3, "works": 3,
    "xyz": 3, "me": 2, "cn": 4, "tech": 3, "build": 5, "new": 4, "computer": 4, "systems": 3, "land": 2, "page": 2,
    "ht": 2, "pro": 2, "fun": 2, "life": 2, "world": 2, "space": 2, "site": 2, "online": 2,
    "tv": 1, "us": 1, "id": 1,
}  # fmt: skip

BRAND_POINTS: Final = (26, 18, 7)
"""For the name of a listed service that is a label, its begin, or within it: a firm's further domains begin with its
name (``acmetpcontent.com`` beside ``acme.com``), and names of strangers end with it.
"""

SHORT_BRANDS: Final = ("grok", "qwen", "kimi")
"""Names of listed services that are found although they are short."""

NO_AI_ENDS: Final = (
    "shanghai", "mumbai", "dubai", "chennai", "thai", "chai", "bonsai", "samurai", "sinai", "hyundai", "hokkai",
    "sendai", "tokai", "kansai", "masai", "moai",
)  # fmt: skip
"""Ends of words in which "ai" is no word of its own."""

NO_AI_BEGINS: Final = ("air", "aid", "aim", "ain", "ais", "aik", "ail", "aix", "aib", "aiv", "aiz")

_COMMON = (
    "adobe aliyun ambient arena arkoselabs azure beautiful blackbox bland boomy brave bridge bynder candy captions "
    "character charm cline cloud cloudflarestorage cloudinary cognition consensus continue cursor emergent factory "
    "fathom featherless fireflies fireworks friendli gamma geller-pa generativelanguage gitee github google gstatic "
    "harvey hatch hedra hetzner huawei hyperbolic imgix impossibl inflection jasper jenni jetbrains kuaishou lambda "
    "langchain leonardo lindy liner livepreview mchost merge microsoft modal monica opera-api oraclecloud otter "
    "pictory pioneer playground plaud poolside proton qualtrics quantized quiver recraft remove replicate requesty "
    "resemble right routing salad sandbox scaleway sider skilljar smallest spacex stability stitch swoogo synthetic "
    "tencentcloudapi together tongyi unity2 upstage venice vercel wafer yandex zhihu"
)
COMMON: Final = frozenset(_COMMON.split())
"""Names of listed services that are words, or names of firms which do much else: they say nothing within a label."""
