"""Silences: which one holds a fault back, where and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from laddvakt.domain.silences import Place, Silence, SilenceScope, covering
from laddvakt.domain.tickets import Asset

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def silence(scope: str = "fleet", target: str = "", **more: Any) -> Silence:
    fields: dict[str, Any] = {
        "silence_id": "Q-1",
        "scope": SilenceScope(scope),
        "target": target,
        "from_": NOON,
        "until": NOON + timedelta(hours=2),
        "reason": "works",
        "created_by": "eva",
        "created_at": NOON,
    }
    return Silence(**(fields | more))


def place(kind: str = "connector", asset_id: str = "SE-1/2", connector_id: int | None = 2) -> Place:
    return Place(
        asset=Asset(kind=kind, id=asset_id), station_id="SE-1", connector_id=connector_id, site_id="harbour"
    )


SITE = place("site", "harbour", None)
STATION = place("station", "SE-1", None)
CABLE = place("cable", "C-7", 2)


@pytest.mark.parametrize(
    ("scope", "target", "reached"),
    [
        ("fleet", "", [SITE, STATION, CABLE]),
        ("site", "harbour", [SITE, STATION, CABLE]),
        ("site", "depot", []),
        ("station", "SE-1", [STATION, CABLE]),
        ("station", "SE-2", []),
        ("connector", "SE-1/2", [CABLE]),
        ("connector", "SE-1/1", []),
    ],
)
def test_a_silence_reaches_its_place_and_what_is_in_it(scope: str, target: str, reached: list[Place]) -> None:
    one = silence(scope, target)
    assert [p for p in (SITE, STATION, CABLE) if covering([one], p, "offline", NOON)] == reached


def test_a_silence_of_one_fault_holds_no_other_back() -> None:
    one = silence(fault="offline")
    assert covering([one], STATION, "offline", NOON) == one
    assert covering([one], STATION, "no_power", NOON) is None


def test_it_begins_and_ends_to_the_moment_and_may_be_taken_back() -> None:
    one = silence()
    moment = timedelta(microseconds=1)
    assert [one.in_force(at) for at in (NOON - moment, NOON, one.until - moment, one.until)] == [
        *(False, True, True, False)
    ]
    early = msgspec.structs.replace(one, ended_at=NOON + timedelta(hours=1))
    assert not early.in_force(NOON + timedelta(hours=1))
    never = msgspec.structs.replace(one, ended_at=NOON - timedelta(hours=1))
    assert not never.in_force(NOON)


def test_of_several_it_is_the_one_that_ends_last() -> None:
    short, long = silence(), silence(silence_id="Q-2", until=NOON + timedelta(hours=5))
    assert covering([short, long], STATION, "offline", NOON) == long
