"""A real Prometheus on loopback, which scrapes one server and evaluates rules."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.programs import end, free_port, program, wait_until

_ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One series at a moment: its labels with its name, and its value."""

    labels: dict[str, str]
    value: float


class Prometheus:
    """Scrapes ``127.0.0.1:PORT/metrics`` each second as the job ``moatdns``. A context manager."""

    def __init__(self, folder: Path, port: int, *, rules: str | None = None) -> None:
        """`rules` is the text of a rule file."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        config: dict[str, Any] = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "scrape_configs": [{"job_name": "moatdns", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}],
        }
        if rules is not None:
            (folder / "rules.yml").write_text(rules, encoding="utf-8")
            config["rule_files"] = [str(folder / "rules.yml")]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")

    def __enter__(self) -> Prometheus:
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                    "--log.level=warn",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(self._is_ready, "Prometheus is ready")
        except BaseException:
            end(self._process)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        end(self._process)

    def query(self, expression: str) -> list[Sample]:
        """The series of an instant query."""
        with self._get(f"api/v1/query?{urllib.parse.urlencode({'query': expression})}") as response:
            found = json.load(response)["data"]["result"]
        return [Sample(one["metric"], float(one["value"][1])) for one in found]

    def firing(self) -> set[str]:
        """The names of the alerts that fire now."""
        return {sample.labels["alertname"] for sample in self.query('ALERTS{alertstate="firing"}')}

    def _get(self, path: str) -> Any:
        return urllib.request.urlopen(f"http://127.0.0.1:{self._port}/{path}", timeout=_ANSWER_SECONDS)

    def _is_ready(self) -> bool:
        try:
            with self._get("-/ready") as response:
                return bool(response.status == 200)
        except OSError:
            return False
