"""Tokens, each with the salted hash of its secret.

Every function takes the connection of a transaction; the caller commits.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.model.token import Scope, Token
from synthetics.store.storable import storable_text
from synthetics.store.tables import tokens


async def add(connection: AsyncConnection, token: Token, kept: bytes) -> None:
    """Keep a new token with its salted hash."""
    await connection.execute(
        insert(tokens).values(
            id=token.id,
            name=storable_text(token.name),
            hash=kept,
            scopes=sorted(scope.value for scope in token.scopes),
            created_at=token.created_at,
            expires_at=token.expires_at,
        )
    )


async def one(connection: AsyncConnection, token_id: UUID) -> tuple[Token, bytes] | None:
    """The token of this id with its salted hash; None if there is none."""
    row = (await connection.execute(select(tokens).where(tokens.c.id == token_id))).one_or_none()
    return None if row is None else (_token(row), row.hash)


async def every(connection: AsyncConnection) -> list[Token]:
    """All there are or were, oldest first."""
    found = await connection.execute(select(tokens).order_by(tokens.c.created_at, tokens.c.id))
    return [_token(row) for row in found]


async def revoke(connection: AsyncConnection, token_id: UUID, at: datetime) -> None:
    """Have it no longer good from that moment, if it was good until then."""
    await connection.execute(
        update(tokens).where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None)).values(revoked_at=at)
    )


async def used(connection: AsyncConnection, token_id: UUID, at: datetime, *, every: timedelta) -> None:
    """Note that it was used; not more often than that, so that reading seldom writes."""
    stale = or_(tokens.c.last_used_at.is_(None), tokens.c.last_used_at < at - every)
    await connection.execute(update(tokens).where(tokens.c.id == token_id, stale).values(last_used_at=at))


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        scopes=frozenset(Scope(scope) for scope in row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
