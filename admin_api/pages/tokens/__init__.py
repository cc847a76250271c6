"""Web pages: API tokens."""
