"""Imports of processes: each loads what it needs, since that is most of a start's time and of a process's memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

_HEAVY = {"typer", "rich", "pydantic", "yaml", "aiohttp", "sqlalchemy", "alembic", "jinja2", "psutil", "structlog"}


def loaded_by(code: str) -> set[str]:
    """The modules that a new interpreter has after that code."""
    code = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=True, text=True)
    return set(done.stdout.split())


@pytest.mark.slow
@pytest.mark.parametrize("module", ["moatdns.cli.serving", "resolver.worker.main"])
def test_the_supervisor_and_a_worker_load_nothing_heavy(module: str) -> None:
    assert loaded_by(f"import {module}") & _HEAVY == set()


@pytest.mark.slow
def test_a_worker_of_dot_and_doh_loads_what_reads_certificates_only_where_clients_are_asked_for_them() -> None:
    loaded = loaded_by("import resolver.listeners.encrypted")
    assert "h11" in loaded
    assert "cryptography" not in loaded


@pytest.mark.slow
def test_the_control_process_loads_no_metrics_keys_other_database_or_config_schema_before_it_needs_them() -> None:
    loaded = loaded_by("import admin_api.control, admin_api.making_api")
    assert "sqlalchemy.dialects.sqlite" in loaded
    assert "resolver.config.schema" not in loaded  # the supervisor's compiler reads the config, and goes
    assert (
        loaded & {"sqlalchemy.dialects.postgresql", "prometheus_client", "cryptography", "alembic", "aiosmtplib"}
        == set()
    )


def test_the_command_loads_nothing_before_it_knows_what_to_do() -> None:
    loaded = loaded_by("import moatdns.cli.main")
    assert loaded & {*_HEAVY, "asyncio"} == set()
    assert "resolver" not in loaded


@pytest.mark.slow
def test_the_list_of_commands_imports_none_of_them() -> None:
    listing = "import contextlib, sys\nsys.argv = ['moatdns', '--help']\nfrom moatdns.cli.main import main\n"
    loaded = loaded_by(f"{listing}with contextlib.suppress(SystemExit), contextlib.redirect_stdout(None):\n    main()")
    assert "typer" in loaded
    assert loaded & {"asyncio", "pydantic", "yaml", "aiohttp", "sqlalchemy"} == set()
