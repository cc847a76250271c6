"""Web pages: lists and their rules."""
