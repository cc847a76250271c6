"""Web pages: the query log."""
