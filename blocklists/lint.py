"""Lint of the catalogue, beyond its being readable: ``python -m blocklists.lint`` (part of ``make check``).

Exit status 0: nothing found. 1: mistakes. Rules that others cover are told, and are no mistake: they may say more.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from blocklists.catalogue import Catalogue
from blocklists.loading import load_catalogue
from resolver.errors import CatalogueError
from resolver.policy.rule_syntax import Rule, RuleForm, RuleKind, compile_regex
from resolver.wire.names import key_of, parse_name, to_text, wire_of_key

NEVER: Final = (
    # measuring, errors, support
    "statsig.com", "statsigapi.net", "featuregates.org", "featureassets.org", "prodregistryv2.org",
    "datadoghq.com", "browser-intake-datadoghq.com", "sentry.io", "ingest.sentry.io", "intercom.io", "intercomcdn.com",
    # sign-in, payment, proof of being human
    "workos.com", "workoscdn.com", "auth0.com", "stripe.com", "js.stripe.com", "hcaptcha.com",
    "challenges.cloudflare.com", "accounts.google.com", "oauth2.googleapis.com", "appleid.apple.com", "login.live.com",
    "login.microsoftonline.com", "identrust.com",
    # hosts that everybody rents
    "googleapis.com", "storage.googleapis.com", "amazonaws.com", "s3.amazonaws.com", "sts.amazonaws.com",
    "blob.core.windows.net", "azureedge.net", "azurefd.net", "cdn.cloudflare.net", "cloudflare.com", "b-cdn.net",
    "vsassets.io", "githubusercontent.com", "raw.githubusercontent.com", "livekit.cloud", "cloudfront.net",
    # what their users make
    "hf.space", "replit.app", "repl.co", "replit.dev", "vercel.app", "github.io", "lovable.app",
    # the rest of firms that also do AI
    "google.com", "www.google.com", "bing.com", "www.bing.com", "microsoft.com", "office.com", "github.com",
    "x.com", "facebook.com", "amazon.com", "apple.com", "yandex.ru", "baidu.com", "tencent.com", "aliyuncs.com",
    "duckduckgo.com", "search.brave.com", "gitlab.com", "snowflakecomputing.com", "nvidia.com", "adobe.com",
)  # fmt: skip
"""Names that no rule in force may cover: innocent services stand on them."""

_REGISTRIES: Final = ("pypi", "pythonhosted", "npmjs", "crates", "rubygems", "packagist", "nuget", "debian", "conda")
"""Labels of package registries: everybody's software comes from there."""

_LISTS: Final = re.compile(
    "v2fly|VPSDance|blackmatrix7|hagezi|SaltyMonkey|antonme|nullgen|olbat/|\\bUT1\\b|Quantumult|category-ai",
    re.IGNORECASE,
)
"""Third-party lists of domains: they point to a name, but do not prove whose it is."""

_USABLE: Final = {"api", "web", "install"}


def mistakes(catalogue: Catalogue) -> Iterator[str]:
    """Mistakes that must be mended, as finished sentences."""
    for domain in catalogue.domains:
        for name in NEVER:
            if _covers(domain.rule, name):
                yield f"{domain.service}: {domain.rule.text}: covers {name}, which innocent services stand on"
        labels = to_text(wire_of_key(domain.rule.key)).split(".")
        if found := sorted(set(labels) & set(_REGISTRIES)):
            yield f"{domain.service}: {domain.rule.text}: {found[0]} is a package registry"
    for vendor in catalogue.about.values():
        surfaces = {domain.surface for domain in catalogue.domains if domain.vendor == vendor.id}
        if vendor.kind != "bypass" and vendor.closed is None and not surfaces & _USABLE:
            yield f"{vendor.id}: no domain in force is its api, web or install surface"
        for other in vendor.serves_models_of:
            if other not in catalogue.about:
                yield f"{vendor.id}: serves_models_of: no vendor {other!r} in the catalogue"


def gaps(catalogue: Catalogue) -> Iterator[str]:
    """Mistakes in the bundled catalogue, which a company's own or a feed's may have."""
    for domain in catalogue.domains:
        if all(_LISTS.search(part) for part in domain.source.split(";")):
            yield f"{domain.service}: {domain.rule.text}: its source is a third-party list alone: {domain.source}"
    for service in catalogue.services.values():
        if service.kind is None and catalogue.about[service.vendor].kind != "bypass":
            yield f"{service.id}: no kind of service"


def notes(catalogue: Catalogue) -> Iterator[str]:
    """Rules below others of the same vendor: each must be there for what it says more."""
    for domain in catalogue.domains:
        for other in catalogue.domains:
            if other is domain or other.rule.form is RuleForm.EXACT or other.rule.kind is not RuleKind.NAME:
                continue
            if domain.rule.key != other.rule.key and _is_below(domain.rule.key, other.rule.key):
                said, of_other = ((one.service, one.surface, one.response, one.needed_by) for one in (domain, other))
                what = "and says the same of it" if said == of_other else "and says more"
                yield f"{domain.service}: {domain.rule.text} is below {other.rule.text} of {other.service}, {what}"


def _covers(rule: Rule, name: str) -> bool:
    if rule.kind is not RuleKind.NAME:
        return compile_regex(rule.regex).search(name) is not None
    key = _key(name)
    if rule.form is RuleForm.EXACT:
        return rule.key == key
    return rule.key == key or _is_below(key, rule.key)


@lru_cache(maxsize=4096)
def _key(name: str) -> bytes:
    return key_of(parse_name(name))


def _is_below(key: bytes, parent: bytes) -> bool:
    return len(key) > len(parent) and key.startswith(parent)  # keys are labels with their lengths: no half labels


def main() -> int:
    """Check the bundled catalogue, or that in the folder given."""
    try:
        catalogue = load_catalogue(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    except CatalogueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    found = [*mistakes(catalogue), *gaps(catalogue)]
    told = list(notes(catalogue))
    sys.stderr.writelines(f"{text}\n" for text in found)
    sys.stdout.writelines(f"note: {text}\n" for text in told if text.endswith("the same of it"))
    sys.stdout.write(
        f"catalogue: {len(catalogue.vendors)} vendors and gateways, {len(catalogue.services)} services, "
        f"{len(catalogue.domains)} rules in force, {len(catalogue.shared)} shared names; "
        f"{len(told)} rules are below others; {len(found)} mistakes\n"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
