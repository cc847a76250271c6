"""Web pages: signing in, and sessions."""
