"""Reads mapping files and says everything that is wrong with them at once."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

from collector.mqtt.mapping_model import (
    PLACE_KEYS,
    FieldTable,
    MappingTable,
    OwnerTable,
    TimeTable,
    beside_use,
)
from collector.mqtt.mappings import FieldRule, Mapping, Owner, PayloadKind, TimeFormat, TimeRule
from collector.mqtt.places import Place, parse_path
from collector.mqtt.sparkplug import PARTS
from collector.mqtt.topics import TopicPattern, When, names_in
from laddvakt.domain.errors import SettingsError
from laddvakt.domain.readings import UNITS, Unit
from laddvakt.network.problems import Problems

_READY = files("collector.mqtt") / "ready"
_MEND = "See docs/reference/mqtt.md."
_OUTCOME = "no mapping is used"
_MODELS: dict[str, type[BaseModel]] = {"fields": FieldTable, "time": TimeTable, "devices": OwnerTable}
_OWN_OF_READY = ("payload", "separator", "when")  # fixed in a ready mapping

Note = Callable[..., None]
"""`note(message, mend, field=index)` adds a fault of the mapping that is read, or of one of its fields."""


def ready_names() -> tuple[str, ...]:
    """Names for `use`."""
    names = (item.name for item in _READY.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_mappings(paths: Sequence[Path]) -> tuple[Mapping, ...]:
    """The mappings of these files, in order. Raises SettingsError with every fault in all of them: file, line,
    mapping, key, the mend."""
    mappings: list[Mapping] = []
    faults: list[SettingsError] = []
    for path in paths:
        try:
            mappings += _read(path)
        except SettingsError as error:
            faults.append(error)
    if len(faults) > 1:
        raise SettingsError("\n".join(str(fault) for fault in faults))
    if faults:
        raise faults[0]
    return tuple(mappings)


def _read(path: Path) -> list[Mapping]:
    try:
        text = path.read_text("utf-8")
        raw = tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"not TOML: {error}"
        raise SettingsError(f"mqtt.mappings: cannot read {path}: {reason}.", mend=f"Mend it. {_MEND}") from error
    problems = Problems(path, text, error=SettingsError, outcome=_OUTCOME)
    for name in sorted(raw.keys() - {"mappings"}):
        problems.add(f"unknown table {name}", "A mapping file has [[mappings]] only.")
    rows = raw.get("mappings", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        problems.add("mappings is not a list of tables", "Write [[mappings]] above each one.")
        rows = []
    built = [mapping for index, row in enumerate(rows) for mapping in _row(path, row, index, problems)]
    problems.raise_if_any()
    return built


def _row(path: Path, row: dict[str, Any], index: int, problems: Problems) -> list[Mapping]:
    noted: set[tuple[str, int | None]] = set()

    def note(message: str, mend: str, field: int | None = None) -> None:
        if (message, field) in noted:  # the same fault in each part of a ready mapping
            return
        noted.add((message, field))
        sub = None if field is None else ("fields", field)
        problems.add(message, mend, table="mappings", index=index, row=row, sub=sub)

    try:
        table = MappingTable.model_validate(row)
    except ValidationError as error:
        for item in error.errors():
            _note_invalid(item, note)
        return []
    name = f"{path.name} mappings[{index}]" + (f" ({table.use})" if table.use else "")
    return [built for one in _expanded(table, note) if (built := _build(one, name, note)) is not None]


def _note_invalid(item: Any, note: Note) -> None:
    loc = list(item["loc"])
    field = loc[1] if loc[:1] == ["fields"] and len(loc) > 1 and isinstance(loc[1], int) else None
    model = _MODELS.get(str(loc[0]), MappingTable) if len(loc) > 1 else MappingTable
    shown = [str(part) for part in (loc[2:] if field is not None else loc) if not _of_a_union(part)]
    key = ".".join(shown)
    if item["type"] == "extra_forbidden":
        near = get_close_matches(str(loc[-1]), model.model_fields, n=1)
        mend = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(model.model_fields)}."
        note(f"unknown key {key}", mend, field=field)
    elif item["type"] == "missing":
        note(f"{key} is missing", "Add it.", field=field)
    elif item["type"] == "value_error":
        text, _, mend = str(item["ctx"]["error"]).partition(". ")
        note(f"{key}: {text}" if key else text, f"{mend}." if mend else _MEND, field=field)
    else:
        note(f"{key}: {item['msg'][:1].lower()}{item['msg'][1:]}", _MEND, field=field)


def _of_a_union(part: object) -> bool:
    return isinstance(part, str) and (part in ("int", "str", "float") or part.startswith("constrained-"))


# Ready mappings


@cache
def _ready(name: str) -> tuple[MappingTable, ...]:
    data = tomllib.loads((_READY / f"{name}.toml").read_text("utf-8"))
    return tuple(MappingTable.model_validate(row) for row in data["mappings"])


def _expanded(table: MappingTable, note: Note) -> list[MappingTable]:
    """A mapping of the operator's own as it stands; for `use`, the ready ones with what the operator gave."""
    if table.use is None:
        if table.prefix is not None:
            note("prefix stands without use", "Write the whole topic.")
        return [table]
    if table.use not in ready_names():
        note(f"use: there is no ready mapping {table.use!r}", f"Known are {', '.join(ready_names())}.")
        return []
    for key in table.given(*_OWN_OF_READY):
        note(f"{key} stands beside use", "Leave it out, or write a mapping of your own without use.")
    ready = _ready(table.use)
    if table.topic is not None and (len(ready) > 1 or table.prefix is not None):
        note(
            f"topic stands beside use = {table.use!r}, which has {len(ready)} topics, or beside prefix",
            "Write prefix alone: what stands in front of the usual topics.",
        )
    own = {field.field for field in table.fields}
    return [
        one.model_copy(
            update={
                **beside_use(table),
                "topic": table.topic or f"{table.prefix or ''}{one.topic}",
                "fields": (*(field for field in one.fields if field.field not in own), *table.fields),
            }
        )
        for one in ready
    ]


