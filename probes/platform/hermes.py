"""Hermes over HTTP: asking for sessions, keeping them, and waking them (contract §2.3)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from probes.platform.guard import Guard
from probes.platform.http import Http, Label
from probes.platform.replies import Reply
from probes.platform.settings import PlatformSettings
from probes.platform.values import Activation, SessionRow, newest
from synthetics.clock import Clock
from synthetics.errors import PlatformError, Unexpected

#: What the load balancer answers for a request that it has given up waiting for (contract §2.4).
_TIMED_OUT = 504
#: What some of the platform's writers put in place of the user (contract §3.1, §8.2).
_NO_USER = ("email-user", "*", None)

SessionsOfClient = Callable[[str], Awaitable[list[SessionRow]]]


class Hermes:
    """The session API, as this run's own client.

    Methods that ask for something to happen raise PlatformError when it did not; those ending in `_reply`
    (and `resume_preview`, whose refusals are answers too) give back whatever came.
    """

    def __init__(
        self,
        *,
        http: Http,
        settings: PlatformSettings,
        guard: Guard,
        clock: Clock,
        sessions_of_client: SessionsOfClient,
    ) -> None:
        self._http = http
        self._settings = settings
        self._guard = guard
        self._clock = clock
        self._rows_of_client = sessions_of_client

    def client(self, suffix: str | None = None) -> str:
        """This run's client id, or a further one of the run's own (`syn-<tag>-<suffix>`)."""
        return f"{self._guard.client_id}-{suffix}" if suffix else self._guard.client_id

    def user(self, name: str) -> str:
        """`name` with the mark of test users, once."""
        prefix = self._settings.test_user_prefix
        return name if name.startswith(prefix) else prefix + name

    def own_thread(self, name: str) -> str:
        """A thread id of this run's own that nobody else can have. Raises GuardRefused if it lacks the tag."""
        self._guard.own("thread", name)
        return name

    # -- sessions ----------------------------------------------------------------------------------------

    async def activate(
        self,
        instruction: str,
        *,
        user: str,
        project: str | None = None,
        thread: str | None = None,
        metadata: Mapping[str, object] | None = None,
        client: str | None = None,
    ) -> Activation:
        """A session of this run's client (with `client`: of the run's further client of that suffix).

        A request that timed out, here or at the load balancer, may have made its session all the same: it is
        looked up before the call is said to have failed (contract §2.3). Raises PlatformError.
        """
        body: dict[str, object] = {
            "clientId": self.client(client),
            "userId": self.user(user),
            "instruction": instruction,
        }
        optional = {"projectId": project, "chatThreadId": thread, "metadata": metadata}
        body.update({name: value for name, value in optional.items() if value is not None})
        return await self._activated(body)

    async def activate_raw(self, body: Mapping[str, object]) -> Reply:
        """The answer to any body at all, for invalid input.

        A client that is named must be this run's. Where none is, the user must be: by it alone is found again
        what a platform makes that takes such a request.
        """
        named, details = body.get("clientId"), {"client": self.client()}
        if named not in (None, ""):
            self._guard.own_client(named)
        elif body.get("userId"):
            nobody = str(body["userId"])
            self._guard.adopt_user(nobody)
            details["nobody"] = nobody
        entry = await self._guard.belongings.intend("session", self.client(), **details)
        reply = await self._post("/api/sessions/activate", "activate", body)
        made = _member(reply, "sessionId") if reply.ok else None
        if made:
            await self._guard.belongings.created(entry, "session", made, **details)
        return reply

    async def status(self, session_id: str) -> Reply:
        """What Hermes says of a session. Raises PlatformError if it is not 2xx."""
        return _wanted(await self.status_reply(session_id), "status")

    async def status_reply(self, session_id: str) -> Reply:
        return await self._get(f"/api/sessions/{session_id}/status", "status")

    async def keepalive(self, session_id: str) -> Reply:
        """Push the session's end away. Raises PlatformError if it is not 2xx."""
        return _wanted(await self.keepalive_reply(session_id), "keepalive")

    async def keepalive_reply(self, session_id: str) -> Reply:
        self._guard.own("session", session_id)
        return await self._post(f"/api/sessions/{session_id}/keepalive", "keepalive")

    async def deactivate(self, session_id: str) -> Reply:
        """Let the session go. Raises PlatformError if it is not 2xx."""
        return _wanted(await self.deactivate_reply(session_id), "deactivate")

    async def deactivate_reply(self, session_id: str) -> Reply:
        self._guard.own("session", session_id)
        return await self._post(f"/api/sessions/{session_id}/deactivate", "deactivate")

    async def sessions_of_client(self, client: str | None = None) -> list[dict[str, object]]:
        """The active sessions of a client, as Hermes lists them. Raises PlatformError."""
        reply = await self._get(f"/api/sessions/client/{self.client(client)}", "sessions_of_client")
        return _wanted(reply, "sessions of a client").json_list()

    async def resume_preview(self, thread: str, client: str | None = None) -> Reply:
        """The answer to a request to wake the session of a thread; `client` is a suffix, as in `activate`."""
        self._guard.own("thread", thread)
        return await self.resume_raw({"chatThreadId": thread, "clientId": self.client(client)})

    async def resume_raw(self, body: Mapping[str, object]) -> Reply:
        """The answer to any body at all; a client or thread that is named must be this run's."""
        if body.get("clientId") not in (None, ""):
            self._guard.own_client(body["clientId"])
        if body.get("chatThreadId"):
            self._guard.own("thread", str(body["chatThreadId"]))
        key = self._settings.internal_api_key
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        return await self._post("/api/sessions/resume-preview", "resume_preview", body, headers=headers)

    # -- health ------------------------------------------------------------------------------------------

    async def health(self) -> Reply:
        return await self._get("/health", "health")

    async def live(self) -> Reply:
        return await self._get("/health/live", "live")

    async def ready(self) -> Reply:
        return await self._get("/health/ready", "ready")

    async def get(self, path: str) -> Reply:
        """Any other path under Hermes' prefix."""
        return await self._get(path, "get")

    # -- inside ------------------------------------------------------------------------------------------

    async def _activated(self, body: Mapping[str, object]) -> Activation:
        client, user = str(body["clientId"]), str(body["userId"])
        known = self._guard.belongings.named("session")
        details = {"client": client, "user": user}
        details |= {"project": str(body["projectId"])} if "projectId" in body else {}
        details |= {"thread": str(body["chatThreadId"])} if "chatThreadId" in body else {}
        entry = await self._guard.belongings.intend("session", client, **details)
        sent, sent_at = self._clock.monotonic(), self._clock.now()
        reply = await self._post("/api/sessions/activate", "activate", body)
        answered = self._clock.monotonic()
        if reply.ok:
            session_id, status = reply.text_field("sessionId"), reply.text_field("status")
            preview, looked_up = _member(reply, "previewUrl"), False
        else:
            row = await self._looked_up(body, known, reply)
            session_id, status, preview, looked_up = row.session_id, row.status, row.preview_url, True
        await self._guard.belongings.created(entry, "session", session_id, **details)
        self._guard.belongings.adopt("thread", _member(reply, "threadId"))
        return Activation(
            session_id, preview, status, client, user, sent, sent_at, answered, reply, looked_up=looked_up
        )

    async def _looked_up(self, asked: Mapping[str, object], known: frozenset[str], reply: Reply) -> SessionRow:
        """The session that a request without an answer made after all. Raises PlatformError if none.

        Others may have been asked for at the same time: its user tells it from theirs, where rows tell users.
        """
        refused = _refusal(reply, "activate")
        if reply.failure is None and reply.status != _TIMED_OUT:
            raise refused
        try:
            rows = await self._rows_of_client(str(asked["clientId"]))
        except PlatformError as error:
            raise PlatformError(f"{refused}; and its session could not be looked up: {error}") from error
        user = str(asked["userId"])
        row = newest(row for row in rows if row.session_id not in known and row.user_id in (user, *_NO_USER))
        if row is None:
            raise refused
        return row

    async def _get(self, path: str, operation: str) -> Reply:
        reply = await self._http.request(
            "GET",
            self._settings.hermes + path,
            label=Label("hermes", operation),
            timeout=self._settings.hermes_timeout,
        )
        return replace(reply, of="Hermes")

    async def _post(
        self,
        path: str,
        operation: str,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        timeouts = {
            "activate": self._settings.patience(self._settings.activate_timeout),
            "resume_preview": self._settings.patience(self._settings.resume_timeout),
        }
        reply = await self._http.request(
            "POST",
            self._settings.hermes + path,
            label=Label("hermes", operation),
            timeout=timeouts.get(operation, self._settings.hermes_timeout),
            json=body,
            headers=headers,
        )
        return replace(reply, of="Hermes")


def _wanted(reply: Reply, what: str) -> Reply:
    if not reply.ok:
        raise _refusal(reply, what)
    return reply


def _refusal(reply: Reply, what: str) -> PlatformError:
    return reply.refusal(what, "2xx")


def _member(reply: Reply, name: str) -> str | None:
    """A text of a JSON answer that may as well be missing, or be no JSON at all."""
    if not reply.ok:
        return None
    try:
        value = reply.json().get(name)
    except Unexpected:
        return None
    return value if isinstance(value, str) and value else None
