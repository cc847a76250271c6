"""What leaves the audit trail: its head beside the store, and syslog."""
