"""Web pages: the inbox of unlisted names."""
