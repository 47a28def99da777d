"""Hermes as it reads sessions today: by a constant in place of the user's id (contract Q2)."""

from sandbox.hermes.answers import HermesError
from sandbox.hermes.tables import Table

PLACEHOLDER = "*"
_MISMATCH = "The provided key element does not match the schema"


class PlaceholderReads:
    """Finds no session by its id, whatever is in the table; does nothing where `on` is False."""

    def __init__(self, sessions: Table, *, on: bool) -> None:
        self._sessions = sessions
        self.on = on

    async def status(self) -> None:
        """A session's state is asked for. Raises HermesError."""
        if self.on:
            await self._needs_users()
            raise HermesError(404, "Session not found")

    async def keepalive(self, session: str) -> None:
        """A session shall be kept. Raises HermesError; a row that is nothing but a key stays behind."""
        if self.on:
            await self._needs_users()
            await self._sessions.put({"sessionId": session, "userId": PLACEHOLDER})
            raise HermesError(500, "Internal server error")

    async def nothing_to_close(self) -> bool:
        """Whether a session that shall be closed is taken for one that nobody knows. Raises HermesError."""
        if self.on:
            await self._needs_users()
        return self.on

    async def resume(self, session: str) -> None:
        """A session shall be woken. Raises HermesError."""
        if self.on:
            await self._needs_users(f"Failed to resume session: {_MISMATCH}")
            raise HermesError(500, f"Failed to resume session: Session {session} not found")

    async def _needs_users(self, refusal: str = "Internal server error") -> None:
        """On a table whose key has no user in it, the read itself is refused."""
        if "userId" not in (await self._sessions.shape()).key:
            raise HermesError(500, refusal)
