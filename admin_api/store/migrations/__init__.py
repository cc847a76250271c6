"""Migrations of the store's tables, run by `admin_api.store.migrating`."""
