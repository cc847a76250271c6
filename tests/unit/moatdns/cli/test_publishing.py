"""Publishing a catalogue: what goes wrong is told in a line, and leaves nothing half done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from blocklists.feed.minisign import SecretKey
from moatdns.cli.catalogue import catalogue_app


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(catalogue_app, [str(word) for word in words])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Data files of a company: a vendor of its own, and a name of one that is bundled."""
    entry = {"surface": "web", "source": "we saw it", "seen": "2026-11-20"}
    files = {}
    for name, service, rule in (("newco", "chat", "newco.example"), ("anthropic", "claude", "claude-edge.example")):
        services = {service: {"name": service.title(), "description": "talks"}}
        domains = [{"rule": rule, "service": service, **entry}]
        files[name] = {"vendor": name, "name": name.title(), "services": services, "domains": domains}
    (tmp_path / "data" / "vendors").mkdir(parents=True)
    for name, data in files.items():
        (tmp_path / "data" / "vendors" / f"{name}.yaml").write_text(yaml.safe_dump(data).replace("'", ""))
    return tmp_path / "data"


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    secret, public = tmp_path / "our.key", tmp_path / "our.pub"
    assert run("keygen", "--secret", secret, "--public", public).exit_code == 0
    return secret, public


@pytest.mark.slow
def test_a_company_publishes_its_own(tmp_path: Path, folder: Path, keys: tuple[Path, Path]) -> None:
    secret, public = keys
    out = tmp_path / "c.json"
    built = run("build", folder, "--out", out, "--series", "acme", "--version", "1", "--expires", "30d", "--json")
    assert json.loads(built.stdout)["added"] == 2
    assert run("sign", out, "--key", secret).exit_code == 0
    told = run("verify", out, "--key", public)
    assert told.exit_code == 0
    assert "it adds 2 rules to the bundled catalogue" in told.stdout


def test_a_key_is_never_overwritten_and_nobody_elses_to_read(keys: tuple[Path, Path]) -> None:
    secret, public = keys
    before = secret.read_bytes()
    again = run("keygen", "--secret", secret, "--public", public)
    assert again.exit_code == 1
    assert "is there already" in again.stderr
    assert secret.read_bytes() == before
    assert secret.stat().st_mode & 0o777 == 0o600
    SecretKey.parse(secret.read_text())


@pytest.mark.slow
def test_a_secret_key_that_others_may_read_signs_nothing(tmp_path: Path, folder: Path, keys: tuple[Path, Path]) -> None:
    secret, _ = keys
    out = tmp_path / "c.json"
    run("build", folder, "--out", out, "--series", "acme", "--version", "1")
    secret.chmod(0o644)
    done = run("sign", out, "--key", secret)
    assert done.exit_code == 1
    assert f"chmod 600 {secret}" in done.stderr
    assert not (tmp_path / "c.json.minisig").exists()
    assert secret.read_text().splitlines()[1] not in done.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("newco.example", "wikipedia.org", "covers wikipedia.org, which is no AI service"),
        ("newco.example", "google.com", "innocent services stand on"),
        ("surface: web", "surface: nothing", "is none of"),
        ("vendor: newco", "vendor: other", "expected 'newco'"),
    ],
)
def test_what_receivers_refuse_is_not_built(tmp_path: Path, folder: Path, good: str, bad: str, said: str) -> None:
    file = folder / "vendors" / "newco.yaml"
    file.write_text(file.read_text().replace(good, bad))
    done = run("build", folder, "--out", tmp_path / "c.json", "--series", "acme", "--version", "1")
    assert done.exit_code == 1
    assert said in done.stderr
    assert not (tmp_path / "c.json").exists()


@pytest.mark.slow
def test_verify_says_in_a_word_what_is_wrong(tmp_path: Path, folder: Path, keys: tuple[Path, Path]) -> None:
    secret, public = keys
    out = tmp_path / "c.json"

    def reason() -> str:
        done = run("verify", out, "--key", public, "--json")
        assert done.exit_code == 1
        return str(json.loads(done.stdout)["reason"])

    run("build", folder, "--out", out, "--series", "acme", "--version", "1", "--expires", "1s")
    assert reason() == "unsigned"
    run("sign", out, "--key", secret)
    out.write_bytes(out.read_bytes()[:-1])
    assert reason() == "signature"
    out.write_bytes(b"{}")
    run("sign", out, "--key", secret)
    assert reason() == "format"
    out.write_bytes(b" " * (9 << 20))
    assert reason() == "huge"


@pytest.mark.parametrize("key", ["nothing", "RWxx", ""])
def test_a_key_that_is_none_is_wrong_usage(tmp_path: Path, key: str) -> None:
    done = run("verify", tmp_path / "c.json", "--key", key)
    assert done.exit_code == 2
    assert done.stderr.startswith("--key: ")
