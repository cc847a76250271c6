"""Leases, exemptions and pauses: from the store to the workers."""
