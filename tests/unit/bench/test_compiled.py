"""The wheel that is measured: a missing one is told before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.compiled import installed
from bench.errors import BenchError


def test_a_wheel_that_is_not_there_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"no .*moatdns\.whl: 'make compiled' makes it"):
        installed(tmp_path / "moatdns.whl", tmp_path / "environment")


@pytest.mark.slow
def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "moatdns-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"not a zip file")
    with pytest.raises(BenchError, match="ended with status"):
        installed(wheel, tmp_path / "environment")
