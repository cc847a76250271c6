"""Copies of the audit trail outside the store: its head beside it."""
