"""What a mapping file can say: one class per table, one field per key. Reference: docs/reference/mqtt.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, Strict

from collector.mqtt.facts import FIELD_NAME, MAX_FIELDS
from collector.mqtt.mappings import PayloadKind, TimeFormat, Unknown
from laddvakt.network.model import Identity, Table


def _listed(value: object) -> object:
    return [value] if isinstance(value, str | int) and not isinstance(value, bool) else value


def _field(value: str) -> str:
    if not FIELD_NAME.fullmatch(value):
        raise ValueError(f"{value!r} is not a field. Write it in lower case with the unit at the end: energy_wh")
    return value


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f"{value!r} is not an IANA time zone. Write for example Europe/Stockholm")
    return value


def _owner(value: object) -> object:
    """`"SE-1"` and `"SE-1/2"` are short for a table."""
    if not isinstance(value, str):
        return value
    station, slash, connector = value.partition("/")
    if slash and not (connector.isascii() and connector.isdigit()):
        raise ValueError(f'{value!r} is not a connector. Write "SE-1/2", or "SE-1" for the whole station')
    return {"station": station, **({"connector": int(connector)} if slash else {})}


Text = Annotated[str, Field(min_length=1, max_length=1000)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_listed), Field(min_length=1, max_length=20)]
Whens = dict[Text, Texts]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
ConnectorNumber = Annotated[int, Strict(), Field(ge=0, le=9999)]
Column = Annotated[int, Strict(), Field(ge=1, le=10_000)]


class FieldTable(Table):
    """`[[mappings.fields]]`"""

    field: Annotated[str, AfterValidator(_field)]
    path: Texts | None = None
    column: Column | None = None
    metric: Texts | None = None
    unit: Text | None = None
    scale: Number = 1.0
    offset: Number = 0.0
    when: Whens = Field(default_factory=dict)


class TimeTable(Table):
    """`mappings.time`"""

    path: Text | None = None
    column: Column | None = None
    format: TimeFormat = TimeFormat.ISO
    timezone: Annotated[str, AfterValidator(_zone)] | None = None


class OwnerTable(Table):
    """`mappings.devices`: what one device belongs to."""

    station: Identity
    connector: ConnectorNumber | None = None


class MappingTable(Table):
    """`[[mappings]]`"""

    use: Text | None = None
    prefix: Text | None = None
    topic: Text | None = None
    payload: PayloadKind | None = None
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    when: Whens = Field(default_factory=dict)
    station: Text | None = None
    connector: ConnectorNumber | Text = 0
    device: Texts | None = None
    devices: dict[Text, Annotated[OwnerTable, BeforeValidator(_owner)]] = Field(default_factory=dict)
    unknown_devices: Unknown = Unknown.QUARANTINE
    time: TimeTable | None = None
    fields: Annotated[tuple[FieldTable, ...], Field(max_length=MAX_FIELDS)] = ()

    def given(self, *keys: str) -> list[str]:
        """Which of these keys the file has."""
        return [key for key in keys if key in self.model_fields_set]


PlaceKey = Literal["path", "column", "metric"]
PLACE_KEYS: dict[PayloadKind, PlaceKey | None] = {
    PayloadKind.JSON: "path",
    PayloadKind.CSV: "column",
    PayloadKind.SPARKPLUG_B: "metric",
    PayloadKind.NUMBER: None,
}
"""The key by which a value is found in each kind of payload."""


def beside_use(row: MappingTable) -> dict[str, Any]:
    """What an operator's row changes in a ready one."""
    keys = row.given("station", "connector", "device", "devices", "unknown_devices", "time")
    return {key: getattr(row, key) for key in keys}
