"""Bearer tokens: who may ask the API for what."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Scope(StrEnum):
    """What a token allows its bearer."""

    READ = "read"
    ACT = "act"


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token; the token itself is known only to who holds it."""

    id: UUID
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it is good at that moment."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
