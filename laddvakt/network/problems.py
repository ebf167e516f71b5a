"""Collects what is wrong with a network file (or another one of TOML tables), with the place of each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from laddvakt.domain.errors import LaddvaktError, NetworkFileError

_HEADER = re.compile(r"\s*\[\[\s*([A-Za-z_]+(?:\s*\.\s*[A-Za-z_]+)?)\s*\]\]")
_MOST = 50  # more would scroll the first ones away


class Problems:
    """`text` is the file as it stands, to name lines; `error` is raised, `outcome` says what did not happen."""

    def __init__(
        self,
        path: Path,
        text: str,
        *,
        error: type[LaddvaktError] = NetworkFileError,
        outcome: str = "nothing was imported",
    ) -> None:
        self._path = path
        self._error = error
        self._outcome = outcome
        self._lines = _header_lines(text)
        self._found: list[tuple[int, str]] = []

    def add(
        self,
        message: str,
        mend: str,
        *,
        table: str = "",
        index: int = 0,
        row: dict[str, Any] | None = None,
        sub: tuple[str, int] | None = None,
    ) -> None:
        """A fault; `row` gives the thing's own name, `sub` the table inside a table and its index."""
        place = ""
        line = self._lines.get((table, index), 0)
        if table:
            name = next((row[key] for key in ("id", "tariff", "file", "use", "topic") if row and key in row), None)
            place = f"{table}[{index}]" + (f" ({name})" if name is not None else "")
        if sub:
            line = self._lines.get((table, index, *sub), line)
            place += f" {sub[0]}[{sub[1]}]"
        where = f"{self._path}:{line}" if line else str(self._path)
        self._found.append((line, f"{where}: {place + ': ' if place else ''}{message}. {mend}"))

    def raise_if_any(self) -> None:
        """Raises the error with all faults, in the order of the file."""
        if not self._found:
            return
        texts = [text for _, text in sorted(self._found, key=lambda found: found[0])]
        if len(texts) == 1:
            raise self._error(texts[0], mend=f"{self._outcome.capitalize()}.")
        rest = [f"... and {len(texts) - _MOST} more"] if len(texts) > _MOST else []
        listed = "\n  ".join(texts[:_MOST] + rest)
        raise self._error(f"{len(texts)} faults in {self._path}, {self._outcome}:\n  {listed}")


def _header_lines(text: str) -> dict[tuple[str | int, ...], int]:
    """Where each `[[table]]` stands: (table, index) and (table, index, inner, index) -> line, from 1."""
    lines: dict[tuple[str | int, ...], int] = {}
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header is None:
            continue
        table, _, inner = (part.strip() for part in header[1].partition("."))
        if not inner:
            counts[table] = counts.get(table, -1) + 1
            counts = {key: count for key, count in counts.items() if not key.startswith(f"{table}.")}
            lines[table, counts[table]] = number
            continue
        within = f"{table}.{inner}"
        counts[within] = counts.get(within, -1) + 1
        lines[table, counts.get(table, 0), inner, counts[within]] = number
    return lines
