"""The command `python -m blocklists.gather`, called on a small catalogue, for tests."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import yaml

from blocklists.gather import main

from . import forms

TODAY = datetime.date(2026, 11, 26)
DELTA = """\
# Delta: an older hand wrote this.
vendor: delta
name: Delta Labs

services:
  api: {name: Delta API, description: models, kind: model-api}
  chat: {name: Delta chat, description: talks, kind: assistant}

domains:
  # the site
  - {rule: delta.chat, service: chat, surface: web, source: delta's own pages, seen: 2026-01-01}   # by hand
  - {rule: "=api.delta-1.dev", service: api, surface: api, source: &md "anomalyco/models.dev @00aa", seen: 2026-01-01}

  # kept apart
  - {rule: kept.delta-two.dev, service: api, surface: api, source: *md, seen: 2026-01-01, note: Delta two}

shared:
  - {rule: "=login.commons.dev", service: api, surface: auth, reason: everybody's, source: *md, seen: 2026-01-01}

# Left out:
#   nothing of note
"""


def register(tmp_path: Path, **more: str) -> str:
    files = {name: f'name = "{name.title()}"\napi = "{url}"\n' for name, url in more.items()}
    path = forms.tree(tmp_path / "register", files, "providers/{}/provider.toml")
    return f"{path},revision=0123abcd,date=2026-07-02"


def gather(folder: Path, review: Path, *sources: str) -> int:
    return main([*sources, "--catalogue", str(folder), "--review", str(review)], TODAY)


def accept(folder: Path, review: Path) -> int:
    return main(["--accept", str(review), "--catalogue", str(folder)], TODAY)


def findings(review: Path) -> dict[str, Any]:
    return {one["host"]: one for one in yaml.safe_load(review.read_text())["findings"]}


def decide(review: Path, **by_host: dict[str, str]) -> None:
    data = yaml.safe_load(review.read_text())
    for one in data["findings"]:
        one.update(by_host.get(one["host"], {}))
    review.write_text(yaml.safe_dump(data))


FULL = {
    "acme": "https://api.acme.chat/v1",
    "delta": "https://api.delta-new.dev/v1",
    "two": "https://kept.delta-two.dev/v1",
    "gate": "https://api.delta.chat/v1",
}
