"""Likeness of a name to an AI service's, by evidence that can be shown: words, neighbours, registers, company."""
