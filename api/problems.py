"""Every error as a problem document (RFC 9457); people who look at a page get the same as a page."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from api.rendering import render_page
from synthetics.errors import Conflict, NotFound, StoreError, Unusable

MEDIA_TYPE = "application/problem+json"
#: Characters of a problem's detail and instance; both may hold what the caller sent.
LONGEST = 1000
_TRY_AGAIN = {"Retry-After": "5"}
_PLACEHOLDER = re.compile(r"\{[^}]+\}")


class BadParameter(BaseModel):
    """One parameter that cannot be used."""

    parameter: str = Field(description="Which one.", examples=["limit"])
    detail: str = Field(
        description="What is wrong with it.", examples=["Input should be less than or equal to 200"]
    )


class Problem(BaseModel):
    """What went wrong, in the form of RFC 9457."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "there is no probe 'documents'; did you mean 'document_is_searchable'?",
                    "instance": "/api/v1/probes/documents",
                    "errors": [],
                }
            ]
        }
    )

    type: str = Field("about:blank", description="`about:blank`: the status says it all.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status, once more.")
    detail: str = Field(description="What was wrong with this very request, for a person.")
    instance: str = Field(description="The path that was asked for.")
    errors: list[BadParameter] = Field(default=[], description="Each parameter that cannot be used.")


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entries for these error statuses."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def answer_problems(app: FastAPI) -> None:
    """Have every error of `app` answered as a problem."""
    app.add_exception_handler(NotFound, _not_found)
    app.add_exception_handler(Conflict, _conflict)
    app.add_exception_handler(Unusable, _unusable)
    app.add_exception_handler(StoreError, _store_away)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _not_found(request: Request, error: Exception) -> Response:
    return await _answer(request, HTTPStatus.NOT_FOUND, str(error))


async def _conflict(request: Request, error: Exception) -> Response:
    return await _answer(request, HTTPStatus.CONFLICT, str(error))


async def _unusable(request: Request, error: Exception) -> Response:
    return await _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, str(error))


async def _store_away(request: Request, error: Exception) -> Response:
    return await _answer(request, HTTPStatus.SERVICE_UNAVAILABLE, f"{error}; try again shortly", _TRY_AGAIN)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = [_bad_parameter(request, item) for item in error.errors()]
    detail = "; ".join(f"{item.parameter}: {item.detail}" for item in wrong)
    return await _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=wrong)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    told = error.detail if error.detail != status.phrase else _in_words(request, status)
    headers = dict(error.headers or {})
    if status is HTTPStatus.BAD_REQUEST:
        told = "the body cannot be read: wanted JSON in UTF-8"  # the framework's only reason for this status
    if status is HTTPStatus.METHOD_NOT_ALLOWED and (operations := _operations(request)):
        # The framework names the methods of the first route it finds, which need not be all.
        headers["Allow"] = ", ".join(sorted(method.upper() for method in operations))
    return await _answer(request, status, told, headers)


async def _unexpected(request: Request, _error: Exception) -> Response:
    # The error itself goes to the log (the server writes it there) and not to a stranger.
    detail = "something went wrong on our side; the log of this service says what"
    return await _answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail)


async def _answer(
    request: Request,
    status: HTTPStatus,
    detail: str,
    headers: Mapping[str, str] | None = None,
    *,
    errors: Sequence[BadParameter] = (),
) -> Response:
    problem = Problem(
        title=status.phrase,
        status=status,
        detail=_brief(detail),
        instance=_brief(request.url.path),
        errors=list(errors),
    )
    if _wants_page(request):
        return await render_page(request, "problem.html", code=status, headers=headers, problem=problem)
    return JSONResponse(problem.model_dump(), status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def _brief(text: str) -> str:
    """What a caller sent, as much of it as helps."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _wants_page(request: Request) -> bool:
    """Whether a page is the right answer: who asks for a page gets one, unless they want anything but that."""
    if request.url.path.startswith("/api/"):
        return False
    accepted = request.headers.get("accept", "*/*")
    is_page = getattr(request.scope.get("endpoint"), "__module__", "") == "api.pages"
    return "text/html" in accepted or (is_page and ("*/*" in accepted or "text/*" in accepted))


def _bad_parameter(request: Request, item: Mapping[str, Any]) -> BadParameter:
    # The first part says where it came from; a parameter may well be called `path` itself.
    where, *place = (str(part) for part in item["loc"])
    if where not in {"query", "path", "header", "body"}:
        place = [where, *place]
    if where == "query":
        place = place[:1]  # which of several values was wrong, its own text says
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        parameters = f"parameter; allowed are {', '.join(_parameters(request))}"
        message = f"there is no such {parameters if where == 'query' else 'field'}"
    return BadParameter(parameter=".".join(place) or "query", detail=message)


def _parameters(request: Request) -> list[str]:
    """The query parameters that what was asked takes, as its documentation has them."""
    described = _operations(request).get(request.method.lower(), {}).get("parameters", [])
    return [parameter["name"] for parameter in described if parameter["in"] == "query"]


def _operations(request: Request) -> dict[str, Any]:
    """What is documented of the path that was asked for, by method in small letters."""
    for path, operations in request.app.openapi()["paths"].items():
        if re.fullmatch(_PLACEHOLDER.sub("[^/]+", path), request.url.path):
            found: dict[str, Any] = operations
            return found
    return {}


def _in_words(request: Request, status: HTTPStatus) -> str:
    if status is HTTPStatus.NOT_FOUND:
        return f"there is nothing at {request.url.path}"
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{request.method} is not possible at {request.url.path}"
    return status.description or status.phrase
