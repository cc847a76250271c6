"""The HTTP API: routes, handlers, models and their description."""
