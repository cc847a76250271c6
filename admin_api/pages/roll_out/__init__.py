"""Web pages: the roll-out."""
