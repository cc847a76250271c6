"""Every call that the description allows is answered as the description says: schemathesis makes the calls up."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from admin_api.api.openapi import document
from tests.support.moatdns import Moatdns

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
schema = schemathesis.openapi.from_file(io.StringIO(document().decode()))


@pytest.fixture(scope="module")
def moatdns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moatdns]:
    """A whole running service: its policy comes in force with every call that changes it."""
    config = {"workers": 1, "upstream": {"servers": ["127.0.0.1:1"]}}
    with Moatdns(tmp_path_factory.mktemp("described"), config, with_api=True) as running:
        yield running


@schema.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_call_meets_a_server_error_or_a_status_that_is_not_described(
    case: schemathesis.Case, moatdns: Moatdns
) -> None:
    headers = {"Authorization": f"Bearer {moatdns.api.token}"}
    response = case.call(base_url=f"http://127.0.0.1:{moatdns.admin_port}", headers=headers)
    case.validate_response(response, checks=CHECKS)