# From tables to mappings


def _build(table: MappingTable, name: str, note: Note) -> Mapping | None:
    topic = _topic(table, note)
    kind = table.payload or PayloadKind.JSON
    if topic is None:
        return None
    if table.separator is not None and (kind is not PayloadKind.CSV or table.separator in '"\r\n'):
        note("separator is not for this payload, or not one", 'Write payload = "csv" and for example ";".')
        return None
    if kind is PayloadKind.SPARKPLUG_B and not set(PARTS) <= set(topic.names):
        note(f"topic: the parts {', '.join(PARTS)} are needed for sparkplug_b", 'Write use = "sparkplug_b".')
    if not table.fields:
        note("fields is missing", "Add at least one [[mappings.fields]].")
    _check_owner(table, topic, note)
    fields = [_field(one, index, kind, topic, note) for index, one in enumerate(table.fields)]
    return Mapping(
        name=name,
        topic=topic,
        payload=kind,
        separator=table.separator or ",",
        when=_when(table.when, topic, note),
        station=_station(table, topic),
        connector=_connector(table, topic),
        device=_device(table, topic),
        devices={key: Owner(owner.station, owner.connector) for key, owner in table.devices.items()},
        unknown_devices=table.unknown_devices,
        time=_time(table.time, kind, note),
        fields=tuple(field for field in fields if field is not None),
    )


def _topic(table: MappingTable, note: Note) -> TopicPattern | None:
    if table.topic is None:
        note("topic is missing", 'Write for example topic = "plant/{device}/status", or use a ready mapping.')
        return None
    try:
        return TopicPattern.parse(table.topic)
    except ValueError as error:
        text, _, mend = str(error).partition(". ")
        note(f"topic: {text}", f"{mend}.")
        return None


def _station(table: MappingTable, topic: TopicPattern) -> str:
    return table.station or ("{station}" if "station" in topic.names else "")


def _connector(table: MappingTable, topic: TopicPattern) -> str:
    named = "connector" in topic.names and "connector" not in table.model_fields_set
    return "{connector}" if named else str(table.connector)


def _device(table: MappingTable, topic: TopicPattern) -> tuple[str, ...]:
    return table.device or (("{device}",) if "device" in topic.names else ())


