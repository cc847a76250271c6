"""Counts of all workers, folded into the store and read from there; and metrics."""
