"""Figures for people: a table for the terminal, and each miss and false ticket in a line."""

from __future__ import annotations

from collections.abc import Mapping

from detector.evaluation.classes import NOT_IN_READINGS
from detector.evaluation.fates import Fate, Needless
from detector.evaluation.figures import STRENGTHS, Figures, Result

_HEAD = (
    "class",
    "faults",
    "found",
    "false",
    "precision",
    "recall",
    "F1",
    "p50",
    "p95",
    "asset",
    "weak/mid/strong",
)


def table(result: Result) -> list[str]:
    """One line a class, then all."""
    rows = [_HEAD, *(_row(name, figures) for name, figures in result.classes.items())]
    rows += [
        _row(f"all {kind}", figures)
        for kind, figures in result.groups.items()
        if figures.tickets or figures.faults
    ]
    rows += [_row("all", result.overall)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return [
        "  ".join(_pad(cell, width, column) for column, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]


def _pad(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 0 else cell.rjust(width)


def _row(name: str, figures: Figures) -> tuple[str, ...]:
    levels = figures.recall_by_strength
    return (
        name,
        str(figures.faults),
        str(figures.found),
        str(figures.false_tickets),
        _ratio(figures.precision),
        _ratio(figures.recall),
        _ratio(figures.f1),
        span(figures.time_to_detect_p50_s),
        span(figures.time_to_detect_p95_s),
        _ratio(figures.right_asset),
        " ".join(f"{levels[level][0]:.2f}/{levels[level][1]}" if level in levels else "-" for level in STRENGTHS),
    )


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def span(seconds: float | None) -> str:
    """`45 s`, `12 min`, `3.4 h`, `2.1 d`."""
    if seconds is None:
        return "-"
    for unit, size, below in (("s", 1, 90), ("min", 60, 5400), ("h", 3600, 129_600)):
        if seconds < below:
            return f"{seconds / size:.0f} {unit}" if size < 3600 else f"{seconds / size:.1f} {unit}"
    return f"{seconds / 86_400:.1f} d"


def summary(result: Result) -> list[str]:
    """The figures of the whole fleet, in sentences."""
    per_day, interval = result.false_tickets_per_connector_day, result.false_tickets_per_connector_day_interval
    lines = [
        f"False tickets per connector-day: {per_day:.5f}{_between(interval, 5)} "
        f"in {result.connector_days:.0f} connector-days."
    ]
    if result.look_alike_rate is not None:
        of = sum(count for _, count in result.look_alikes.values())
        taken = sum(wrong for wrong, _ in result.look_alikes.values())
        lines.append(f"Look-alikes with a ticket: {taken} of {of} ({100 * result.look_alike_rate:.1f} %).")
        lines += [f"  {name}: {wrong} of {count}" for name, (wrong, count) in result.look_alikes.items() if wrong]
    if result.overall.not_shown:
        lines.append(f"{result.overall.not_shown} faults that no message ever showed are not counted.")
    worth = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in result.overall.tickets.items())
    return [*lines, f"Tickets: {worth or 'none'}."]


def _between(interval: tuple[float, float] | None, digits: int) -> str:
    return "" if interval is None else f" ({interval[0]:.{digits}f} to {interval[1]:.{digits}f})"


def ablation(both: Result, rules_alone: Result, ways: Mapping[str, Result]) -> list[str]:
    """What is left without the forests, and without the rules."""
    rows = [("", "recall", "of what readings show", "precision", "false per connector-day")]
    for name, one in {"rules and forests": both, "rules alone": rules_alone, **ways}.items():
        per_day = f"{one.false_tickets_per_connector_day:.5f}"
        rows.append(
            (name, _ratio(one.overall.recall), _ratio(in_readings(one)), _ratio(one.overall.precision), per_day)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["", *("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)]


def in_readings(result: Result) -> float | None:
    """Recall over the faults that change what is measured while a vehicle charges: the forests' own field."""
    shown = [figures for name, figures in result.classes.items() if name not in NOT_IN_READINGS]
    faults = sum(figures.faults for figures in shown)
    return sum(figures.found for figures in shown) / faults if faults else None


def missed(fate: Fate) -> str:
    """A fault that no ticket found, and why."""
    lasted = "for ever" if fate.lasted_s is None else span(fate.lasted_s)
    return (
        f"missed {fate.fault} ({fate.detail or '-'}, strength {fate.strength:.2f}) on {fate.asset} {fate.id}, "
        f"lasts {lasted}, {fate.sessions} sessions of {fate.vehicles} vehicles in time: {fate.why}; "
        f"{', '.join(fate.near) or 'silence'}; the rule held: {fate.held or 'nothing, it was never asked'}"
    )


def false_ticket(one: Needless) -> str:
    """A false ticket, and what was really the matter."""
    really = f" (really {one.really} {one.detail}".rstrip() if one.really else ""
    if one.strength is not None:
        really += f", strength {one.strength:.2f}"
    if one.over_s is not None:
        really += f", over for {span(one.over_s)}"
    really += ")" if really else ""
    what = f"{one.at:%m-%d %H:%M} {one.severity} {one.asset} {one.id}: {one.says}"
    return f"false {one.code}, {one.outcome}{really}: {what}"
