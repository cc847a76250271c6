"""A config as the audit trail tells of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from resolver.config.load import load_config
from resolver.config.telling import MASK, Told, differences, told_of


def told_by(folder: Path, text: str, **environ: str) -> Told:
    path = folder / "moatdns.yaml"
    path.write_text(text)
    return told_of(load_config(path, None, environ))


SECRETS = {
    "store.url": ('store: {{url: "postgresql://u:{}@db.example/x"}}', "hunter2", "other"),
    "webhooks[0].secret": ('webhooks: [{{url: "https://h.example/", secret: "{}"}}]', "topsecret", "another"),
    "webhooks[0].url": ('webhooks: [{{url: "https://h.example/{}", secret: "s"}}]', "T0PATH", "B0PATH"),
    "cookies.secret": ('cookies: {{secret: "{}"}}', "0123456789abcdef" * 2, "fedcba9876543210" * 2),
    "policy.lists[a].url": (
        'policy: {{lists: [{{name: a, url: "https://h.example/l?key={}"}}]}}',
        "K1LETMEIN",
        "K2LETMEIN",
    ),
}


@pytest.mark.parametrize("key", SECRETS)
def test_a_changed_secret_shows_as_changed_and_never_itself(tmp_path: Path, key: str) -> None:
    text, *secrets = SECRETS[key]
    before, after = (told_by(tmp_path, text.format(secret)) for secret in secrets)
    changed = differences(before, after)
    assert changed.keys() == {key}
    assert all(secret not in f"{before}{after}" for secret in secrets)
    assert told_by(tmp_path, text.format(secrets[0])) == before
    assert MASK in str(changed) or key == "store.url"


def test_a_changed_secret_of_the_environment_shows_as_changed_and_never_itself(tmp_path: Path) -> None:
    text = "mail: {password: '${MAIL}'}"
    before, after = told_by(tmp_path, text, MAIL="an0ther"), told_by(tmp_path, text, MAIL="yetan0ther")
    assert differences(before, after) == {"mail.password": (MASK, MASK)}
    assert "an0ther" not in f"{before}{after}"


def test_only_what_changed_is_told_by_its_key(tmp_path: Path) -> None:
    before = told_by(tmp_path, "policy: {approval: four-eyes, lists: [{name: house, block: [a.example]}]}")
    after = told_by(tmp_path, "cache: {max_mib: 32}\npolicy: {lists: [{name: house, block: [b.example]}]}")
    assert differences(before, after) == {
        "cache.max_mib": (None, "32"),
        "policy.approval": ("four-eyes", None),
        "policy.lists[house].block": ('["a.example"]', '["b.example"]'),
    }


def test_a_long_list_is_told_by_its_length_and_still_shows_a_change(tmp_path: Path) -> None:
    text = "policy: {{lists: [{{name: house, block: [{}]}}]}}"
    names = [f"n{number}.example" for number in range(1000)]
    before = told_by(tmp_path, text.format(", ".join(names)))
    after = told_by(tmp_path, text.format(", ".join([*names[:-1], "other.example"])))
    assert differences(before, after) == {"policy.lists[house].block": ("1000 entries", "1000 entries")}


def test_a_changed_hosts_file_is_told_and_many_local_names_hide_nothing_behind_them(tmp_path: Path) -> None:
    names = "".join(f"  n{number}.example: ['192.0.2.1']\n" for number in range(6000))
    text = f"local_files: [hosts]\nlocal:\n{names}policy: {{approval: four-eyes}}\n"
    (tmp_path / "hosts").write_text("192.0.2.1 a.example\n")
    before = told_by(tmp_path, text)
    assert before["local"][0] == "6001 names"  # with that of the file
    assert before["policy.approval"][0] == "four-eyes"
    (tmp_path / "hosts").write_text("192.0.2.2 a.example\n")
    after = told_by(tmp_path, text.replace("n7.example", "other.example"))
    assert differences(before, after).keys() == {"local", f"local_files[{tmp_path / 'hosts'}]"}


def test_local_names_are_told_by_name_those_of_hosts_files_too_and_are_no_secrets(tmp_path: Path) -> None:
    names = "".join(f"  n{number}.example: ['192.0.2.1']\n" for number in range(150))
    text = f"local_files: [hosts]\nlocal:\n{names}  local.vault.key: ['10.0.0.1']\n  a.token: [b.example]\n"
    (tmp_path / "hosts").write_text("192.0.2.9 nas.office.example\n")
    before = told_by(tmp_path, text)
    (tmp_path / "hosts").write_text("192.0.2.8 nas.office.example\n")
    after = told_by(tmp_path, text.replace("10.0.0.1", "10.0.0.2").replace("b.example", "c.example"))
    changed = differences(before, after)
    assert changed.pop(f"local_files[{tmp_path / 'hosts'}]")
    assert changed == {
        "local.a.token": ("b.example", "c.example"),
        "local.local.vault.key": ("10.0.0.1", "10.0.0.2"),
        "local.nas.office.example": ("192.0.2.9", "192.0.2.8"),
    }


def test_of_many_changed_local_names_the_first_hundred_are_told_and_how_many_more(tmp_path: Path) -> None:
    names = "".join(f"  n{number:03}.example: ['192.0.2.1']\n" for number in range(150))
    before = told_by(tmp_path, f"workers: 1\nlocal:\n{names}")
    changed = differences(before, told_by(tmp_path, "workers: 2"))
    assert len(changed) == 102
    assert changed["local.n099.example"] == ("192.0.2.1", None)
    assert changed["local (changed)"] == ("50 more names", "0 more names")
    assert changed["workers"] == ("1", "2")
