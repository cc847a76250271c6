"""The policy as one document: written out, compared, applied whole, and taken back."""
