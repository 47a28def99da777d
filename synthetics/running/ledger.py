"""What one run made, kept in the store: the intention before, the id after, and that it is gone."""

from uuid import UUID, uuid4

from synthetics.clock import Clock
from synthetics.contract.evidence import clean_text
from synthetics.model.resource import Resource, ResourceState
from synthetics.store import resources
from synthetics.store.engine import Database


class StoredLedger:
    """The ledger of one run. Raises StoreError rather than let a thing be made that nobody wrote down."""

    def __init__(self, database: Database, clock: Clock, *, run_id: UUID, probe: str, tag: str) -> None:
        self._database = database
        self._clock = clock
        self._run_id = run_id
        self._probe = probe
        self._tag = tag
        self._held: dict[UUID, tuple[str, set[str]]] = {}

    async def intend(self, kind: str, name: str, **details: str) -> UUID:
        """Write down that a thing is about to be made; `name` finds it again if we crash."""
        entry = Resource(
            id=uuid4(),
            run_id=self._run_id,
            probe=self._probe,
            tag=self._tag,
            kind=kind,
            name=clean_text(name),
            state=ResourceState.INTENDED,
            intended=self._clock.now(),
            details=details,
        )
        async with self._database.transaction() as connection:
            await resources.intend(connection, entry)
        self._held[entry.id] = (kind, {name})
        return entry.id

    async def created(self, entry: UUID, name: str, **details: str) -> None:
        """Write down the id the thing got."""
        async with self._database.transaction() as connection:
            await resources.created(connection, entry, name, details)
        self._held[entry][1].add(name)

    async def gone(self, kind: str, name: str) -> None:
        """Write down that every entry of this kind and name was seen to be gone."""
        entries = [entry for entry, (of, names) in self._held.items() if of == kind and name in names]
        async with self._database.transaction() as connection:
            for entry in entries:
                await resources.gone(connection, entry)

    def holds(self, kind: str, name: str) -> bool:
        """Whether this run made (or is about to make) this thing; true for good, also after it is gone."""
        return any(of == kind and name in names for of, names in self._held.values())
