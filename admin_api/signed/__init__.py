"""Signed JSON files, which can be verified elsewhere with the public key alone."""
