"""Counters of a worker, query events, and the log."""
