"""Decisions that cannot be brought in: told with their place, and nothing has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from .command import DELTA, FULL, accept, decide, findings, gather, register

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("host", "change", "said"),
    [
        ("api.acme.chat", {"rule": "chat"}, "'chat' is a public suffix"),
        ("api.acme.chat", {"rule": "other.chat"}, "'other.chat' does not cover api.acme.chat"),
        ("api.acme.chat", {"rule": "sentry.io"}, "covers sentry.io, which innocent services stand on"),
        ("api.acme.chat", {"rule": "=acme.chat:"}, "is not a domain name"),
        ("api.acme.chat", {"vendor": "ai"}, "'ai' cannot name a vendor"),
        ("api.acme.chat", {"vendor": "../x"}, "'../x' cannot name a vendor"),
        ("api.acme.chat", {"vendor": "delta", "service": "none"}, "no 'none' of delta in the catalogue: delta/api"),
        ("api.acme.chat", {"service": "Bad Name"}, "a service is named with lower-case letters"),
        ("api.acme.chat", {"folder": "elsewhere"}, "folder: 'elsewhere': expected vendors, resellers, clouds"),
        ("api.acme.chat", {"kind": "toy"}, "kind: 'toy': expected assistant"),
        ("api.acme.chat", {"surface": "sound"}, "surface: 'sound': expected web"),
        ("api.acme.chat", {"decision": "yes"}, "decision: 'yes': expected , accept, decline"),
        ("api.acme.chat", {"rule": ""}, "rule: expected text"),
        ("api.acme.chat", {"host": "a..b"}, "host: 'a..b' has an empty label"),
        ("api.delta-new.dev", {"vendor": "nobody"}, "vendor: no 'nobody' in the catalogue"),
        ("api.delta-new.dev", {"rule": "delta-new.dev", "surface": ""}, "surface: '': expected web"),
        ("api.delta-1.dev", {"rule": "delta-old.dev"}, "0 entries with the rule 'delta-old.dev'"),
    ],
)
def test_a_wrong_decision_changes_nothing_and_is_told(
    folder: Path,
    review: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    host: str,
    change: dict[str, str],
    said: str,
) -> None:
    gather(folder, review, register(tmp_path, **FULL))
    others = {other: {"decision": "accept"} for other in findings(review)}
    decide(review, **others)
    decide(review, **{host: change})
    assert accept(folder, review) == 2
    assert said in capsys.readouterr().err
    assert (folder / "vendors" / "delta.yaml").read_text() == DELTA
    assert sorted(path.name for path in folder.rglob("*.*")) == ["delta.yaml"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("findings: [", "review.yaml:1: not readable as YAML"),
        ("made: 2026-01-01", "review.yaml:1: expected a review file"),
        ("findings:\n- a", "findings: expected mappings"),
        ("findings:\n- {change: odd}", "review.yaml:2: change: 'odd': expected new, moved, gone"),
        ("findings:\n- {change: gone, seen_in: []}", "review.yaml:2: seen_in: expected a list"),
        ("findings:\n- {change: gone, surface: api, seen_in: [7]}", "seen_in: expected mappings"),
        ("findings:\n- {change: gone, surface: api, seen_in: [{date: 7}]}", "seen_in: date: expected a date"),
        (
            "findings:\n- {change: gone, surface: api, seen_in: [{date: 2026-01-01}]}",
            "seen_in: register: expected text",
        ),
        ("findings: !!python/name:os.system", "review.yaml:1: not readable as YAML"),
    ],
)
def test_a_review_file_that_is_none_is_told_with_its_line(
    folder: Path, review: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    review.write_text(text)
    assert accept(folder, review) == 2
    assert said in capsys.readouterr().err
