"""Checks a network file as a whole: everything named must exist, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from laddvakt.domain.identification import Shown, kind_shown, normal_form, plain
from laddvakt.domain.tokens import TokenKind
from laddvakt.network.model import Network, NetworkTariff
from laddvakt.network.problems import Problems

Rows = list[dict[str, Any]]

_TOLD = (("contacts", "id"), ("rotas", "id"), ("routes", "id"))
_SHORT_PASSWORD = 16  # OCPP 1.6 security whitepaper section 3.3: 16 to 20 random bytes


def check(tables: Mapping[str, Rows], tariffs: Sequence[NetworkTariff | None], problems: Problems) -> None:
    """Notes doubles and dangling references. `tariffs` are the rows of `tables["tariffs"]` as read, None for a
    faulty one. References are checked against all rows, also faulty ones, so that one fault is told once."""
    for table, key in (("sites", "id"), ("stations", "id"), ("drivers", "id"), *_TOLD):
        _unique(tables[table], table, key, problems)
    _unique_tokens(tables["tokens"], problems)
    _unique_tariffs(tables["tariffs"], tariffs, problems)
    for index, row in enumerate(tables["stations"]):
        _unique_connectors(row, index, problems)
    _unique_cables(tables["stations"], problems)

    names = {table: {str(row.get("id")) for row in tables[table]} for table in ("sites", "stations", "drivers")}
    names["tariffs"] = {tariff.id for tariff in tariffs if tariff}
    names["connectors"] = {
        f"{row.get('id')}/{connector.get('id')}" for row in tables["stations"] for connector in _connectors(row)
    }
    _references(tables["stations"], "stations", "site", names["sites"], problems)
    _references(tables["tokens"], "tokens", "driver", names["drivers"], problems)
    _references(tables["routes"], "routes", "site", names["sites"], problems)
    _on_call_references(tables, problems)
    if None not in tariffs:  # a faulty one may be the one that is asked for
        _references(tables["assignments"], "assignments", "tariff", names["tariffs"], problems)
    for key in ("site", "station", "connector"):
        _references(tables["assignments"], "assignments", key, names[f"{key}s"], problems)


def _on_call_references(tables: Mapping[str, Rows], problems: Problems) -> None:
    contacts = {str(row.get("id")) for row in tables["contacts"]}
    rotas = {str(row.get("id")) for row in tables["rotas"]}
    _references(tables["rotas"], "rotas", "contacts", contacts, problems)
    _references(tables["routes"], "routes", "contact", contacts, problems)
    _references(tables["routes"], "routes", "rota", rotas, problems)
    for index, row in enumerate(tables["rotas"]):
        for position, item in enumerate(_inner(row, "stand_ins")):
            if isinstance(item.get("contact"), str) and item["contact"] not in contacts:
                message = f"contact {item['contact']!r} is not in this file"
                mend = f"Add it, or name one that this file has{_some(contacts)}."
                problems.add(message, mend, table="rotas", index=index, row=row, sub=("stand_ins", position))


def _unique(rows: Rows, table: str, key: str, problems: Problems) -> None:
    seen: dict[Any, int] = {}
    for index, row in enumerate(rows):
        value = row.get(key)
        if not isinstance(value, str):
            continue
        if value in seen:
            message = f"{key} {value!r} stands already in {table}[{seen[value]}]"
            problems.add(message, "Remove or rename one of them.", table=table, index=index, row=row)
        seen.setdefault(value, index)


def _unique_tokens(rows: Rows, problems: Problems) -> None:
    seen: dict[str, int] = {}
    for index, row in enumerate(rows):
        id_tag = row.get("id_tag")
        if not isinstance(id_tag, str) or not plain(id_tag):
            continue
        kind = row.get("kind")
        shown = Shown(id_tag, TokenKind(kind) if kind in set(TokenKind) else None)
        form = normal_form(id_tag, kind_shown(shown))
        if form in seen:
            other = rows[seen[form]]["id_tag"]
            same = "" if other == id_tag else f" as {other!r}, which stations mean the same by"
            message = f"id_tag {id_tag!r} stands already in tokens[{seen[form]}]{same}"
            problems.add(message, "Remove one of them.", table="tokens", index=index, row=row)
        seen.setdefault(form, index)


def _unique_tariffs(rows: Rows, tariffs: Sequence[NetworkTariff | None], problems: Problems) -> None:
    seen: dict[str, int] = {}
    for index, tariff in enumerate(tariffs):
        if tariff and tariff.id in seen:
            message = f"id {tariff.id!r} stands already in tariffs[{seen[tariff.id]}]"
            problems.add(message, "Remove or rename one of them.", table="tariffs", index=index, row=rows[index])
        if tariff:
            seen.setdefault(tariff.id, index)


def _unique_connectors(row: dict[str, Any], index: int, problems: Problems) -> None:
    counts = Counter(str(connector.get("id")) for connector in _connectors(row) if "id" in connector)
    for number in sorted(key for key, count in counts.items() if count > 1):
        message = f"connector {number} stands {counts[number]} times"
        problems.add(message, "Number the connectors 1, 2, ...", table="stations", index=index, row=row)


def _unique_cables(rows: Rows, problems: Problems) -> None:
    seen: dict[str, str] = {}
    for index, row in enumerate(rows):
        for position, connector in enumerate(_connectors(row)):
            cable = connector.get("cable")
            if not isinstance(cable, str):
                continue
            if cable in seen:
                problems.add(
                    f"cable {cable!r} is already at {seen[cable]}",
                    "A cable is at one connector: give each its own asset id.",
                    table="stations",
                    index=index,
                    row=row,
                    sub=("connectors", position),
                )
            seen.setdefault(cable, f"{row.get('id')}/{connector.get('id')}")


def _references(rows: Rows, table: str, key: str, known: set[str], problems: Problems) -> None:
    for index, row in enumerate(rows):
        named = row.get(key)
        for name in named if isinstance(named, list) else [named]:
            if isinstance(name, str) and name not in known:
                mend = f"Add it, or name one that this file has{_some(known)}."
                problems.add(f"{key} {name!r} is not in this file", mend, table=table, index=index, row=row)


def _some(known: set[str]) -> str:
    listed = sorted(known)
    return f": {', '.join(listed[:5])}{', ...' if len(listed) > 5 else ''}" if listed else ""


def _connectors(row: dict[str, Any]) -> Rows:
    return _inner(row, "connectors")


def _inner(row: dict[str, Any], key: str) -> Rows:
    listed = row.get(key)
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def warnings_of(network: Network) -> tuple[str, ...]:
    """What is doubtful, but importable."""
    warnings = [
        f"station {station.id}: its password has fewer than {_SHORT_PASSWORD} characters"
        for station in network.stations
        if station.password and len(station.password) < _SHORT_PASSWORD
    ]
    plans = {driver.plan for driver in network.drivers}
    currencies = {site.id: site.currency for site in network.sites}
    paid_in = {tariff.id: tariff.ocpi.get("currency") for tariff in network.tariffs}
    sites = {station.id: station.site for station in network.stations}
    for item in network.assignments or ():
        scope, target = item.place
        if scope == "plan" and target not in plans:
            warnings.append(f"tariff {item.tariff}: no driver in this file has the plan {target!r}")
        site = {"site": target, "station": sites.get(target), "connector": sites.get(target.rpartition("/")[0])}
        expected = currencies.get(site.get(scope) or "")
        if expected and item.tariff in paid_in and paid_in[item.tariff] != expected:
            warnings.append(f"tariff {item.tariff} is in {paid_in[item.tariff]}, but {target} is in {expected}")
    return tuple(warnings)
