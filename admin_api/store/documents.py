"""Small JSON documents by name: what is one thing and has no table of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store.tables import documents


async def get(conn: AsyncConnection, name: str) -> Mapping[str, Any] | None:
    """The document, or None."""
    body: Mapping[str, Any] | None = await conn.scalar(select(documents.c.body).where(documents.c.name == name))
    return body


async def put(conn: AsyncConnection, name: str, body: Mapping[str, object]) -> None:
    """Make or replace the document."""
    await conn.execute(delete(documents).where(documents.c.name == name))
    await conn.execute(insert(documents).values(name=name, body=body, updated_at=datetime.now(UTC)))
