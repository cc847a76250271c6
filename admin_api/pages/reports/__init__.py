"""Web pages: reports."""
