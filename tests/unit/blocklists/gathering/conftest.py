"""A small catalogue, and the place of a review."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import forms
from .command import DELTA


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalogue of one vendor."""
    path = tmp_path / "catalogue"
    forms.one(path / "vendors", "delta.yaml", DELTA)
    return path


@pytest.fixture
def review(tmp_path: Path) -> Path:
    """Where a review is written."""
    return tmp_path / "review.yaml"
