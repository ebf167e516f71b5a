"""What connectors did: one row per change of status or link. Kept for reliability figures."""

from __future__ import annotations

from datetime import datetime

import msgspec

from laddvakt.domain.stations import ConnectorState


class Transition(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """From `at` on the connector was in this status, with or without a link to us. Without one its status is
    Unknown; so it is after the link came back, until the station says it again."""

    station_id: str
    connector_id: int
    at: datetime
    status: ConnectorState
    connected: bool
    error_code: str = "NoError"
