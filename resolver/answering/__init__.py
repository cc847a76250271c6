"""Answering a query: who may ask, what the answer is, and what a reply carries."""
