"""What a worker writes down of its runs: they themselves, and what they make on the platform.

Entries may have to wait on disk while the database is away, and may be kept twice after a crash: keeping one
again changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.model.resource import Resource
from synthetics.model.run import Run
from synthetics.store import resources, runs


@dataclass(frozen=True, slots=True)
class Finished:
    """A run ended."""

    run: Run


@dataclass(frozen=True, slots=True)
class Intended:
    """A thing is about to be made on the platform."""

    resource: Resource


@dataclass(frozen=True, slots=True)
class Created:
    """The thing of this ledger entry was made, and this is its id."""

    entry: UUID
    name: str
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gone:
    """The thing of this ledger entry was seen to be gone."""

    entry: UUID


Entry: TypeAlias = Finished | Intended | Created | Gone


async def keep(connection: AsyncConnection, entry: Entry) -> bool:
    """Write the entry where it belongs; False for a run that was kept before. The caller commits."""
    match entry:
        case Finished(run):
            return await runs.record(connection, run)
        case Intended(resource):
            await resources.intend(connection, resource)
        case Created(id, name, details):
            await resources.created(connection, id, name, dict(details))
        case Gone(id):
            await resources.gone(connection, id)
    return True
