"""The command: what is new, moved and gone, what a person accepts and declines, and a second run that is silent."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path

import pytest

import blocklists
from blocklists.gather import main
from blocklists.lint import mistakes
from blocklists.loading import load_catalogue

from . import forms
from .command import DELTA, FULL, TODAY, accept, decide, findings, gather, register

BUNDLED = Path(blocklists.__file__).parent


def test_what_is_new_moved_and_gone_is_told_with_its_provenance(folder: Path, review: Path, tmp_path: Path) -> None:
    assert gather(folder, review, register(tmp_path, **FULL)) == 1
    found = findings(review)
    assert {host: one["change"] for host, one in found.items()} == {
        "api.acme.chat": "new",
        "api.delta-new.dev": "moved",
        "api.delta-1.dev": "gone",
    }
    assert (found["api.delta-new.dev"]["vendor"], found["api.delta-new.dev"]["service"]) == ("delta", "api")
    assert found["api.acme.chat"]["seen_in"] == [
        {
            "register": "anomalyco/models.dev",
            "revision": "0123abcd",
            "date": datetime.date(2026, 7, 2),
            "at": "acme/provider.toml:2",
            "provider": "acme",
            "source": "anomalyco/models.dev providers/*/provider.toml @0123abcd",
        }
    ]
    assert found["api.delta-1.dev"]["rule"] == "=api.delta-1.dev"


def test_accepted_findings_become_entries_and_the_rest_of_a_file_stays(
    folder: Path, review: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = register(tmp_path, **FULL)
    gather(folder, review, source)
    decide(
        review,
        **{host: {"decision": "accept"} for host in ("api.acme.chat", "api.delta-new.dev", "api.delta-1.dev")},
    )
    assert accept(folder, review) == 0
    assert "3 accepted, 0 declined, 0 undecided" in capsys.readouterr().out
    catalogue = load_catalogue(folder)
    assert list(mistakes(catalogue)) == []
    acme = next(domain for domain in catalogue.domains if domain.vendor == "acme")
    assert (acme.rule.text, acme.service, acme.surface) == ("api.acme.chat", "acme/api", "api")
    assert acme.source == "anomalyco/models.dev providers/*/provider.toml @0123abcd"
    assert acme.seen == datetime.date(2026, 7, 2)
    assert catalogue.about["acme"].kind == "reseller"
    before, after = DELTA.splitlines(), (folder / "vendors" / "delta.yaml").read_text().splitlines()
    assert [line for line in after if line not in before] == [
        '  - {rule: kept.delta-two.dev, service: api, surface: api, source: &md "anomalyco/models.dev '
        '@00aa", seen: 2026-01-01, note: Delta two}',
        "  - {rule: api.delta-new.dev, service: api, surface: api, source: anomalyco/models.dev "
        "providers/*/provider.toml @0123abcd, seen: 2026-07-02, note: Delta}",
    ]
    assert [line for line in before if line not in after] == [before[11], before[14]]
    review.unlink()
    assert gather(folder, review, source) == 0
    assert not review.exists()
    assert "nothing to review" in capsys.readouterr().out


def test_what_was_declined_is_not_asked_again(folder: Path, review: Path, tmp_path: Path) -> None:
    source = register(tmp_path, **FULL)
    gather(folder, review, source)
    decide(review, **{host: {"decision": "decline", "why": "not\tours\n"} for host in findings(review)})
    before = (folder / "vendors" / "delta.yaml").read_text()
    assert accept(folder, review) == 0
    assert (folder / "vendors" / "delta.yaml").read_text() == before
    rows = [line.split("\t") for line in (folder / "declined.tsv").read_text().splitlines() if line[0] != "#"]
    assert rows == [
        ["=api.delta-1.dev delta/api", "gone", "2026-11-26", "anomalyco/models.dev", "not ours"],
        ["api.acme.chat", "new", "2026-11-26", "anomalyco/models.dev", "not ours"],
        ["api.delta-new.dev", "moved", "2026-11-26", "anomalyco/models.dev", "not ours"],
    ]
    assert gather(folder, review, source) == 0
    load_catalogue(folder)  # which the file beside its folders does not concern


@pytest.mark.slow
def test_a_finding_without_a_decision_is_asked_again(folder: Path, review: Path, tmp_path: Path) -> None:
    source = register(tmp_path, **FULL)
    gather(folder, review, source)
    decide(review, **{"api.acme.chat": {"decision": "accept"}})
    assert accept(folder, review) == 1
    assert accept(folder, review) == 1  # what it accepted is known by now
    review.unlink()
    assert gather(folder, review, source) == 1
    assert findings(review).keys() == {"api.delta-new.dev", "api.delta-1.dev"}


def test_a_host_of_several_registers_is_one_finding_with_all_of_them(
    folder: Path, review: Path, tmp_path: Path
) -> None:
    client = forms.one(tmp_path, "providers.generated.ts", forms.CLIENT_LIST)
    source = register(tmp_path, **FULL)
    assert gather(folder, review, source, f"{client},revision=89abcdef,date=2026-08-21") == 1
    acme = findings(review)["api.acme.chat"]
    assert [seen["register"] for seen in acme["seen_in"]] == ["anomalyco/models.dev", "cline/cline"]
    decide(review, **{"api.acme.chat": {"decision": "accept", "rule": "acme.chat", "folder": "vendors"}})
    accept(folder, review)
    (entry,) = [domain for domain in load_catalogue(folder).domains if domain.vendor == "acme"]
    assert (entry.rule.text, entry.seen) == ("acme.chat", datetime.date(2026, 8, 21))
    assert entry.source.count("@") == 2


def test_shared_local_template_and_cloud_addresses_are_left_out(
    folder: Path, review: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = {
        "template": "https://{resource}.acme.chat/v1",
        "environment": "$ACME_ENDPOINT",
        "loopback": "http://127.0.0.1:1234/v1",
        "sixth": "http://[::1]:1/",
        "lan": "http://192.168.1.9/v1",
        "named": "http://gpu.local:8000",
        "single": "http://ollama:11434",
        "bare": "https://203.0.114.9/v1",
        "cloud": "https://acme-llm.eu-west-1.amazonaws.com/v1",
        "azure": "https://acme.services.ai.azure.com/v1",
        "shared": "https://api.github.com/models",
        "customer": "https://acme.vercel.app/v1",
        "common": "https://login.commons.dev/v1",
        "nothing": "https:///v1",
    }
    source = register(tmp_path, two=FULL["two"], gate=FULL["gate"], delta="https://api.delta-1.dev", **urls)
    assert main([source, "--catalogue", str(folder), "--review", str(review), "--json"], TODAY) == 0
    left_out = {one["provider"]: one["why"] for one in json.loads(capsys.readouterr().out)["left_out"]}
    assert left_out == {
        "template": "template",
        "environment": "template",
        "loopback": "local",
        "sixth": "local",
        "lan": "local",
        "named": "local",
        "single": "local",
        "bare": "no name",
        "cloud": "cloud",
        "azure": "cloud",
        "shared": "shared",
        "customer": "shared",
        "common": "shared",
        "nothing": "no name",
    }


def test_a_name_of_a_filter_list_alone_needs_its_owners_word(
    folder: Path, review: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = forms.tree(tmp_path / "data", forms.V2FLY) / "category-ai-!cn"
    source = f"{path},revision=0123abcd,date=2026-07-02"
    assert gather(folder, review, source) == 1
    found = findings(review)
    assert found.keys() == {"acme.chat", "cdn.echo-chat.dev", "echo-chat.dev"}
    assert found["cdn.echo-chat.dev"]["rule"] == "=cdn.echo-chat.dev"
    decide(review, **{"echo-chat.dev": {"decision": "accept"}})
    assert accept(folder, review) == 2
    assert "echo-chat.dev: stands only in lists that were made to filter" in capsys.readouterr().err
    decide(review, **{"echo-chat.dev": {"confirmed": "echo-chat.dev/legal"}})
    assert accept(folder, review) == 1
    (entry,) = [domain for domain in load_catalogue(folder).domains if domain.rule.text == "echo-chat.dev"]
    assert entry.source.startswith("echo-chat.dev/legal; v2fly/domain-list-community data/category-ai-!cn @")


def test_an_entry_that_a_filter_list_has_no_more_is_gone(folder: Path, review: Path, tmp_path: Path) -> None:
    source = 'source: "v2fly/domain-list-community data/category-ai-!cn @00aa", seen: 2026-01-01'
    entries = [f"  - {{rule: {name}, service: chat, surface: web, {source}}}" for name in ("echo-chat.dev", "old.dev")]
    file = folder / "vendors" / "delta.yaml"
    file.write_text(DELTA.replace("  # kept apart\n", "\n".join([*entries, ""])))
    path = forms.tree(tmp_path / "data", forms.V2FLY) / "category-ai-!cn"
    assert gather(folder, review, f"{path},revision=0123abcd,date=2026-07-02") == 1
    assert [one["host"] for one in findings(review).values() if one["change"] == "gone"] == ["old.dev"]


def test_characters_that_cannot_be_written_are_replaced(folder: Path, review: Path, tmp_path: Path) -> None:
    text = '{"a\\ud800": {"base_url": "https://api.acme.chat/v1"}, "b": {"base_url": "\\u0000\\udfff"}}'
    path = forms.one(tmp_path, "providers.json", text)
    assert gather(folder, review, f"{path},revision=0123abcd,date=2026-07-02") == 1
    assert findings(review)["api.acme.chat"]["name"] == "a\ufffd"


def test_half_a_register_tells_nothing_as_gone(folder: Path, review: Path, tmp_path: Path) -> None:
    source = register(tmp_path, acme=FULL["acme"])
    assert gather(folder, review, source) == 1
    assert findings(review).keys() == {"api.acme.chat"}
    older = register(tmp_path, **FULL).replace("2026-07-02", "2025-12-31")
    assert gather(folder, review, older) == 1
    assert {one["change"] for one in findings(review).values()} == {"new", "moved"}  # entries are newer than it


@pytest.mark.slow
def test_a_review_with_decisions_is_not_written_over(
    folder: Path, review: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = register(tmp_path, **FULL)
    assert gather(folder, review, source) == 1
    assert gather(folder, review, source) == 1
    decide(review, **{"api.acme.chat": {"decision": "decline"}})
    assert gather(folder, review, source) == 2
    assert "has decisions: bring them in" in capsys.readouterr().err


def test_bad_rows_of_declined_findings_are_told(
    folder: Path, review: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forms.one(folder, "declined.tsv", "# head\na.dev\tnew\tyesterday\tr\t\n")
    assert gather(folder, review, register(tmp_path, **FULL)) == 2
    assert "declined.tsv:2: expected name, change" in capsys.readouterr().err


def test_json_says_all_of_it(folder: Path, review: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [register(tmp_path, **FULL), "--catalogue", str(folder), "--review", str(review), "--json"]
    assert main(arguments, TODAY) == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["change"] for one in told["findings"]] == ["new", "moved", "gone"]
    assert (told["known"], told["review"]) == (2, str(review))
    decide(review, **{host: {"decision": "decline"} for host in findings(review)})
    assert main(["--accept", str(review), "--catalogue", str(folder), "--json"], TODAY) == 0
    assert json.loads(capsys.readouterr().out)["files"] == ["declined.tsv"]


@pytest.mark.parametrize("arguments", [[], ["--accept", "r.yaml", "source"], ["--wrong"]])
def test_a_wrong_call_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments, TODAY)
    assert caught.value.code == 2


@pytest.mark.slow
def test_the_bundled_catalogue_has_all_that_three_clients_registers_have(
    review: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = (BUNDLED / "samples" / "registers-2026-08.tsv").read_text().splitlines()
    origins = [re.sub(r"# \S+: (.*) @(\w+) (\S+) .*", r"# \1 at \2 (\3)", line) for line in sample[1:4]]
    rows = [line.split("\t") for line in sample if line[0] != "#"]
    table = [f"{register}\t{provider}\t{provider}\thttps://{host}/v1" for host, register, provider in rows]
    path = forms.one(tmp_path, "registers.tsv", "\n".join([*origins, "# registry\tid\tname\tapi", *table]))
    main([str(path), "--review", str(review), "--json"], TODAY)
    found = json.loads(capsys.readouterr().out)[
        "findings"
    ]  # the sample has no addresses of documents: gone tells nothing
    assert [one["host"] for one in found if one["change"] != "gone"] == []
