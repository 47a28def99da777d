"""The control endpoint: faults on and off while the sandbox runs, the truth log, the settings."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.faults import COMMON, COMMON_MEANING, FAULTS, FaultError, Faults, UnknownFault
from sandbox.truth import Truth, load


class Control:
    """What the control endpoint answers."""

    def __init__(self, faults: Faults, truth: Truth, monitor_settings: Mapping[str, str]) -> None:
        self._faults = faults
        self._truth = truth
        self._monitor_settings = dict(monitor_settings)

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/health", self.health),
                Route("/settings", self.settings),
                Route("/truth", self.truth),
                Route("/faults", self.list, methods=["GET"]),
                Route("/faults", self.clear_all, methods=["DELETE"]),
                Route("/faults/{name}", self.set, methods=["PUT"]),
                Route("/faults/{name}", self.clear, methods=["DELETE"]),
            ]
        )

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "healthy"})

    async def settings(self, request: Request) -> Response:
        """The environment that points a monitor at this sandbox."""
        return JSONResponse(self._monitor_settings)

    async def truth(self, request: Request) -> Response:
        """The truth log from `since` (epoch seconds) on."""
        try:
            since = float(request.query_params.get("since", "0"))
        except ValueError:
            return _problem("since: wanted epoch seconds", 422)
        events = await asyncio.to_thread(load, self._truth.path, since=since)
        return JSONResponse([{"at": event.at, "event": event.event, **event.fields} for event in events])

    async def list(self, request: Request) -> Response:
        """Every fault that can be switched on, and those that are."""
        declared = [
            {**asdict(spec), "breaks": list(spec.breaks), "parameters": {**COMMON, **spec.parameters}}
            for spec in FAULTS.values()
        ]
        return JSONResponse({"declared": declared, "active": self._faults.active(), "common": COMMON_MEANING})

    async def set(self, request: Request) -> Response:
        name = request.path_params["name"]
        body = await request.body()
        try:
            given = await request.json() if body.strip() else {}
        except ValueError:
            return _problem("the body is not JSON", 422)
        if not isinstance(given, dict):
            return _problem("the body must be an object of parameters", 422)
        try:
            resolved = self._faults.set(name, given)
        except UnknownFault as error:
            return _problem(str(error), 404)
        except FaultError as error:
            return _problem(str(error), 422)
        self._truth.write("fault.set", fault=name)
        return JSONResponse({"name": name, "parameters": resolved})

    async def clear(self, request: Request) -> Response:
        name = request.path_params["name"]
        try:
            was_on = self._faults.clear(name)
        except UnknownFault as error:
            return _problem(str(error), 404)
        self._truth.write("fault.cleared", fault=name)
        return JSONResponse({"name": name, "was_active": was_on})

    async def clear_all(self, request: Request) -> Response:
        cleared = self._faults.clear_all()
        for name in cleared:
            self._truth.write("fault.cleared", fault=name)
        return JSONResponse({"cleared": cleared})


def _problem(sentence: str, status: int) -> Response:
    return JSONResponse({"detail": sentence}, status)
