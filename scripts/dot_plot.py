"""A plot of values and their intervals, one row each, as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 860, 240, 60, 22, 46
_INK, _PALE, _DOT, _GOAL = "#1f2933", "#d5dbe1", "#2563a8", "#b4491f"


class Mark(NamedTuple):
    """One row of a picture: a value, or several, and the interval around it."""

    label: str
    values: tuple[float, ...]
    low: float
    high: float
    note: str = ""


def picture(
    title: str, marks: Sequence[Mark], *, ticks: Sequence[tuple[float, str]], goal: float | None = None
) -> str:
    """Dots and whiskers over a common axis, as SVG. `ticks` are places (0 to 1) and their words."""
    height = _TOP + _ROW * len(marks) + 30
    bottom = _TOP + _ROW * len(marks)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        f'font-size="12" role="img" aria-label="{escape(title)}">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="15" fill="{_INK}">{escape(title)}</text>',
    ]
    for place, words in ticks:
        parts.append(_line(_x(place), _TOP - 8, _x(place), bottom, _PALE))
        parts.append(
            f'<text x="{_x(place):.1f}" y="{bottom + 18}" text-anchor="middle" fill="{_INK}">{words}</text>'
        )
    if goal is not None:
        parts.append(_line(_x(goal), _TOP - 8, _x(goal), bottom, _GOAL, dash=True))
    for number, mark in enumerate(marks):
        parts += _mark(mark, _TOP + _ROW * number + _ROW / 2)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _mark(mark: Mark, y: float) -> Iterable[str]:
    yield f'<text x="{_LEFT - 10}" y="{y + 4:.1f}" text-anchor="end" fill="{_INK}">{escape(mark.label)}</text>'
    yield _line(_x(mark.low), y, _x(mark.high), y, _DOT)
    shades = ("#9bbfe3", "#5b92cb", _DOT) if len(mark.values) > 1 else (_DOT,)
    for value, shade in zip(mark.values, shades, strict=False):
        yield f'<circle cx="{_x(value):.1f}" cy="{y:.1f}" r="5" fill="{shade}"/>'
    if mark.note:
        yield f'<text x="{_WIDTH - _RIGHT + 14}" y="{y + 4:.1f}" fill="{_INK}">{escape(mark.note)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, *, dash: bool = False) -> str:
    style = ' stroke-dasharray="4 3"' if dash else ""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="1.5"{style}/>'


def _x(place: float) -> float:
    return _LEFT + min(max(place, 0.0), 1.0) * (_WIDTH - _LEFT - _RIGHT)
