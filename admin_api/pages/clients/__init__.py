"""Web pages: clients and their leases."""
