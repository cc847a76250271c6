"""Web pages: why a name is blocked for a client."""
