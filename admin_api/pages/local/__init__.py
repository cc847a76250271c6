"""Web pages: local names."""
