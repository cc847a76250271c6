"""A worker: the process that answers queries."""
