"""Who may ask the API for what: bearer tokens are made, recognised and revoked here."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import structlog

from synthetics.clock import Clock
from synthetics.errors import NotFound, Unusable
from synthetics.model.token import Scope, Token
from synthetics.store import tokens
from synthetics.store.engine import Database

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_FORM = re.compile(r"syn_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")
_SALT_BYTES = 16
_SECRET_BYTES = 32
_LONGEST_NAME = 100
_NOTED_EVERY = timedelta(minutes=1)
#: Compared with where no such token exists, so that both answers take the same way.
_NOBODY = bytes(_SALT_BYTES + hashlib.sha256().digest_size)


class Access:
    """Knows the tokens of one database. Raises NotFound or Unusable with a sentence, and StoreError."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(
        self, name: str, scopes: Collection[Scope], *, lasts: timedelta | None
    ) -> tuple[Token, str]:
        """A new token, and what its bearer sends: it is told this once and kept nowhere."""
        if not name.strip() or len(name) > _LONGEST_NAME:
            raise Unusable(f"name: wanted 1 to {_LONGEST_NAME} characters, got {len(name.strip())}")
        if not scopes:
            raise Unusable(f"scopes: wanted some of {', '.join(Scope)}, got none")
        now, secret = self._clock.now(), secrets.token_urlsafe(_SECRET_BYTES)
        try:
            expires_at = None if lasts is None else now + lasts
        except OverflowError:
            raise Unusable(f"lasts: wanted an end before the year 9999, got {lasts}") from None
        token = Token(uuid4(), name.strip(), frozenset(scopes), now, expires_at)
        async with self._database.transaction() as connection:
            await tokens.add(connection, token, _salted(secrets.token_bytes(_SALT_BYTES), secret))
        log.info("token.created", token_id=str(token.id), name=token.name)
        return token, f"syn_{token.id.hex}_{secret}"

    async def every(self) -> Sequence[Token]:
        """All tokens there are or were, oldest first."""
        async with self._database.transaction() as connection:
            return await tokens.every(connection)

    async def revoke(self, token_id: UUID) -> Token:
        """Have this token no longer good, from now on and for good."""
        async with self._database.transaction() as connection:
            await tokens.revoke(connection, token_id, self._clock.now())
            found = await tokens.one(connection, token_id)
        if found is None:
            raise NotFound(f"there is no token {token_id}")
        log.info("token.revoked", token_id=str(token_id), name=found[0].name)
        return found[0]

    async def bearer(self, sent: str) -> Token | None:
        """The token that was sent, if it is one of ours and still good; its use is noted."""
        form = _FORM.fullmatch(sent)
        if form is None:
            return None
        now = self._clock.now()
        async with self._database.transaction() as connection:
            found = await tokens.one(connection, UUID(form[1]))
            token, kept = found or (None, _NOBODY)
            right = hmac.compare_digest(kept, _salted(kept[:_SALT_BYTES], form[2]))
            if token is None or not right or not token.holds(now):
                return None
            await tokens.used(connection, token.id, now, every=_NOTED_EVERY)
        return token


def _salted(salt: bytes, secret: str) -> bytes:
    # A quick hash will do: the secret is 256 random bits, which nobody guesses however fast they hash.
    return salt + hashlib.sha256(salt + secret.encode()).digest()
