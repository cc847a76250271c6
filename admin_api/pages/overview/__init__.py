"""Web pages: the overview."""
