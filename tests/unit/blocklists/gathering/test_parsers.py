"""Property tests: whatever octets a file has, it is read, or refused with a sentence; edits keep all else."""

from __future__ import annotations

import contextlib
import datetime
import tempfile
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from blocklists.gathering.client_list import read_client_list
from blocklists.gathering.declined import FILE, DeclinedFinding, declined_text, read_declined
from blocklists.gathering.filter_lists import read_adguard, read_v2fly
from blocklists.gathering.findings import RegisterChange
from blocklists.gathering.hosts import Why, host_of
from blocklists.gathering.reading import read_registers
from blocklists.gathering.registers import Told
from blocklists.gathering.review import read_review
from blocklists.gathering.structured import read_catwalk, read_litellm, read_models_dev
from blocklists.gathering.tables import read_tables
from blocklists.gathering.yaml_edit import add_entry, remove_entry
from resolver.errors import CatalogueError
from resolver.policy.rule_syntax import parse_rule
from tests.support.examples import examples

from . import forms

READERS = {
    "provider.toml": (read_models_dev, forms.MODELS_DEV["acme"]),
    "a.ts": (read_client_list, forms.CLIENT_LIST),
    "acme.json": (read_catwalk, forms.CATWALK["acme"]),
    "providers.json": (read_litellm, forms.LITELLM),
    "category-ai": (read_v2fly, forms.V2FLY["acme"].replace("include:acme @cn\n", "")),
    "acme.yml": (read_adguard, forms.ADGUARD),
    "services.json": (read_adguard, forms.ADGUARD_JSON),
    "registry.tsv": (read_tables, forms.TABLE),
    "review.yaml": (read_review, "findings:\n- {change: new, host: a.dev}\n"),
}


@st.composite
def damaged(draw: st.DrawFn, text: str) -> bytes:
    """A good file of which a piece is left out, doubled, or replaced by anything."""
    good = text.encode()
    start = draw(st.integers(0, len(good)))
    end = draw(st.integers(start, len(good)))
    middle = draw(st.one_of(st.just(b""), st.just(good[start:end] * 2), st.binary(max_size=20), st.just(b"[" * 400)))
    return good[:start] + middle + good[end:]


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=examples(200))
@given(data=st.data())
def test_any_file_is_read_or_refused_with_its_name(name: str, data: st.DataObject) -> None:
    read, good = READERS[name]
    content = data.draw(st.one_of(st.binary(max_size=200), damaged(good)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            read(path)
        except CatalogueError as error:
            assert name in str(error)


@settings(max_examples=examples(500))
@given(st.text(max_size=60) | st.from_regex(r"(https?://)?[a-z0-9.{}$\[\]:@%/-]{1,60}", fullmatch=True))
def test_any_address_gives_a_host_that_can_be_a_rule_or_a_reason(text: str) -> None:
    host = host_of(Told(text, "a:1"))
    if not isinstance(host, Why):
        assert parse_rule(host).text == host
        assert host_of(Told(f"https://{host}/v1", "a:1")) == host


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "piece"),
    [
        *(("a.ts", piece) for piece in ("/* ", "`a", "'", "{a:")),
        *(("registry.tsv", piece) for piece in ("# a/a ", "#\n")),
        *(("category-ai", piece) for piece in ("include:a ", "a.dev\n")),
        *(("services.json", piece) for piece in ('{"a":', "[")),
        ("provider.toml", "a."),
    ],
)
def test_no_file_takes_long(name: str, piece: str, tmp_path: Path) -> None:
    path = forms.one(tmp_path, name, piece * (1_000_000 // len(piece)))
    before = time.process_time()
    with contextlib.suppress(CatalogueError):
        read_registers(f"{path},revision=0123abcd,date=2026-07-02")
    assert time.process_time() - before < 5


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=30)


@settings(max_examples=examples(200))
@given(source=WORDS, note=WORDS, first=st.booleans())
def test_an_entry_is_added_as_it_is_and_taken_out_again(source: str, note: str, first: bool) -> None:
    head = "# made by hand\nvendor: a\n\ndomains:  # all\n"
    other = "  # one\n  - {rule: b.dev, service: api, surface: api, source: x, seen: 2026-01-01}  # kept\n"
    text = head + other + "\n# Left out: c.dev\n"
    service = "api" if first else "chat"
    entry = {"rule": "=a.dev", "service": service, "surface": "api", "source": source, "note": note}
    added = add_entry("a.yaml", text, {**entry, "seen": datetime.date(2026, 1, 2)})
    assert yaml.safe_load(added)["domains"][1] == {**entry, "seen": datetime.date(2026, 1, 2)}
    assert remove_entry("a.yaml", added, "=a.dev", service) == text


NAMES = WORDS.filter(lambda text: text[0] != "#" and text.strip() == text)
CHANGES = st.sampled_from(RegisterChange)
FIELDS = st.text(st.characters(codec="ascii", min_codepoint=33), max_size=20)


@settings(max_examples=examples(100))
@given(rows=st.lists(st.builds(DeclinedFinding, NAMES, CHANGES, st.dates(), FIELDS, FIELDS), max_size=5))
def test_declined_findings_are_read_as_they_were_written(rows: list[DeclinedFinding]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / FILE).write_text(declined_text(rows), encoding="utf-8")
        found = read_declined(Path(folder))
    assert {(row.name, row.change) for row in found} == {(row.name, row.change) for row in rows}
    assert set(found) <= set(rows)
