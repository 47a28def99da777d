"""The one place that every call which changes something passes: only what a run made may be changed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from synthetics.contract.platform import Ledger
from synthetics.errors import GuardRefused


def sanitised(user_id: str) -> str:
    """A user id as it appears in names that take no `@` or `.` (contract §1.4)."""
    return "".join(letter for letter in user_id.partition("@")[0] if letter.isascii() and letter.isalnum())


@dataclass(frozen=True, slots=True)
class _Entry:
    """Something written down: under the name it was to be found by, later under the id it got."""

    kind: str
    name: str
    details: Mapping[str, str]


class Belongings:
    """What one run has made, or learned to be its own: written to the ledger, and remembered here.

    Some ids are the platform's choice (a session's is a UUID) and carry no tag. They are adopted when they
    come back from a request of ours, or from a row that bears our client id.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._adopted: set[tuple[str, str]] = set()
        self._disowned: set[tuple[str, str]] = set()
        self._entered: dict[UUID, _Entry] = {}

    async def intend(self, kind: str, name: str, **details: str) -> UUID:
        """Write down that a thing is about to be made. Raises StoreError."""
        entry = await self._ledger.intend(kind, name, **details)
        self._entered[entry] = _Entry(kind, name, details)
        return entry

    async def created(self, entry: UUID, kind: str, name: str, **details: str) -> None:
        """Write down the id that an intended thing got, and adopt it."""
        self.adopt(kind, name)
        await self._ledger.created(entry, name, **details)
        self._entered[entry] = _Entry(kind, name, details)

    async def gone(self, kind: str, name: str) -> None:
        """Write down that the thing was seen to be gone, if this run had written it down at all."""
        if (kind, name) in self.entered() or self._ledger.holds(kind, name):
            await self._ledger.gone(kind, name)
            self._entered = {
                known: entry
                for known, entry in self._entered.items()
                if (entry.kind, entry.name) != (kind, name)
            }

    def adopt(self, kind: str, name: str | None) -> None:
        """Take note that the platform gave this id to something of ours."""
        if name and (kind, name) not in self._disowned:
            self._adopted.add((kind, name))

    def disown(self, kind: str, name: str | None) -> None:
        """Take note that this is somebody else's, whoever told us that it was ours: it stays untouched."""
        if name:
            self._disowned.add((kind, name))
            self._adopted.discard((kind, name))

    def holds(self, kind: str, name: str) -> bool:
        if (kind, name) in self._disowned:
            return False
        return (kind, name) in self._adopted or self._ledger.holds(kind, name)

    def named(self, kind: str) -> frozenset[str]:
        """Every id of this kind that was adopted."""
        return frozenset(name for known, name in self._adopted if known == kind)

    def clients(self) -> frozenset[str]:
        """Every client that something was written down for."""
        return self._told("client")

    def nobodies(self) -> frozenset[str]:
        """Every user that a request was sent for which named no client."""
        return self._told("nobody")

    def entered(self) -> frozenset[tuple[str, str]]:
        """Kind and name of everything written down here and not yet seen to be gone."""
        return frozenset((entry.kind, entry.name) for entry in self._entered.values())

    def _told(self, detail: str) -> frozenset[str]:
        details = (entry.details for entry in self._entered.values())
        return frozenset(told[detail] for told in details if detail in told)


class Guard:
    """Refuses to change what this run did not make, and what only an isolated platform may suffer."""

    def __init__(self, client_id: str, tag: str, belongings: Belongings, *, isolated: bool) -> None:
        self.client_id = client_id
        #: What the mail intake makes of our address: it drops all but letters and digits (contract §8.2).
        self.mail_client_id = re.sub(r"[^A-Za-z0-9]", "", client_id)
        self.belongings = belongings
        self.isolated = isolated
        prefix = self.mail_client_id.removesuffix(tag)
        self._tag = tag
        self._tagged = re.compile(rf"(?<![A-Za-z0-9])({re.escape(prefix)})?{re.escape(tag)}(?![A-Za-z0-9])")

    def owns(self, kind: str, *names: str | None) -> bool:
        """Whether one of the names carries the run's tag, or is known as this run's."""
        return any(self._tagged.search(name) or self.belongings.holds(kind, name) for name in names if name)

    def own(self, kind: str, *names: str | None) -> None:
        """Raises GuardRefused unless one of the names is this run's."""
        if not self.owns(kind, *names):
            shown = " / ".join(name for name in names if name) or "without a name"
            raise GuardRefused(
                f"refused to change the {kind} {shown}: this run ({self.client_id}) did not make it"
            )

    def adopt_user(self, user: str) -> None:
        """Take note of a user of ours, also as container ids spell it (contract §1.4).

        That spelling drops the hyphen before the tag, which alone would not tell it from somebody else's.
        Raises GuardRefused if the user does not bear the tag.
        """
        self.own("user", user)
        self.belongings.adopt("user", user)
        if self._tag in sanitised(user):
            self.belongings.adopt("user", sanitised(user))

    def own_user_in(self, container_id: str) -> bool:
        """Whether a user that was adopted is a part of this container's id."""
        return any(self.belongings.holds("user", part) for part in container_id.split("-"))

    def own_client(self, client_id: object) -> None:
        """Raises GuardRefused unless the client is this run's (or one of its further clients)."""
        own = isinstance(client_id, str) and (
            client_id in (self.client_id, self.mail_client_id) or client_id.startswith(f"{self.client_id}-")
        )
        if not own:
            raise GuardRefused(f"refused to act for the client {client_id!r}: this run is {self.client_id}")

    def alone(self, what: str) -> None:
        """Raises GuardRefused unless nobody else uses this platform; `what` is what was about to be done."""
        if not self.isolated:
            raise GuardRefused(f"refused to {what}: other people use this platform (ENVIRONMENT is shared)")
