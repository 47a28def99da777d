"""The OpenAPI document: every route described, every example true, every answer as it says."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from openapi_spec_validator import validate

from synthetics.model.run import Outcome
from synthetics.store.engine import Database
from tests.support.alerting import Court, outage
from tests.support.runs import a_run, a_timing, record, tick


@pytest.fixture
async def document(client: AsyncClient) -> dict[str, Any]:
    made: dict[str, Any] = (await client.get("/api/v1/openapi.json")).json()
    return made


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for operation in item.values():
            yield path, operation


def check(document: dict[str, Any], schema: dict[str, Any], value: object) -> None:
    Draft202012Validator({**schema, "components": document["components"]}).validate(value)


def test_it_is_a_valid_document(document: dict[str, Any]) -> None:
    validate(document)


def test_every_route_is_described_and_answers_errors_with_problems(document: dict[str, Any]) -> None:
    for path, operation in operations(document):
        assert operation["summary"], path
        assert operation["description"], path
        for status, answer in operation["responses"].items():
            if not status.startswith("2") and path.startswith("/api/"):
                assert list(answer["content"]) == ["application/problem+json"], (path, status)
                reference = answer["content"]["application/problem+json"]["schema"]["$ref"]
                assert reference == "#/components/schemas/Problem"


def test_every_parameter_is_described(document: dict[str, Any]) -> None:
    for path, operation in operations(document):
        for parameter in operation.get("parameters", []):
            described = parameter.get("description") or parameter["schema"].get("description")
            assert described, (path, parameter["name"])


def test_the_examples_are_what_the_schemas_allow(document: dict[str, Any]) -> None:
    checked = 0
    for schema in document["components"]["schemas"].values():
        for example in schema.get("examples", []):
            check(document, schema, example)
            checked += 1
        for part in schema.get("properties", {}).values():
            for example in part.get("examples", []):
                check(document, part, example)
                checked += 1
    assert checked > 20


def test_quantities_have_their_unit_in_their_names(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        for field, part in schema.get("properties", {}).items():
            kinds = {part.get("type"), *(option.get("type") for option in part.get("anyOf", []))}
            if "number" in kinds:
                assert field.endswith(("seconds", "dollars", "share", "rate")), (name, field)


async def test_the_answers_are_what_the_document_says(
    client: AsyncClient, store: Database, document: dict[str, Any]
) -> None:
    run = a_run(tick(1), timings=[a_timing(4.2)])
    await record(store, run, a_run(tick(2), Outcome.FAILED), a_run(tick(3), Outcome.MISSED))
    court = Court(store)
    await court.keep(*outage(tick(0)))
    (incident,) = await court.incidents()
    values = {"name": "open_document", "run_id": str(run.id), "incident_id": str(incident.id)}
    asked = 0
    for path, operation in operations(document):
        if operation is not document["paths"][path].get("get"):
            continue  # tests/api/test_access.py acts
        content = operation["responses"]["200"]["content"]
        if "application/json" not in content:
            continue
        names = {**values, "name": "opening"} if path.startswith("/api/v1/timings") else values
        answer = await client.get(path.format(**names))
        assert answer.status_code == 200, path
        check(document, content["application/json"]["schema"], answer.json())
        asked += 1
    assert asked == 16


def test_the_page_about_the_api_names_every_route_and_no_other(document: dict[str, Any]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    named = set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`]*)`", page))
    assert named == {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
