"""The store: what admins made and what was counted, in SQLite or PostgreSQL.

`store.Store` opens it and gives transactions; each other module here is one table's reading and writing, by functions
that take an open connection or an open change. Nothing here knows HTTP, and nothing here checks what an object means:
that is `admin_api.editing`.
"""
