"""Registers of providers of models, read, compared with the catalogue, and taken up where a person accepts it."""
