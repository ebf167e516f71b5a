"""`laddvakt price`: an OCPI CDR priced with an OCPI tariff."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import msgspec

from laddvakt.domain.errors import TariffError


@click.command(name="price")
@click.option("--tariff", type=click.Path(path_type=Path), required=True, help="JSON file: an OCPI Tariff object.")
@click.option("--cdr", type=click.Path(path_type=Path), required=True, help="JSON file: an OCPI CDR object.")
def command(tariff: Path, cdr: Path) -> None:
    """Price an OCPI 2.2.1 CDR with an OCPI tariff and print the totals as JSON."""
    from laddvakt.billing import parse_tariff, price_cdr

    parsed = _located(tariff, parse_tariff)
    totals = _located(cdr, lambda value: price_cdr(parsed, value))
    encoded = msgspec.json.Encoder(decimal_format="number").encode(totals)
    click.echo(msgspec.json.format(encoded, indent=2))


def _located(path: Path, read: Any) -> Any:
    """What `read` makes of a JSON file; its errors name the file. Numbers are kept as they are written."""
    from decimal import Decimal

    try:
        value = json.loads(path.read_text("utf-8"), parse_float=Decimal)
    except (OSError, ValueError) as error:
        raise TariffError(f"cannot read {path}: {error}.", mend="Name a UTF-8 JSON file.") from error
    try:
        return read(value)
    except TariffError as error:
        raise TariffError(f"{path}: {error.message}", mend=error.mend) from error
