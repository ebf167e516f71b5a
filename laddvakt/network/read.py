"""Reads a network file and says everything that is wrong with it at once."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from laddvakt.billing import parse_tariff
from laddvakt.domain.errors import NetworkFileError, TariffError
from laddvakt.network.check import check, warnings_of
from laddvakt.network.model import (
    Network,
    NetworkAssignment,
    NetworkConnector,
    NetworkContact,
    NetworkDriver,
    NetworkRota,
    NetworkRoute,
    NetworkSite,
    NetworkStandIn,
    NetworkStation,
    NetworkTariff,
    NetworkToken,
    Table,
    plain,
)
from laddvakt.network.problems import Problems

_TABLES: dict[str, type[Table]] = {
    "sites": NetworkSite,
    "stations": NetworkStation,
    "drivers": NetworkDriver,
    "tokens": NetworkToken,
    "assignments": NetworkAssignment,
    "contacts": NetworkContact,
    "rotas": NetworkRota,
    "routes": NetworkRoute,
}
_INNER: dict[str, type[Table]] = {"connectors": NetworkConnector, "stand_ins": NetworkStandIn}
_NAMES = (*_TABLES, "tariffs")
_MEND = "See docs/examples/network.toml."


def read_network(path: Path) -> Network:
    """The network that a TOML file describes.

    Raises NetworkFileError with every fault in it: file, line, table, index, what is wrong, the mend.
    """
    raw, problems = _load(path)
    tables = {name: _rows(raw, name, problems) for name in _NAMES}
    tariffs = [_tariff(row, index, path.parent, problems) for index, row in enumerate(tables["tariffs"])]
    read: dict[str, Any] = {
        name: _validate(tables[name], name, model, problems) for name, model in _TABLES.items() if name in raw
    }
    check(tables, tariffs, problems)
    problems.raise_if_any()
    network = Network.model_validate({**read, "tariffs": tariffs})
    return network.model_copy(update={"warnings": warnings_of(network)})


def _load(path: Path) -> tuple[dict[str, Any], Problems]:
    try:
        text = path.read_text("utf-8")
        raw = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise NetworkFileError(f"cannot read {path}: {error}.", mend="Name a readable UTF-8 file.") from error
    except tomllib.TOMLDecodeError as error:
        raise NetworkFileError(f"{path} is not TOML: {error}.", mend=f"Mend it there. {_MEND}") from error
    except RecursionError as error:
        raise NetworkFileError(f"{path} is nested too deep.", mend=f"Mend it there. {_MEND}") from error
    problems = Problems(path, text)
    for name in sorted(raw.keys() - set(_NAMES)):
        problems.add(f"unknown table {name}", _nearest(name, _NAMES))
    return raw, problems


def _rows(raw: dict[str, Any], table: str, problems: Problems) -> list[dict[str, Any]]:
    rows = raw.get(table, [])
    if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
        return rows
    problems.add(f"{table} is not a list of tables", f"Write [[{table}]] above each one.")
    return []


def _validate(rows: list[dict[str, Any]], table: str, model: type[Table], problems: Problems) -> list[Table]:
    """The rows without fault; the faults of the others are noted."""
    read = []
    for index, row in enumerate(rows):
        try:
            read.append(model.model_validate(row))
        except ValidationError as error:
            for item in error.errors():
                _note(item, row, table, index, model, problems)
    return read


def _note(item: Any, row: dict[str, Any], table: str, index: int, model: type[Table], problems: Problems) -> None:
    loc = [str(part) for part in item["loc"] if part not in {"int", "float", "str", "datetime", "date"}]
    sub = None
    if len(loc) > 1 and loc[0] in _INNER and loc[1].isdigit():
        sub, loc = (loc[0], int(loc[1])), loc[2:]
    key = ".".join(loc)
    if item["type"] == "extra_forbidden":
        known = _keys(model if sub is None else _INNER[sub[0]])
        message, mend = f"unknown key {key}", _nearest(loc[-1], known)
    elif item["type"] == "missing":
        message, mend = f"{key} is missing", "Add it."
    elif item["type"] == "value_error":
        text, _, mend = str(item["ctx"]["error"]).partition(". ")
        message, mend = f"{key}: {text}" if key else text, f"{mend}." if mend else _MEND
    else:
        message, mend = f"{key}: {item['msg'][:1].lower()}{item['msg'][1:]}", _MEND
    problems.add(message, mend, table=table, index=index, row=row, sub=sub)


def _keys(model: type[Table]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _nearest(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]}?" if near else f"Known are {', '.join(known)}."


def _tariff(row: dict[str, Any], index: int, folder: Path, problems: Problems) -> NetworkTariff | None:
    try:
        ocpi = plain(_tariff_file(row, folder) if "file" in row else row)
        tariff = parse_tariff(ocpi)
    except TariffError as error:
        problems.add(error.message.rstrip("."), error.mend, table="tariffs", index=index, row=row)
        return None
    return NetworkTariff(id=tariff.tariff_id, ocpi=ocpi, valid_from=tariff.valid_from, valid_to=tariff.valid_to)


def _tariff_file(row: dict[str, Any], folder: Path) -> Any:
    if len(row) > 1 or not isinstance(row["file"], str):
        raise TariffError(
            "file stands beside other keys, or is not text.", mend='Write only file = "tariff.json".'
        )
    path = folder / row["file"]
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TariffError(
            f"cannot read {path}: {error}.", mend="Name a JSON file with one OCPI Tariff object."
        ) from error
