"""The query log: one SQLite file a day, written by one thread, read page by page."""
