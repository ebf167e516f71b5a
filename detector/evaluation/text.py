"""Figures for people: a table for the terminal, and each miss and false ticket in a line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from detector.evaluation.classes import NOT_IN_READINGS, grading
from detector.evaluation.figures import STRENGTHS, Figures, Result, strength
from detector.evaluation.matching import Matched, Outcome, deadline
from detector.evaluation.truth import Truth

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


def misses(
    truth: Truth, matched: Matched, sessions: Mapping[int, tuple[int, int]], held: Callable[[int], str]
) -> Iterable[str]:
    """Each fault that no ticket found, and why. `sessions` has, by fault, how many sessions of how many vehicles
    there were while it lasted; `held`, what its rule answered meanwhile."""
    for number, fault in enumerate(truth.faults):
        if matched.found_by[number] is not None or fault.shown_at is None:
            continue
        near = [one for one in matched.judged if one.fault == number]
        said = ", ".join(f"{one.outcome}: {one.alarm.fault} on {one.alarm.asset.id}" for one in near) or "silence"
        seen, vehicles = sessions.get(number, (0, 0))
        lasted = "for ever" if fault.until is None else span((fault.until - fault.shown_at).total_seconds())
        yield (
            f"missed {fault.fault} ({fault.detail or strength(fault)}, strength {fault.strength:.2f}) "
            f"on {fault.asset.kind} {fault.asset.id}, shown {fault.shown_at:%m-%d %H:%M}, lasts {lasted}, "
            f"in time until {deadline(fault):%m-%d %H:%M}; {seen} sessions of {vehicles} vehicles: {said}; "
            f"the rule held: {held(number) or 'nothing, it was never asked'}"
        )


def false_tickets(truth: Truth, matched: Matched) -> Iterable[str]:
    """Each false ticket, and what was really the matter."""
    for one in matched.false:
        alarm = one.alarm
        really = ""
        if one.fault is not None:
            fault = truth.faults[one.fault]
            really = f" (really {fault.fault} {fault.detail} of {fault.asset.kind} {fault.asset.id}"
            really += f", strength {fault.strength:.2f})"
            if one.outcome is Outcome.LATE:
                really += f" deadline {grading(fault.fault).within}"
        elif one.look_alike is not None:
            like = truth.look_alikes[one.look_alike]
            really = f" (really {like.look_alike} {like.detail})"
        yield (
            f"false {alarm.fault}, {one.outcome}{really}: {alarm.opened_at:%m-%d %H:%M} {alarm.severity} "
            f"{alarm.asset.kind} {alarm.asset.id}: {alarm.says}"
        )