def _check_owner(table: MappingTable, topic: TopicPattern, note: Note) -> None:
    station, device = _station(table, topic), _device(table, topic)
    if table.devices and table.station:
        note("station stands beside devices", "Keep one of them.")
    if table.devices and not device:
        note("devices: the topic names no {device}", 'Name that level {device}, or write device = "{part}".')
    if not table.devices and not station:
        mend = 'Name a level {station}, write station = "SE-1", or a table [mappings.devices].'
        note("nothing says whose readings these are", mend)
    connector = _connector(table, topic)
    if not names_in(connector) and not connector.isdigit():
        note(f"connector: {connector!r} is not a number", 'Write 1, or a part of the topic: "{connector}".')
    for key, templates in (("station", (station,)), ("connector", (connector,)), ("device", device)):
        for part in (part for template in templates for part in names_in(template) if part not in topic.names):
            note(f"{key}: the topic has no part {{{part}}}", _known_parts(topic))


def _known_parts(topic: TopicPattern) -> str:
    return f"It has {', '.join(topic.names)}." if topic.names else "Give a level a name: {device}."


def _when(table: dict[str, tuple[str, ...]], topic: TopicPattern, note: Note, field: int | None = None) -> When:
    for part in sorted(table.keys() - set(topic.names)):
        note(f"when: the topic has no part {part}", _known_parts(topic), field=field)
    return When(tuple(table.items()))


def _field(table: FieldTable, index: int, kind: PayloadKind, topic: TopicPattern, note: Note) -> FieldRule | None:
    unit = UNITS.get(table.unit.strip().lower()) if table.unit else None
    if table.unit and unit is None:
        note(f"unit: {table.unit!r} is not known", f"Known are {', '.join(UNITS)}; or use scale.", field=index)
    elif unit is not None and not table.field.endswith(f"_{unit.suffix}"):
        mend = f"Let it end in _{unit.suffix}: values are kept in the base unit."
        note(f"field: {table.field!r} does not fit the unit {table.unit}", mend, field=index)
    places = _places(table, kind, note, index)
    when = _when(table.when, topic, note, index)
    if places is None:
        return None
    return FieldRule(
        field=table.field, places=places, unit=unit or _base(table.field), scale=table.scale,
        offset=table.offset, when=when,
    )  # fmt: skip


def _base(field: str) -> Unit | None:
    """The base unit that a field's name ends in: what text with a unit of its own is converted from."""
    suffix = field.rpartition("_")[2]
    return Unit(suffix) if any(unit.suffix == suffix for unit in UNITS.values()) else None


def _places(
    table: FieldTable | TimeTable, kind: PayloadKind, note: Note, index: int | None
) -> tuple[Place, ...] | None:
    key = PLACE_KEYS[kind]
    for other in sorted({"path", "column", "metric"} & table.model_fields_set - {key}):
        note(f"{other} is not for the payload {kind}", f"Write {key}." if key else "Leave it out.", field=index)
    if key is None:
        return (None,)
    value = getattr(table, key, None)
    if value is None:
        note(f"{key} is missing", f"Say where in the payload ({kind}) the value stands.", field=index)
        return None
    if key == "path":
        return _paths((value,) if isinstance(value, str) else value, note, index)
    return (value,) if isinstance(value, int) else tuple(value)


def _paths(texts: Sequence[str], note: Note, index: int | None) -> tuple[Place, ...] | None:
    places: list[Place] = []
    for text in texts:
        try:
            places.append(parse_path(text))
        except ValueError as error:
            problem, _, mend = str(error).partition(". ")
            note(f"path: {problem}", f"{mend}.", field=index)
    return tuple(places)


def _time(table: TimeTable | None, kind: PayloadKind, note: Note) -> TimeRule | None:
    if table is None:
        return None
    if kind not in (PayloadKind.JSON, PayloadKind.CSV):
        note(f"time is not for the payload {kind}", "Leave it out: Sparkplug has its own, a number none.")
        return None
    if table.timezone and table.format is not TimeFormat.ISO:
        note("time.timezone is for the format iso alone", "Leave it out: seconds since 1970 are UTC.")
    places = _places(table, kind, note, None)
    if not places:
        return None
    return TimeRule(
        place=places[0], format=table.format, zone=ZoneInfo(table.timezone) if table.timezone else None
    )
