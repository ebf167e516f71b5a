"""A fleet in which nothing is at fault and everything looks like it: next to no ticket may come of that."""

from __future__ import annotations

import msgspec
import pytest

from detector.evaluation.fates import needless
from detector.evaluation.figures import Score, score
from detector.evaluation.matching import match
from detector.evaluation.text import false_ticket
from laddvakt.cli.trial import run_trial
from laddvakt.settings import Settings
from simulator.lookalikes import LOOK_ALIKES
from simulator.lookalikes.schedule import lay_look_alikes
from simulator.spec import make_specs, speaking, with_devices
from simulator.world import LogOptions

VERSIONS = ("ocpp1.6", "ocpp2.0.1")
FEW = (
    *("finishing_error", "ev_communication", "own_restart", "own_outage", "planned_maintenance", "parked_car"),
    *("one_phase_cars", "zero_reading", "coarse_register", "full_battery"),
)


def lived(
    codes: tuple[str, ...], *, stations: int, days: float, each: int, seed: int = 7
) -> tuple[Score, list[str]]:
    """What a fleet's detector made of it: the score, and each ticket in words."""
    options = LogOptions(
        stations=stations,
        seed=seed,
        days=days,
        protocols=VERSIONS,
        meter_interval_s=60.0,
        mqtt_interval_s=300.0,
        plans=(),
    )
    specs = with_devices(speaking(make_specs(stations), VERSIONS), options.mqtt_share, options.seed)
    likes = lay_look_alikes(
        specs,
        seed=options.seed,
        codes=codes,
        each=each,
        start_s=options.start_s,
        from_s=options.start_s,
        until_s=options.until_s,
    )
    options = msgspec.structs.replace(options, likes=likes)
    done = run_trial(options, Settings.model_validate({"records": {"url": "sqlite://"}}))
    matched = match(done.truth, done.alarms, done.site_of)
    told = [false_ticket(one) for one in needless(done.truth, matched, done.site_of)]
    return score(done.truth, matched, connectors=done.connectors), told


def rate(found: Score) -> float:
    """Of look-alikes with a ticket."""
    laid = sum(of for _, of in found.look_alikes.values())
    return sum(wrong for wrong, _ in found.look_alikes.values()) / laid


def test_a_day_of_a_few_look_alikes_raises_no_ticket() -> None:
    found, tickets = lived(FEW, stations=12, days=1.0, each=1)
    assert set(found.look_alikes) == set(FEW)
    assert rate(found) == 0, tickets


@pytest.mark.soak
def test_a_week_of_five_hundred_connectors_with_every_look_alike_raises_next_to_none() -> None:
    found, tickets = lived(tuple(LOOK_ALIKES), stations=310, days=7.0, each=12)
    assert found.connector_days > 7 * 500
    assert set(found.look_alikes) == set(LOOK_ALIKES)
    assert rate(found) <= 0.01, "\n".join(tickets)
