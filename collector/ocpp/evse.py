"""The connector number of an EVSE's connector. OCPP 2.x counts EVSEs, and connectors within each (part 1 section
7); everything behind the collector knows one number per connector, as OCPP 1.6 does."""

from __future__ import annotations

from typing import Any

from laddvakt.domain.stations import EVSE_STEP


def connector_number(evse_id: int, connector_id: int | None = None) -> int:
    """The EVSE's own number for its connector 1 (most EVSEs have no other), `1000 * EVSE + connector` for a second
    and further ones: EVSE 1 connector 2 is 1002. EVSE 0 is the station as a whole. EVSE numbers end below
    EVSE_STEP (schemas.py), so that no two connectors share a number."""
    if evse_id <= 0:
        return 0
    if connector_id is None or connector_id <= 1:
        return int(evse_id)
    return int(EVSE_STEP * evse_id + connector_id)


def numbers_of(evse: dict[str, Any] | None) -> tuple[int, int | None]:
    """(connector number, EVSE number) of an EVSEType; (0, None) where a message says none that can be."""
    if not evse or not all(abs(evse.get(name) or 0) < EVSE_STEP for name in ("id", "connectorId")):
        return 0, None
    return connector_number(evse["id"], evse.get("connectorId")), int(evse["id"])


def evse_number(evse_id: int | None) -> int | None:
    """An EVSE number as an int: the schemas of 2.x allow 1.0."""
    return None if evse_id is None else int(evse_id)
