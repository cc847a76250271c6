"""Web pages: the catalogue, and what of it is blocked."""
