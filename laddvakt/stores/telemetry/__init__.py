"""Telemetry: `open_telemetry(settings)`; embedded SQLite day files, InfluxDB, or memory."""

from laddvakt.stores.telemetry.embedded import EmbeddedTelemetry
from laddvakt.stores.telemetry.memory import MemoryTelemetry
from laddvakt.stores.telemetry.opening import open_telemetry

__all__ = ["EmbeddedTelemetry", "MemoryTelemetry", "open_telemetry"]
