"""Signed catalogues between releases: their file, their signature, and what they add to the bundled catalogue."""
