"""What the collector does with one MeterValues call between socket and log, step by step, without either."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ocpp.charge_point import camel_to_snake_case
from ocpp.messages import get_validator, unpack

from benchmarks.harness import Result, Row, Size
from benchmarks.load import call, meter_values
from collector.link import Link
from collector.ocpp import schemas
from collector.ocpp.action import Policy
from collector.ocpp.actions.meter_values import read_meter_values
from collector.ocpp.frames import Call, parse
from laddvakt.domain.entries import encode_entry

PEER = "`ocpp`: unpack, validate, snake case"
WHOLE = "Laddvakt: frame to entry and reply"


def run(size: Size, folder: Path) -> Result:
    """Best of many short rounds each: the code's own time, not its neighbours'."""
    now = datetime.now(UTC)
    text = call(1, meter_values(1, now))
    link = Link("BENCH", "ocpp1.6", Policy())
    frame = parse(text)
    assert isinstance(frame, Call)
    payload = frame.payload
    validator = schemas.request_validator("ocpp1.6", "MeterValues")
    entry = link.receive(text, now).entry
    assert validator.is_valid(payload)
    assert len(entry.facts) == 1

    def theirs() -> None:
        message = unpack(text)
        get_validator(2, "MeterValues", "1.6").validate(message.payload)
        camel_to_snake_case(message.payload)

    def row(name: str, step: Callable[[], Any], *peers: str) -> Row:
        times = max(1, round(500 * size.seconds))
        taken = timeit.repeat(step, number=times, repeat=4 * size.repeats)
        best = sorted(taken)[: size.repeats]
        return Row(name=name, unit="us", samples=tuple(round(1e6 * one / times, 2) for one in best), peers=peers)

    rows = (
        row(PEER, theirs),
        row(WHOLE, lambda: link.receive(text, now), PEER),
        row("- of it JSON", lambda: parse(text), WHOLE),
        row("- of it the official schema", lambda: validator.is_valid(payload), WHOLE),
        row("- of it eight readings", lambda: read_meter_values(payload["meterValue"], now), WHOLE),
        row("entry to the log's bytes", lambda: encode_entry(entry), WHOLE),
    )
    return Result(
        benchmark="steps", title="One MeterValues call, between socket and log", rows=rows, asked=1, counted=1
    )
