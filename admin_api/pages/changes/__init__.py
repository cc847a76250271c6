"""Web pages: changes that await a second owner."""
