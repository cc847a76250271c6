"""The loader: what it reads, and that each mistake in the data is named with file, entry and reason."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from blocklists.data_files import catalogue_fingerprint
from blocklists.loading import load_catalogue
from resolver.config.references import SETS
from resolver.errors import CatalogueError
from resolver.policy.rule_syntax import parse_rule

ACME = """\
vendor: acme
name: Acme
services:
  chat: {name: Chat, description: talks}
  code: {name: Code, description: writes code}
domains:
  - {rule: acme.example, service: chat, surface: web, needed_by: [code], source: somewhere, seen: 2026-11-01}
  - {rule: "*.acme.example", service: code, surface: api, source: somewhere, seen: 2026-11-01, note: below}
shared:
  - {rule: =cdn.example, service: code, surface: assets, reason: others too, source: here, seen: 2026-11-01}
"""
CANARY = """\
vendor: bypass
name: Ways around
services:
  canary: {name: Canary, description: asks}
domains:
  - {rule: =canary.example, service: canary, surface: api, response: nxdomain, source: here, seen: 2026-11-01}
"""


def write(folder: Path, acme: str = ACME, **more: str) -> Path:
    for name, text in {"vendors/acme": acme, "bypass/canary": CANARY, **more}.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def test_a_good_folder_is_read_whole(tmp_path: Path) -> None:
    catalogue = load_catalogue(write(tmp_path))
    assert list(catalogue.services) == ["acme/chat", "acme/code", "bypass/canary"]
    assert catalogue.vendors == ("acme",)
    chat = next(domain for domain in catalogue.domains if domain.rule == parse_rule("acme.example"))
    assert (chat.service, chat.needed_by, chat.response, chat.note) == ("acme/chat", ("acme/code",), None, None)
    assert [(name.rule.text, name.reason) for name in catalogue.shared] == [("=cdn.example", "others too")]


def test_needed_by_may_name_a_service_of_another_vendor(tmp_path: Path) -> None:
    other = ACME.replace("acme", "zeta").replace("[code]", "[acme/chat]").replace("cdn.", "cdn2.")
    catalogue = load_catalogue(write(tmp_path, **{"vendors/zeta": other}))
    assert ("acme/chat",) in {domain.needed_by for domain in catalogue.domains}


def test_one_rule_may_stand_in_two_services(tmp_path: Path) -> None:
    text = ACME.replace('"*.acme.example"', "acme.example")
    assert {domain.service for domain in load_catalogue(write(tmp_path, text)).domains} >= {"acme/chat", "acme/code"}


def test_the_fingerprint_is_over_the_bytes_in_order_of_file_name(tmp_path: Path) -> None:
    write(tmp_path)
    expected = hashlib.sha256((CANARY + ACME).encode()).hexdigest()
    assert catalogue_fingerprint(tmp_path) == load_catalogue(tmp_path).fingerprint == expected


def test_the_fingerprint_of_unreadable_yaml_needs_no_parsing(tmp_path: Path) -> None:
    assert catalogue_fingerprint(write(tmp_path, "][")) != catalogue_fingerprint(write(tmp_path))


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("surface: web", "surfcae: web", "domains[0] (acme.example): unknown key 'surfcae'"),
        ("name: Acme", "name: Acme\nextra: 1", "unknown key 'extra'"),
        ("name: Chat,", "name: Chat, url: x,", "services.chat: unknown key 'url'"),
        ("surface: web", "surface: sound", "domains[0] (acme.example): surface: 'sound' is none of web, api"),
        ("service: chat", "service: talk", "service: no service 'acme/talk'"),
        ("[code]", "[cod]", "needed_by: no service 'acme/cod'"),
        ("[code]", "[zeta/code]", "needed_by: no service 'zeta/code'"),
        ("[code]", "[chat]", "not 'acme/chat' itself"),
        ("[code]", "[code, code]", "each other service once"),
        ("[code]", "code", "needed_by: expected a list"),
        ("[code]", "[1]", "needed_by: expected a list"),
        (
            ", source: somewhere, seen: 2026-11-01}",
            ", seen: 2026-11-01}",
            "domains[0] (acme.example): 'source' is missing",
        ),
        ("source: somewhere", "source: ''", "source: expected text"),
        ("source: somewhere", "source: 7", "source: expected text"),
        (", seen: 2026-11-01}", "}", "'seen' is missing"),
        ("seen: 2026-11-01", "seen: lately", "seen: expected a date"),
        ("seen: 2026-11-01", "seen: 2026-11-01 10:00:00", "seen: expected a date"),
        ("seen: 2026-11-01", "seen: 2026-02-30", "not readable as YAML"),
        ("rule: acme.example", "rule: com", "'com' is a public suffix"),
        ("rule: acme.example", "rule: '*.co.uk'", "'co.uk' is a public suffix"),
        ("rule: acme.example", "rule: '=uk'", "'uk' is a public suffix"),
        ("rule: acme.example", "rule: https://acme.example/", "rule: "),
        ("rule: acme.example", "rule: a.*", "rule: "),
        ("rule: acme.example", "rule: 12", "rule: expected text"),
        ("note: below", "note: ''", "note: expected text"),
        ("note: below", "response: refused", "response: 'refused' is none of nxdomain"),
        ("note: below", "response: null", "response: expected text"),
        (
            '"*.acme.example", service: code',
            "Acme.Example., service: chat",
            "acme/chat: acme.example: this rule is written",
        ),
        ("=cdn.example", "acme.example", "acme.example: both under 'domains' and under 'shared'"),
        ("reason: others too", "reason: ''", "shared[0] (=cdn.example): reason: expected text"),
        ("reason: others too, ", "", "shared[0] (=cdn.example): 'reason' is missing"),
        ("  code: {", "  chat: {", "key 'chat' is written twice"),
        ("  code: {", "  Code: {", "services.Code: a service is named"),
        ("  code: {name: Code, description: writes code}", "  code: Code", "services.code: expected a mapping"),
        ("vendor: acme", "vendor: acne", "vendor: expected 'acme'"),
        ("vendor: acme\n", "", "'vendor' is missing"),
        ("  - {rule: acme", "  - text\n  - {rule: acme", "domains[0]: expected a mapping"),
    ],
)
def test_a_mistake_is_named_with_file_and_reason(tmp_path: Path, good: str, bad: str, said: str) -> None:
    assert good in ACME
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(write(tmp_path, ACME.replace(good, bad, 1)))
    assert said in str(caught.value)
    assert "acme" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "just text", "][", "services: {[a]: b}"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(CatalogueError, match=r"^vendors/acme\.yaml"):
        load_catalogue(write(tmp_path, text))


@pytest.mark.parametrize("key", ["services", "domains", "shared"])
def test_a_section_of_the_wrong_shape_is_refused(tmp_path: Path, key: str) -> None:
    head = {
        "services": "services: {chat: {name: Chat, description: talks}}",
        "domains": "domains: []",
        "shared": "shared: []",
    }
    head[key] = f"{key}: text"
    with pytest.raises(CatalogueError, match=f"{key}: expected a"):
        load_catalogue(write(tmp_path, "\n".join(["vendor: acme", "name: Acme", *head.values()])))


def test_the_same_shared_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="this shared name is written twice"):
        load_catalogue(write(tmp_path, ACME + ACME.splitlines(keepends=True)[-1]))


@pytest.mark.parametrize("name", ["ai", "lists", "vendors", "resellers", "clouds", "gateways", "bypass"])
def test_a_vendor_may_not_take_the_name_of_a_set(tmp_path: Path, name: str) -> None:
    with pytest.raises(CatalogueError, match="cannot name a vendor"):
        load_catalogue(write(tmp_path, **{f"vendors/{name}": ACME.replace("vendor: acme", f"vendor: {name}")}))


def test_a_bypass_file_holds_the_one_service_it_is_named_after(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="one service 'relays'"):
        load_catalogue(write(tmp_path, **{"bypass/relays": CANARY}))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    for read in (load_catalogue, catalogue_fingerprint):
        with pytest.raises(CatalogueError, match="no catalogue here"):
            read(tmp_path)


@pytest.mark.parametrize(
    ("folder", "kind", "sets"),
    [
        ("resellers", "reseller", {"ai", "resellers", "gateways"}),
        ("clouds", "cloud", {"clouds", "gateways"}),
        ("gateways", "gateway", {"gateways"}),  # in a copy that an earlier version kept: in no set but that
    ],
)
def test_what_serves_vendors_models_is_named_like_a_vendor(
    tmp_path: Path, folder: str, kind: str, sets: set[str]
) -> None:
    extra = "name: Gate\nserves_models_of: [acme]\nlimits: [no paths]"
    gate = ACME.replace("vendor: acme", "vendor: gate").replace("name: Acme", extra).replace("acme.", "gate.")
    catalogue = load_catalogue(write(tmp_path, **{f"{folder}/gate": gate.replace("cdn.", "cdn2.")}))
    assert catalogue.vendors == ("acme", "gate")
    assert catalogue.services_of("vendors") == ("acme/chat", "acme/code")
    assert catalogue.services_of("gate") == ("gate/chat", "gate/code")
    assert {name for name in SETS if "gate/chat" in catalogue.services_of(name)} == sets
    about = catalogue.about["gate"]
    assert (about.kind, about.serves_models_of, about.limits) == (kind, ("acme",), ("no paths",))


def test_a_service_says_its_kind(tmp_path: Path) -> None:
    chat = "{name: Chat, description: talks"
    assert chat in ACME
    catalogue = load_catalogue(write(tmp_path, ACME.replace(chat, f"{chat}, kind: assistant")))
    assert catalogue.services["acme/chat"].kind == "assistant"
    assert catalogue.services_of("kind:assistant") == ("acme/chat",)
    with pytest.raises(CatalogueError, match=r"services.chat: kind: 'talker' is none of assistant, coding"):
        load_catalogue(write(tmp_path, ACME.replace(chat, f"{chat}, kind: talker")))


@pytest.mark.parametrize("wrong", ["limits: none", "limits: [1]", "serves_models_of: [' ']"])
def test_texts_about_a_vendor_must_be_texts(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(CatalogueError, match=r"vendors/acme.yaml: (limits|serves_models_of): expected a list of texts"):
        load_catalogue(write(tmp_path, ACME.replace("name: Acme", f"name: Acme\n{wrong}")))


def test_a_vendor_has_a_file_in_one_folder_only(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="acme"):
        load_catalogue(write(tmp_path, **{"clouds/acme": ACME}))


def test_a_closed_vendor_can_be_named_and_has_no_names(tmp_path: Path) -> None:
    services = "services: {chat: {name: Chat, description: talked}}"
    gone = f"vendor: gone\nname: Gone\nclosed: 2026-01-16\n{services}\ndomains: []\n"
    catalogue = load_catalogue(write(tmp_path, **{"vendors/gone": gone}))
    assert str(catalogue.about["gone"].closed) == "2026-01-16"
    assert catalogue.services_of("gone") == ("gone/chat",)
    assert not [domain for domain in catalogue.domains if domain.vendor == "gone"]
    with pytest.raises(CatalogueError, match=r"vendors/gone.yaml: closed: expected a date"):
        load_catalogue(write(tmp_path, **{"vendors/gone": gone.replace("2026-01-16", "soon")}))
