"""Web pages: how devices are made to use this resolver."""
