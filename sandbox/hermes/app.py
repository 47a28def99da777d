"""Hermes' routes (contract §2.3): what comes in is checked here, what goes out is shaped here."""

import json
from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, Router

from sandbox import pages
from sandbox.faults import Faults
from sandbox.hermes.answers import HermesError, now_iso
from sandbox.hermes.cloud import Row, Value
from sandbox.hermes.health import Health
from sandbox.hermes.opening import Opening, Wish
from sandbox.hermes.resume import Resume
from sandbox.hermes.sessions import DEFAULT_PROJECT, Sessions
from sandbox.mail import MailIntake

PREFIX = "/hermes"
CREATED = 201
_TRACE = (
    "ThrottlingException: Rate exceeded\n    at Request.extractError (/app/node_modules/aws-sdk/lib/core.js)"
)


class Routes:
    """Every route of Hermes, bound to the parts that do the work."""

    def __init__(
        self,
        sessions: Sessions,
        opening: Opening,
        resume: Resume,
        health: Health,
        mail: MailIntake,
        faults: Faults,
    ) -> None:
        self._sessions = sessions
        self._opening = opening
        self._resume = resume
        self._health = health
        self._mail = mail
        self._faults = faults

    def app(self) -> Starlette:
        """The ASGI application."""
        api = f"{PREFIX}/api/sessions"
        one = f"{api}/{{session}}"
        app = Starlette(
            routes=[
                Route(f"{PREFIX}/", self.hello, methods=["GET"]),
                Route(PREFIX, self.hello, methods=["GET"]),
                Route(f"{PREFIX}/health", self.health, methods=["GET"]),
                Route(f"{PREFIX}/health/ready", self.ready, methods=["GET"]),
                Route(f"{PREFIX}/health/live", self.live, methods=["GET"]),
                Route(f"{api}/activate", self.activate, methods=["POST"]),
                Route(f"{api}/resume-preview", self.resume, methods=["POST"]),
                Route(f"{api}/client/{{client}}", self.of_client, methods=["GET"]),
                Route(f"{one}/status", self.status, methods=["GET"]),
                Route(f"{one}/keepalive", self.keepalive, methods=["POST"]),
                Route(f"{one}/deactivate", self.deactivate, methods=["POST"]),
                Route(f"{PREFIX}/email/process", self.process_mail, methods=["POST"]),
                Route(f"{PREFIX}/email/health", self.mail_health, methods=["GET"]),
                Route(f"{PREFIX}/email/{{verb:str}}/{{session}}/{{token}}", self.decide, methods=["GET"]),
            ],
            exception_handlers={
                HermesError: _application_error,
                HTTPException: _no_such_route,
                Exception: _unhandled,
            },
        )
        router: Router = app.router
        router.redirect_slashes = False
        return app

    async def hello(self, _: Request) -> Response:
        return PlainTextResponse("Hello World!")

    async def health(self, _: Request) -> Response:
        return JSONResponse(await self._health.body())

    async def ready(self, _: Request) -> Response:
        return JSONResponse({"ready": True})

    async def live(self, _: Request) -> Response:
        return JSONResponse({"alive": True})

    async def activate(self, request: Request) -> Response:
        body = await _json_body(request)
        metadata = body.get("metadata")
        if metadata is not None and not isinstance(metadata, dict):
            raise HermesError(400, "metadata must be an object")
        wish = Wish(
            client=self._client(body),
            user=_required(body, "userId"),
            instruction=_required(body, "instruction"),
            project=_optional(body, "projectId") or DEFAULT_PROJECT,
            chat_thread=_optional(body, "chatThreadId"),
            metadata=metadata,
        )
        crowding = self._opening.crowding
        with crowding.one_more():
            if crowding.strikes("throttled-answers-unclean", wish.client):
                return PlainTextResponse(_TRACE, 500)
            return JSONResponse(await self._opening.activate(wish), CREATED)

    def _client(self, body: Mapping[str, Value]) -> str:
        if body.get("clientId") == "" and self._faults.strikes("invalid-activate-accepted"):
            return ""
        return _required(body, "clientId")

    async def resume(self, request: Request) -> Response:
        body = await _json_body(request)
        whole = body.get("chatThreadId") and body.get("clientId")
        if not whole and self._faults.strikes("incomplete-wake-crashes") is not None:
            raise HermesError(500, "Internal server error")
        answer = await self._resume.resume(_required(body, "chatThreadId"), _required(body, "clientId"))
        return JSONResponse(answer, CREATED)

    async def of_client(self, request: Request) -> Response:
        return JSONResponse(await self._sessions.of_client(request.path_params["client"]))

    async def status(self, request: Request) -> Response:
        return JSONResponse(await self._sessions.status(request.path_params["session"]))

    async def keepalive(self, request: Request) -> Response:
        return JSONResponse(await self._sessions.keepalive(request.path_params["session"]), CREATED)

    async def deactivate(self, request: Request) -> Response:
        return JSONResponse(await self._sessions.deactivate(request.path_params["session"]), CREATED)

    async def process_mail(self, request: Request) -> Response:
        body = await _json_body(request)
        records = body.get("Records")
        if not isinstance(records, list) or not records:
            return JSONResponse({"message": "No records to process"}, CREATED)
        for record in records:
            await self._mail.process_record(record)
        return JSONResponse({"message": f"Processed {len(records)} records", "timestamp": now_iso()}, CREATED)

    async def mail_health(self, _: Request) -> Response:
        return JSONResponse({"status": "healthy", "service": "email-processor", "timestamp": now_iso()})

    async def decide(self, request: Request) -> Response:
        verb, session = request.path_params["verb"], request.path_params["session"]
        if verb not in ("approve", "reject"):
            raise HTTPException(404)
        if await self._sessions.find(session) is None:
            return HTMLResponse(pages.decision("Session not found", f"There is no session {session}."))
        title = "Changes approved" if verb == "approve" else "Changes rejected"
        return HTMLResponse(pages.decision(title, f"Session {session}."))


async def _json_body(request: Request) -> Row:
    """The request's JSON object; an empty body is an empty object, as the real service has it."""
    raw = await request.body()
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise HTTPException(400, f"{error}") from error
    if not isinstance(body, dict):
        raise HTTPException(400, "The body must be a JSON object")
    return body


def _required(body: Mapping[str, Value], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise HermesError(400, f"{name} must be a non-empty string")
    return value


def _optional(body: Mapping[str, Value], name: str) -> str:
    """A text that may be left out; empty then."""
    return _required(body, name) if body.get(name) is not None else ""


async def _application_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HermesError)
    return JSONResponse({"statusCode": error.status, "message": error.message}, error.status)


async def _no_such_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code in (404, 405):  # to the real service a wrong method is an unknown route
        message = f"Cannot {request.method} {request.url.path}"
        return JSONResponse({"message": message, "error": "Not Found", "statusCode": 404}, 404)
    body = {"message": error.detail, "error": "Bad Request", "statusCode": error.status_code}
    return JSONResponse(body, error.status_code)


async def _unhandled(_: Request, error: Exception) -> Response:
    return JSONResponse({"statusCode": 500, "message": "Internal server error"}, 500)
