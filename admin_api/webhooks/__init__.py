"""Webhooks: what others are told of, signed, and tried again until they have it."""
