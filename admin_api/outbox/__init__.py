"""The outbox: events that others are told of, by webhooks and by mail, and tried again until they have them."""
