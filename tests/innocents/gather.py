"""Gather names that must stay open: ``python -m tests.innocents.gather`` writes tests/innocents/names.txt.xz anew.

On a Debian machine, after ``apt-get update``: homepages of Debian's packages, the domains of hosters (the public suffix
list), products.txt, fresh-2026-11.txt, and look-alikes made of these, of words in package descriptions and of the
catalogue's own names.
Each line of the file is a name and a letter, its kind (`KINDS`), sorted by name.
"""

from __future__ import annotations

import itertools
import lzma
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList

from blocklists.loading import load_catalogue
from resolver.policy.rule_syntax import RuleKind
from resolver.wire.names import to_text, wire_of_key

HERE = Path(__file__).parent
NAMES = HERE / "names.txt.xz"
KINDS = {
    "d": "the homepage of a Debian package, or its registrable domain",
    "h": "a hoster's domain, and a customer's site below it",
    "p": "another product of a vendor, or of a firm that everybody uses",
    "l": "a label with 'ai', 'chat', 'ml', 'gpt' … at an ordinary firm, or an ordinary word that has such letters",
    "t": "a name that ends or begins like a listed one, and is not below it by labels",
    "f": "gathered beside the fresh names of November 2026",
}
LABELS = (
    *("ai", "chat", "ml", "gpt", "chatops", "mail", "llm", "copilot", "assistant", "bot", "agent", "codex", "gemini"),
    *("claude", "grok", "cursor", "api", "inference", "models", "webchat", "livechat", "ai-lab", "ml-ops"),
)
TOPS = ("com", "org", "net", "de", "fr", "nl", "it", "eu", "info", "co.uk", "ca", "se")
BEFORE = ("my", "not", "un", "the", "x", "air", "grand", "new")
_REGISTRIES = re.compile(
    r"(^|\.)(pypi|pythonhosted|npmjs|crates|rubygems|packagist|cpan|metacpan|hackage|cran)\b|r-project"
)
_WORD = re.compile(r"[a-z]{5,14}")
_LOOKS = re.compile(r"ai|ml|chat|gpt|llm|bot|claud|gem|grok|curs|cod")
_NAME = re.compile(r"(?=.{4,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+(xn--[a-z0-9-]+|[a-z]{2,})\Z")
SUFFIXES = PublicSuffixList()
PUBLIC = PublicSuffixList(only_icann=True)


def main() -> int:
    """Write the file, and say how many names of each kind it has."""
    packages = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
    kinds: dict[str, str] = {}
    homepages = sorted(_homepages(packages))
    firms = sorted({firm for host in homepages if (firm := SUFFIXES.privatesuffix(host))})
    for kind, names in (
        ("f", (HERE / "fresh-2026-11.txt").read_text().splitlines()[1:]),
        ("p", _products()),
        ("d", [*homepages, *firms]),
        ("h", _hosters()),
        ("t", _traps()),
        ("l", [*_labels(firms), *_words(packages)]),
    ):
        for name in names:
            if _NAME.match(name) and not _REGISTRIES.search(name):
                kinds.setdefault(name, kind)
    text = "".join(f"{name} {kind}\n" for name, kind in sorted(kinds.items()))
    NAMES.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    for kind, told in KINDS.items():
        sys.stdout.write(f"{sum(one == kind for one in kinds.values()):6} {told}\n")
    sys.stdout.write(f"{len(kinds):6} names, {NAMES.stat().st_size} octets\n")
    return 0


def read_names() -> dict[str, str]:
    """The names with their kinds."""
    lines = lzma.decompress(NAMES.read_bytes()).decode().splitlines()
    return {name: kind for name, _, kind in (line.partition(" ") for line in lines)}


def _homepages(packages: str) -> Iterator[str]:
    for url in re.findall(r"^Homepage: *(\S+)", packages, re.MULTILINE):
        try:
            host = urlsplit(url if "//" in url else f"//{url}").hostname
        except ValueError:
            continue
        if host:
            yield host.rstrip(".").lower()


def _products() -> Iterator[str]:
    for line in (HERE / "products.txt").read_text().splitlines():
        if not line.startswith("#"):
            yield from line.partition(":")[2].split()


def _hosters() -> Iterator[str]:
    """Private entries of the public suffix list: customers' sites stand below them."""
    sites = itertools.cycle(("shop", "blog", "chat-demo", "intranet", "mail"))
    for suffix in sorted(SUFFIXES._publicsuffix):  # it has no public way to be read through
        if suffix.isascii() and PUBLIC.privatesuffix(suffix) and "*" not in suffix:
            yield suffix
            yield f"{next(sites)}.{suffix}"


def _traps() -> Iterator[str]:
    """Two a registrable domain of the catalogue: letters before it without a dot, and labels behind it."""
    rules = load_catalogue().domains
    names = {to_text(wire_of_key(domain.rule.key)) for domain in rules if domain.rule.kind is RuleKind.NAME}
    before = itertools.cycle(BEFORE)
    for name in sorted({firm for name in names if (firm := PUBLIC.privatesuffix(name))}):
        yield f"{next(before)}{name}"
        yield f"{name}.example.org"


def _labels(firms: Iterable[str]) -> Iterator[str]:
    labels = itertools.cycle(LABELS)
    for firm in firms:
        yield f"{next(labels)}.{firm}"


def _words(packages: str) -> Iterator[str]:
    """Ordinary words of package descriptions that have the letters, as names of firms."""
    tops = itertools.cycle(TOPS)
    counts: dict[str, int] = {}
    for description in re.findall(r"^Description(?:-en)?: *(.*)", packages, re.MULTILINE):
        for word in _WORD.findall(description.lower()):
            counts[word] = counts.get(word, 0) + 1
    for word, count in sorted(counts.items()):
        if count > 1 and _LOOKS.search(word):
            yield f"{word}.{next(tops)}"


if __name__ == "__main__":
    sys.exit(main())
