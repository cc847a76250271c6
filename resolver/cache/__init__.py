"""Answers kept: `responses` by question for all clients, `table` by view and query for the fast path."""
