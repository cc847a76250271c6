"""Web pages: exemptions."""
