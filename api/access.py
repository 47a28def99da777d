"""Who may ask for what: dependencies that let a request pass, or answer 401, 403 or 429."""

import math
from collections import deque
from typing import Annotated
from uuid import UUID

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from synthetics.clock import Clock
from synthetics.model.token import Scope, Token

#: What one token may do in a minute; a person at work stays far below.
ACTS_A_MINUTE = 30
_MINUTE_SECONDS = 60.0

_bearer = HTTPBearer(auto_error=False, description="From `synthetics token create`.")
Sent = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


class Pace:
    """Counts what each token did in the last minute, in this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._acts: dict[UUID, deque[float]] = {}

    def wait_seconds(self, token: Token) -> float:
        """How long this token has to wait; 0, and its act is counted, if it need not."""
        now = self._clock.monotonic()
        acts = self._acts.setdefault(token.id, deque())
        while acts and now - acts[0] >= _MINUTE_SECONDS:
            acts.popleft()
        if len(acts) >= ACTS_A_MINUTE:
            return acts[0] + _MINUTE_SECONDS - now
        acts.append(now)
        return 0.0


async def may_read(request: Request, sent: Sent) -> None:
    """Let pass whoever may read: everybody, or who has a token for it if the settings want one."""
    if not request.app.state.public_reading:
        await _holder(request, sent, Scope.READ)


async def _actor(request: Request, sent: Sent) -> Token:
    token = await _holder(request, sent, Scope.ACT)
    wait = request.app.state.pace.wait_seconds(token)
    if wait:
        detail = f"this token has acted {ACTS_A_MINUTE} times in a minute; wait before it acts again"
        raise HTTPException(429, detail, {"Retry-After": str(math.ceil(wait))})
    return token


async def _holder(request: Request, sent: HTTPAuthorizationCredentials | None, scope: Scope) -> Token:
    if sent is None:
        detail = "a bearer token is needed; `synthetics token create` makes one"
        raise HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})
    token: Token | None = await request.app.state.access.bearer(sent.credentials)
    if token is None:
        detail = "this bearer token is unknown, expired or revoked"
        raise HTTPException(401, detail, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    if scope not in token.scopes:
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        raise HTTPException(
            403, f"this token does not have the scope {scope!r}", {"WWW-Authenticate": challenge}
        )
    return token


Actor = Annotated[Token, Depends(_actor)]
