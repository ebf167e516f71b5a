"""The OpenAPI document says what the routes do. (Every other test's answers are held against it as well.)"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.webapp import Web


@pytest.fixture
def document(web: Web) -> dict[str, Any]:
    answer = web.nobody().get("/api/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    text = json.dumps(document)
    names = {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert names
    assert names <= set(schemas)
    assert "x-components" not in text


def test_every_route_names_its_object_and_its_problems(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if not path.startswith("/api/"):
                continue
            statuses = set(operation["responses"])
            assert {"200", "401", "403", "422", "503"} <= statuses
            good = operation["responses"]["200"]["content"]["application/json"]["schema"]
            assert set(good) == {"$ref"}
            problem = operation["responses"]["422"]["content"]["application/problem+json"]["schema"]
            assert problem == {"$ref": "#/components/schemas/Problem"}


def test_times_money_and_required_fields_are_told(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Session"]["properties"]["started_at"] == {"type": "string", "format": "date-time"}
    assert {"type": "string", "format": "date-time"} in schemas["Session"]["properties"]["ended_at"]["anyOf"]
    assert schemas["Money"]["properties"]["amount"]["format"] == "decimal"
    assert set(schemas["Ticket"]["required"]) == set(schemas["Ticket"]["properties"])
    assert set(document["components"]["securitySchemes"]) == {"token", "session"}


def test_parameters_keep_their_wire_names(document: dict[str, Any]) -> None:
    parameters = document["paths"]["/api/v1/sessions"]["get"]["parameters"]
    assert {item["name"] for item in parameters} == {
        *("limit", "after", "from", "to", "state", "station_id", "driver_id")
    }


def test_the_docs_need_no_other_host(web: Web) -> None:
    nobody = web.nobody()
    page = nobody.get("/api/docs")
    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text
    for path in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert path in page.text
        assert nobody.get(f"/api/docs/static/{path}").status_code == 200
