"""Writes the parts of docs/reference that come from the code, between their marks; `--check` only compares.

A part stands between `<!-- from the code: NAME -->` and `<!-- end -->`. Everything around it is written by hand.
"""

from __future__ import annotations

import importlib
import re
import sys
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from collector.ocpp.directions import FROM_CENTRAL_SYSTEM, FROM_STATION
from collector.ocpp.quirks import PROFILES
from collector.ocpp.schemas import actions
from dashboard.api import create_api
from dashboard.context import AppContext
from detector import attribution
from detector.features import FEATURES_OF
from detector.features.sample import Span
from detector.rules import RULES
from detector.rules.base import Rule
from detector.vocabulary import MREC, OCPP, Code
from laddvakt.cli.main import COMMANDS
from laddvakt.domain.readings import MEASURANDS, UNITS
from laddvakt.kpi.report import METRICS
from laddvakt.settings import PREFIX, Settings
from laddvakt.stores.sql.engine import open_records
from laddvakt.stores.telemetry import open_telemetry
from scripts import detection_report

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
_PART = re.compile(r"(<!-- from the code: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


# Settings


def _default(value: Any) -> str:
    if value in ("", {}, ()):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _bounds(field: FieldInfo) -> str:
    """What a value must be, in words."""
    choices = getattr(field.annotation, "__args__", ()) if "Literal" in str(field.annotation) else ()
    if choices:
        return "one of " + ", ".join(f"`{choice}`" for choice in choices)
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    found = [
        f"{word} {getattr(rule, name)}"
        for rule in field.metadata
        for name, word in words.items()
        if getattr(rule, name, None) is not None
    ]
    return ", ".join(found)


def setting_keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterable[tuple[str, FieldInfo]]:
    """Every setting as `section.key`, with its declaration."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from setting_keys(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def settings_part() -> str:
    sections: dict[str, list[tuple[str, FieldInfo]]] = {}
    for key, field in setting_keys():
        sections.setdefault(key.rpartition(".")[0], []).append((key, field))
    text = ""
    for section, fields in sections.items():
        text += f"\n## {'`[' + section + ']`' if section else 'At the top of the file'}\n\n"
        text += table(
            ("key", "default", "meaning", "environment"),
            (
                (
                    f"`{key.rpartition('.')[2]}`",
                    _default(field.get_default(call_default_factory=True)),
                    "; ".join(part for part in (field.description or "", _bounds(field)) if part),
                    f"`{PREFIX}{key.replace('.', '__').upper()}`",
                )
                for key, field in fields
            ),
        )
    return text + "\n"


# Faults


def _rule(rule: Rule) -> str:
    mrec = (
        ", ".join(rule.mrec) or "as reported" if rule.code == "reported_fault" else ", ".join(rule.mrec) or "none"
    )
    held = ", ".join("any other finding" if code == "*" else f"`{code}`" for code in rule.inhibited_by)
    text = f"\n## `{rule.code}`: {rule.title}\n\n{rule.doc}\n\n"
    text += f"- Severity: {rule.severity}; asset: {rule.asset}; ChargeX code: {mrec}\n"
    text += f"- Cleared by: {rule.clears}\n- What to do: {rule.action}\n"
    if held:
        text += f"- Held back while the same station has: {held}\n"
    rows = ((f"`detector.rules.{rule.code}.{t.name}`", f"{t.default:g}", t.unit, t.doc) for t in rule.thresholds)
    return text + "\n" + table(("threshold", "default", "unit", "meaning"), rows)


def rules_part() -> str:
    return "".join(_rule(rule) for rule in RULES) + "\n"


def codes_part() -> str:
    def rows(codes: dict[str, Code]) -> Iterable[tuple[str, ...]]:
        return ((f"`{name}`", c.title, c.lean, c.severity, c.cause, c.remedy) for name, c in codes.items())

    head = ("code", "meaning", "points at", "severity", "likely cause", "what to do")
    return f"\n### OCPP 1.6\n\n{table(head, rows(OCPP))}\n### ChargeX\n\n{table(head, rows(MREC))}\n"


# Command line


def _option(parameter: click.Parameter, context: click.Context) -> tuple[str, str]:
    if isinstance(parameter, click.Option):
        record = parameter.get_help_record(context)
        name, text = record or (", ".join(parameter.opts), parameter.help or "")
        return f"`{name}`", " ".join(text.split())
    return f"`{parameter.make_metavar(context)}`", "argument"


def _command(command: click.Command, path: str, context: click.Context) -> str:
    inner = click.Context(command, info_name=path, parent=context)
    usage = " ".join(command.collect_usage_pieces(inner))
    text = f"\n## `laddvakt {path}`\n\n{' '.join((command.help or '').split())}\n\n"
    if isinstance(command, click.Group):
        return text + "".join(
            _command(part, f"{path} {name}", context) for name, part in sorted(command.commands.items())
        )
    text += f"    laddvakt {path} {usage}\n\n"
    rows = [_option(parameter, inner) for parameter in command.params]
    return text + (table(("option", "does"), rows) if rows else "")


def commands_part() -> str:
    top = click.Context(click.Group("laddvakt"), info_name="laddvakt", terminal_width=1000)
    return (
        "".join(
            _command(importlib.import_module(f"laddvakt.cli.{module}").command, name, top)
            for name, (module, _) in COMMANDS.items()
        )
        + "\n"
    )


# REST


def openapi() -> dict[str, Any]:
    """The API's own description."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.model_validate({"data_dir": folder, "records": {"url": "sqlite://"}})
        records, telemetry = open_records(settings), open_telemetry(settings)
        try:
            context = AppContext(
                settings=settings, records=records, telemetry=telemetry, feed=None, clock=lambda: datetime.now(UTC)
            )
            document: dict[str, Any] = create_api(context).openapi()
            return document
        finally:
            telemetry.close()
            records.close()


def rest_part() -> str:
    rows = []
    for path, methods in openapi()["paths"].items():
        for method, operation in methods.items():
            asked = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"]
            text = " ".join((operation.get("description") or operation["summary"]).split())
            rows.append((f"`{method.upper()} {path}`", text, ", ".join(f"`{name}`" for name in asked)))
    return "\n" + table(("request", "does", "query"), rows) + "\n"


# Telemetry fields


def fields_part() -> str:
    rows = []
    for measurand, row in MEASURANDS.items():
        suffix = UNITS[row.default_unit.lower()].suffix if row.default_unit else ""
        rows.append(
            (f"`{measurand}`", f"`{row.stem}{'_' + suffix if suffix else ''}`", row.default_unit or "none")
        )
    return "\n" + table(("OCPP measurand", "field", "unit where the station names none"), rows) + "\n"


def units_part() -> str:
    bases: dict[str, list[str]] = {}
    for name, unit in UNITS.items():
        bases.setdefault(unit.suffix, []).append(f"`{name}`")
    rows = ((f"`_{suffix}`", ", ".join(names)) for suffix, names in bases.items())
    return "\n" + table(("field ends in", "units, in any case"), rows) + "\n"


# OCPP


def _caller(protocol: str, action: str) -> str:
    if action in FROM_STATION[protocol] & FROM_CENTRAL_SYSTEM[protocol]:
        return "both"
    if action in FROM_STATION[protocol]:
        return "station"
    return "central system" if action in FROM_CENTRAL_SYSTEM[protocol] else ""


def actions_part() -> str:
    versions = sorted(FROM_STATION)
    names = sorted({action for protocol in versions for action in actions(protocol)}, key=str.lower)
    rows = ([name, *(_caller(protocol, name) for protocol in versions)] for name in names)
    return "\n" + table(["message", *(protocol.removeprefix("ocpp") for protocol in versions)], rows) + "\n"


def profiles_part() -> str:
    rows = ([profile.title, profile.about, f"[source]({profile.source})"] for profile in PROFILES)
    return table(["stations", "what they do, and how it is read", "on record"], rows)


# Figures


def metrics_part() -> str:
    rows = ((f"`{name}`", m.label, m.unit, m.formula, m.source) for name, m in METRICS.items())
    return "\n" + table(("metric", "figure", "unit", "formula", "source"), rows) + "\n"


def features_part() -> str:
    said = {
        Span.WINDOW: "Five minutes of steady charging",
        Span.SESSION: "A session",
        Span.DAY: "A day of a connector",
    }
    parts = []
    for span, features in FEATURES_OF.items():
        rows = (
            (f"`{name}`", f.label, f.unit or "1", f.formula, f.source, f.worse or "either", f"{f.resolution:g}")
            for name, f in features.items()
        )
        head = ("feature", "what", "unit", "formula", "from", "a fault is", "resolution")
        parts.append(f"\n### {said[span]}\n\n{table(head, rows)}\n")
    return "".join(parts)


def attribution_part() -> str:
    """The table that the module itself explains its ratios with."""
    rows = [line for line in (attribution.__doc__ or "").splitlines() if line.startswith("|")]
    return "\n" + "\n".join(rows) + "\n"


PARTS: dict[str, Callable[[], str]] = {
    "profiles": profiles_part,
    "actions": actions_part,
    "settings": settings_part,
    "rules": rules_part,
    "codes": codes_part,
    "commands": commands_part,
    "rest": rest_part,
    "fields": fields_part,
    "units": units_part,
    "detection": detection_report.part,
    "gradings": detection_report.names_part,
    "metrics": metrics_part,
    "features": features_part,
    "attribution": attribution_part,
}


def renewed(text: str) -> str:
    """A page with its marked parts as the code has them now."""
    return _PART.sub(lambda match: match[1] + PARTS[match["name"]]() + match[3], text)


def main() -> int:
    check = "--check" in sys.argv[1:]
    stale = []
    for path in sorted(REFERENCE.glob("*.md")):
        before = path.read_text("utf-8")
        after = renewed(before)
        if before != after:
            stale.append(path.name)
            if not check:
                path.write_text(after, "utf-8")
    for name, svg in detection_report.pictures(detection_report.measured()).items():
        path = detection_report.IMAGES / name
        if not path.exists() or path.read_text("utf-8") != svg:
            stale.append(name)
            if not check:
                path.write_text(svg, "utf-8")
    if stale:
        print(("out of date: " if check else "written: ") + ", ".join(stale))
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
