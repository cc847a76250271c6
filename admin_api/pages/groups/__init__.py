"""Web pages: groups."""
