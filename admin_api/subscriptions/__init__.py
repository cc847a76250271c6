"""Lists that are fetched: when, how, and what becomes of them."""
