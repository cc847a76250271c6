"""Registers in their own forms: what is read of each, and that a mistake is named with file and line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from blocklists.gathering.reading import read_registers
from blocklists.gathering.registers import Register, ToldReach
from resolver.errors import CatalogueError

from . import forms

ORIGIN = ",revision=0123abcd,date=2026-07-02"


def addresses(register: Register) -> dict[str, list[str]]:
    return {one.id: [told.text for told in one.addresses] for one in register.providers}


def test_models_devs_tree_is_read_provider_by_provider(tmp_path: Path) -> None:
    folder = forms.tree(tmp_path, forms.MODELS_DEV, "providers/{}/provider.toml")
    (register,) = read_registers(f"{folder}{ORIGIN}")
    assert addresses(register) == {
        "acme": ["https://api.acme.chat/v1"],
        "bravo": ["https://llm.bravo-models.dev/v1"],
        "cloudy": ["https://{ACCOUNT}.models.cloudy.dev/v1"],
        "local": ["http://127.0.0.1:1234/v1"],
        "silent": [],
    }
    assert register.is_whole
    assert not register.is_list
    acme = register.providers[0]
    assert (acme.name, acme.addresses[0].at, acme.documents[0].text) == (
        "Acme",
        "acme/provider.toml:5",
        "https://docs.acme.chat",
    )
    assert register.provenance.source == "anomalyco/models.dev providers/*/provider.toml @0123abcd"
    assert str(register.provenance.date) == "2026-07-02"
    (single,) = read_registers(f"{folder / 'providers/bravo/provider.toml'}{ORIGIN}")
    assert addresses(single) == {"bravo": ["https://llm.bravo-models.dev/v1"]}
    assert not single.is_whole


def test_a_clients_list_is_read_without_running_it(tmp_path: Path) -> None:
    (register,) = read_registers(f"{forms.one(tmp_path, 'providers.generated.ts', forms.CLIENT_LIST)}{ORIGIN}")
    assert addresses(register) == {"acme": ["https://api.acme.chat/v1"], "delta": ["https://api.delta-models.dev/v1"]}
    acme = register.providers[0]
    assert (acme.name, acme.addresses[0].at) == ('Acme A"I"', "providers.generated.ts:13")
    assert acme.documents[0].text == "https://docs.acme.chat"


def test_catwalks_files_are_read_one_a_provider(tmp_path: Path) -> None:
    folder = forms.tree(tmp_path, forms.CATWALK, "internal/providers/configs/{}.json")
    (register,) = read_registers(f"{folder}{ORIGIN}")
    assert addresses(register) == {"acme": ["https://api.acme.chat/v1"], "own": ["$OWN_API_ENDPOINT"]}
    assert register.providers[0].addresses[0].at == "acme.json:5"


def test_litellms_two_files_are_read(tmp_path: Path) -> None:
    (register,) = read_registers(f"{forms.one(tmp_path, 'providers.json', forms.LITELLM)}{ORIGIN}")
    assert addresses(register) == {"acme": ["https://api.acme.chat/v1"]}
    (prices,) = read_registers(f"{forms.one(tmp_path, 'model_prices_and_context_window.json', forms.PRICES)}{ORIGIN}")
    assert addresses(prices) == {"acme": ["https://two.acme.chat/v1"], "echo": []}
    assert [told.text for told in prices.providers[0].documents] == ["https://acme.chat/prices"]


def test_v2flys_file_is_read_with_those_it_includes(tmp_path: Path) -> None:
    folder = forms.tree(tmp_path / "data", forms.V2FLY)
    (register,) = read_registers(f"{folder / 'category-ai-!cn'}{ORIGIN}")
    told = {told.text: told.reach for one in register.providers for told in one.addresses}
    assert told == {
        "echo-chat.dev": ToldReach.BELOW,
        "cdn.echo-chat.dev": ToldReach.HOST,
        "echo": ToldReach.PATTERN,
        "acme.chat": ToldReach.BELOW,
        "t.acme.chat": ToldReach.TRACKING,
        "^acme[0-9]\\.dev$": ToldReach.PATTERN,
    }
    assert register.is_list
    assert register.provenance.path == "data/category-ai-!cn"


def test_adguards_services_are_read_from_one_file_a_folder_and_a_collection(tmp_path: Path) -> None:
    (register,) = read_registers(f"{forms.one(tmp_path, 'acme.yml', forms.ADGUARD)}{ORIGIN}")
    told = {told.text: told.reach for told in register.providers[0].addresses}
    assert told == {
        "acme.chat": ToldReach.BELOW,
        "only.acme.chat": ToldReach.HOST,
        "||*.acme.dev^": ToldReach.PATTERN,
        "/acme/": ToldReach.PATTERN,
    }
    forms.one(tmp_path, "film.yml", forms.ADGUARD.replace("acme", "film").replace("group: ai", "group: video"))
    assert addresses(read_registers(f"{tmp_path}{ORIGIN}")[0]).keys() == {"acme"}
    (collection,) = read_registers(f"{forms.one(tmp_path, 'services.json', forms.ADGUARD_JSON)}{ORIGIN}")
    assert addresses(collection) == {"acme": ["acme.chat"]}
    assert collection.is_list


def test_a_table_says_itself_where_it_is_from(tmp_path: Path) -> None:
    models, other = read_registers(str(forms.one(tmp_path, "registry.tsv", forms.TABLE)))
    assert addresses(models) == {"acme": ["https://api.acme.chat/v1"]}
    assert addresses(other) == {"bravo": ["https://llm.bravo-models.dev/v1"], "cloudy": []}
    assert models.provenance.source == "acme/models providers/*.toml @0123abcd"
    assert (other.provenance.source, str(other.provenance.date)) == ("other/list src/a.ts @89abcdef", "2026-08-21")
    assert other.providers[0].addresses[0].at == "registry.tsv:4"


def test_git_says_where_a_checkout_is_from(tmp_path: Path) -> None:
    folder = forms.tree(tmp_path / "checkout", forms.MODELS_DEV, "providers/{}/provider.toml")

    def git(*words: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.dev", "-c", "commit.gpgsign=false")
        return subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    git("remote", "add", "origin", "https://forge.example/Fork/models.dev.git")
    git("add", ".")
    git("commit", "-qm", "all", "--date", "2026-07-02T12:00:00Z")
    origin = read_registers(str(folder))[0].provenance
    assert origin.name == "Fork/models.dev"
    assert git("rev-parse", "HEAD").startswith(origin.revision)
    assert read_registers(f"{folder},name=own/name,date=2026-01-31")[0].provenance.name == "own/name"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("provider.toml", 'name = "A"\napi = \n', r"provider\.toml: not readable as TOML: .*line 2"),
        ("provider.toml", "name = 'A'\n\napi = 7\n", r"provider\.toml:3: api: expected text, not '7'"),
        ("a.ts", "x = [{ id: 'a' }\n", r"a\.ts: ends within 1 open brackets"),
        ("a.ts", "x = [\n]]\n", r"a\.ts:2: ']' closes nothing"),
        ("a.ts", "{" * 65, r"a\.ts:1: more than 64 brackets"),
        ("a.ts", "const x = 1;", r"a\.ts: no provider in it"),
        ("a.json", '{"acme": {"base_url": "https://a.dev"\n<<<<<<< one\n', r"a\.json:2: not readable .* both sides"),
        ("a.json", '{"models": [],\n"id": 7, "api_endpoint": ""}', r"a\.json:2: id: expected text"),
        ("a.json", '{"a": {"base_url": "x"},\n"b": 3}', r"a\.json:2: 'b': expected an object"),
        ("a.json", '{"a": {"base_url": 3}}', r"a\.json:1: base_url: expected text"),
        ("a.json", '{"a": {"litellm_provider": 3}}', r"litellm_provider: expected text"),
        ("a.json", "[]", r"a\.json: not the form of a known register"),
        ("a.json", "[" * 100_000, r"a\.json:1: not readable as JSON"),
        ("ai", "openai.com\nfoo:bar\n", r"ai:2: 'foo:bar': expected a name"),
        ("ai", "openai.com also\n", r"ai:1: 'also': behind a name stand"),
        ("ai", "include:nowhere\n", r"ai: includes 'nowhere', which is not in .*: get the whole folder"),
        ("a.yml", "id: a\nrules: [\n", r"a\.yml:3: not readable as YAML"),
        ("a.yml", "id: a\nrules: text\n", r"a\.yml:1: a: rules: expected a list"),
        ("a.yml", "rules: []\n", r"a\.yml:1: expected a service with 'id'"),
        ("a.json", '{"blocked_services": 3}', r"a\.json:1: expected 'blocked_services' with a list"),
        ("a.json", '{"blocked_services": [{"id": "b"}, {"id": "c"}]}', r"no service of the group 'ai'"),
        ("a.tsv", "a\tb\tc\n", r"a\.tsv:1: a comment has to name the columns"),
        ("a.tsv", "# id\tname\tapi\na\tb\tc\n", r"a\.tsv:1: a comment has to say where it is from"),
        ("a.tsv", forms.TABLE + "x\ty\n", r"a\.tsv:6: 2 columns; expected 4"),
        ("a.tsv", forms.TABLE + "nobody\ta\tb\tc\n", r"a\.tsv:6: registry: no comment says where 'nobody' is from"),
        ("a.tsv", forms.TABLE.replace("2026-07-02", "2026-17-02"), r"'2026-17-02' is no date"),
        ("a.bin", "\x00", r"a\.bin: not the form of a known register; say it by ,form="),
    ],
)
def test_a_mistake_is_named_with_file_line_and_how_to_mend_it(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(CatalogueError, match=said):
        read_registers(f"{forms.one(tmp_path, name, text)}{ORIGIN}")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("", "revision and date unknown: give a git checkout"),
        (",revision=abc", "date unknown"),
        (",revision=abc,date=tomorrow", "date=tomorrow: expected a date"),
        (",form=toml", "form=toml: known are models.dev"),
        (",revision=a\nb,date=2026-01-01", "expected up to 200 printable"),
    ],
)
def test_where_a_register_is_from_has_to_be_said(tmp_path: Path, settings: str, said: str) -> None:
    path = forms.one(tmp_path, "providers.json", forms.LITELLM)
    with pytest.raises(CatalogueError, match=said):
        read_registers(f"{path}{settings}")


def test_what_is_not_there_too_large_or_no_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CatalogueError, match=r"nowhere: no such file or folder"):
        read_registers(f"{tmp_path / 'nowhere'}{ORIGIN}")
    (tmp_path / "a.ts").write_bytes(b"\n\n\xff")
    with pytest.raises(CatalogueError, match=r"a\.ts:3: no UTF-8"):
        read_registers(f"{tmp_path / 'a.ts'}{ORIGIN}")
    with pytest.raises(CatalogueError, match=r"data: has lists of all kinds: name the files"):
        read_registers(f"{forms.tree(tmp_path / 'data', forms.V2FLY)}{ORIGIN}")
    monkeypatch.setattr("blocklists.gathering.registers.MOST_OCTETS", 100)
    with pytest.raises(CatalogueError, match="more than 100 octets"):
        read_registers(f"{forms.one(tmp_path, 'b.ts', forms.CLIENT_LIST)}{ORIGIN}")
    monkeypatch.setattr("blocklists.gathering.registers.MOST_OCTETS", 10_000)
    monkeypatch.setattr("blocklists.gathering.structured.MOST_FILES", 3)
    folder = forms.tree(tmp_path / "many", forms.MODELS_DEV, "{}/provider.toml")
    with pytest.raises(CatalogueError, match="more than 3 files"):
        read_registers(f"{folder}{ORIGIN}")
    monkeypatch.setattr("blocklists.gathering.registers.MOST_PROVIDERS", 1)
    with pytest.raises(CatalogueError, match="2 providers, 3 names: at most 1"):
        read_registers(f"{tmp_path / 'b.ts'}{ORIGIN}")
