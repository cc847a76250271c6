"""Web pages: the audit trail."""
