"""Public suffixes, against the package's own look-up."""

from __future__ import annotations

import random
from pathlib import Path

import publicsuffixlist
import pytest

from resolver.config.suffixes import is_public_suffix


@pytest.mark.slow
def test_our_look_up_says_what_the_package_says() -> None:
    theirs = publicsuffixlist.PublicSuffixList(accept_unknown=False, only_icann=True)
    lines = Path(publicsuffixlist.PSLFILE).read_text(encoding="utf-8").splitlines()
    rules = [line.split()[0].lstrip("!").removeprefix("*.") for line in lines if line and not line.startswith("//")]
    chance = random.Random(8)
    for rule in rules:
        name = rule.encode("idna").decode()
        label = chance.choice(("www", "x", "city", "xn--p1ai"))
        for candidate in (name, f"{label}.{name}", f"a.{label}.{name}", name.partition(".")[2]):
            if candidate:
                assert is_public_suffix(candidate) == theirs.is_public(candidate), candidate


def test_what_nobody_registered_is_no_public_suffix() -> None:
    for name in ("corp", "example.com", "github.io", "claudeusercontent.com", "www.ck", ""):
        assert not is_public_suffix(name), name
    for name in ("com", "co.uk", "anything.ck", "xn--p1ai"):
        assert is_public_suffix(name), name
