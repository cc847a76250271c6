"""The inbox of unlisted names: domains among forwarded queries that look like an AI service and match no rule."""
