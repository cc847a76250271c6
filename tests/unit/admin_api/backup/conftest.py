"""A store on each engine, as the tests of the store have it."""

from __future__ import annotations

from tests.unit.admin_api.store.conftest import log, open_store, store, url

__all__ = ["log", "open_store", "store", "url"]
