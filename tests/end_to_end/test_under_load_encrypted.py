"""Short forms of `make prove`: DoT and DoH under slow clients and changes of the certificate."""

from __future__ import annotations

from pathlib import Path

import pytest

from prove import certificates, slow_clients
from prove.figures import missed

pytestmark = pytest.mark.alone


def test_slow_clients_over_tcp_tls_and_https_cost_others_nothing(tmp_path: Path) -> None:
    assert not missed(slow_clients.run(slow_clients.SHORT, tmp_path), but_for_times=True)


def test_changes_of_the_certificate_are_not_noticed_by_clients(tmp_path: Path) -> None:
    assert not missed(certificates.run(certificates.SHORT, tmp_path), but_for_times=True)
