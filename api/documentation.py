"""The OpenAPI document: one form for every error, named once."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import BadParameter, Problem, responses

DESCRIPTION = """
A synthetic monitor: how every probe stands, its runs, how long things took, and what people do about incidents.
Acting needs a bearer token with the scope `act`.

Durations are seconds (`…_seconds`), moments are UTC (ISO 8601). Errors are problem documents (RFC 9457,
`application/problem+json`). Lists come in pages: follow `next` until it is null.
""".strip()

_REF = "#/components/schemas/{model}"


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of `app`, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        for left_over in ("HTTPValidationError", "ValidationError"):
            schemas.pop(left_over, None)
        problem = Problem.model_json_schema(ref_template=_REF)
        problem.pop("$defs", None)
        schemas["Problem"] = problem
        schemas["BadParameter"] = BadParameter.model_json_schema(ref_template=_REF)
        _answer_problems(made)
        _without_newer_words(made)
        app.openapi_schema = made
    return app.openapi_schema


def _without_newer_words(made: dict[str, Any]) -> None:
    """`itemSchema`, which FastAPI gives to streams, is a word of OpenAPI 3.2; this document is of 3.1."""
    for path in made["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                for content in answer.get("content", {}).values():
                    content.pop("itemSchema", None)


def _answer_problems(made: dict[str, Any]) -> None:
    """Have every operation answer an invalid request with a problem, not in FastAPI's own form."""
    for path in made["paths"].values():
        for operation in path.values():
            if "requestBody" in operation:
                operation["responses"] |= {"400": responses(400)[400]}
            if "422" in operation["responses"]:
                operation["responses"]["422"] = responses(422)[422]
