"""The web pages, for people who would rather look than type: the admin API, by its own operations."""
