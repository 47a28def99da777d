"""What one run made, written down: the intention before, the id after, and that it is gone."""

from uuid import UUID, uuid4

from synthetics.clock import Clock
from synthetics.contract.evidence import clean_text
from synthetics.model.resource import Resource, ResourceState
from synthetics.running.journal import Journal
from synthetics.store.entries import Created, Gone, Intended


class StoredLedger:
    """The ledger of one run. Raises StoreError rather than let a thing be made that is written down nowhere,
    neither in the database nor, while that is away, on disk."""

    def __init__(self, journal: Journal, clock: Clock, *, run_id: UUID, probe: str, tag: str) -> None:
        self._journal = journal
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
        await self._journal.write(Intended(entry))
        self._held[entry.id] = (kind, {name})
        return entry.id

    async def created(self, entry: UUID, name: str, **details: str) -> None:
        """Write down the id the thing got."""
        await self._journal.write(Created(entry, name, details))
        self._held[entry][1].add(name)

    async def gone(self, kind: str, name: str) -> None:
        """Write down that every entry of this kind and name was seen to be gone."""
        entries = [entry for entry, (of, names) in self._held.items() if of == kind and name in names]
        for entry in entries:
            await self._journal.write(Gone(entry))

    def holds(self, kind: str, name: str) -> bool:
        """Whether this run made (or is about to make) this thing; true for good, also after it is gone."""
        return any(of == kind and name in names for of, names in self._held.values())
