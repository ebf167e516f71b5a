"""Ways to find what no rule names, side by side on the same rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from detector.evaluation.bench import WAYS, tell
from detector.features import Context, Window
from laddvakt.domain.stations import Connector, Station

START = datetime(2026, 3, 2, tzinfo=UTC)
FAULTY_FROM = START + timedelta(days=7)
STATIONS = {
    f"S{number}": Station(
        station_id=f"S{number}",
        site_id="SITE",
        current="AC",
        connectors=(Connector(connector_id=1, cable_id=f"CABLE-{number}"),),
    )
    for number in range(1, 9)
}


def rows() -> list[Window]:
    """Ten days of three sessions a day on eight connectors; the plug of S3 runs hot from the eighth day on."""
    random = np.random.default_rng(1)
    found = []
    for number, station_id in enumerate(STATIONS):
        for session in range(30):
            began = START + timedelta(hours=8 * session, minutes=10 * number)
            hot = 2.5 if station_id == "S3" and began >= FAULTY_FROM else 1.0
            found += [
                Window(
                    station_id=station_id,
                    connector_id=1,
                    transaction_id=f"{session}",
                    vehicle=f"car {(session * 7 + number) % 11}",
                    start=began + timedelta(minutes=5 * window),
                    kind="AC",
                    model=f"Model {number % 2}",
                    context=Context(3, -1, 3),
                    current_a=16.0,
                    values={
                        "plug_heat": float(hot * random.normal(20, 1)),
                        "voltage_level": float(random.normal(230, 2)),
                        "current_ripple": float(random.normal(1, 0.1)),
                    },
                )
                for window in range(8)
            ]
    return found


@pytest.mark.parametrize("name", WAYS)
def test_each_way_finds_a_plug_that_runs_hot(name: str) -> None:
    found, sessions = tell(rows(), STATIONS, WAYS[name], budget=0.05, first=START + timedelta(days=3))
    hot = [alarm for alarm in found if alarm.station_id == "S3"]
    assert hot
    assert {alarm.fault for alarm in found} == {"anomaly"}
    assert (hot[0].asset.kind, hot[0].asset.id, hot[0].site_id) == ("cable", "CABLE-3", "SITE")
    assert hot[0].opened_at >= FAULTY_FROM
    odd = [seen.score.since for seen in sessions if seen.station_id == "S3" and seen.score.odd]
    assert sum(since >= FAULTY_FROM for since in odd) >= 3
    assert len(sessions) == len({(seen.station_id, seen.score.transaction) for seen in sessions})
    assert len(found) - len(hot) <= 3  # neighbouring windows resemble each other, and a moving average more so


def test_nothing_is_judged_before_there_is_enough_to_learn_from() -> None:
    some = [row for row in rows() if row.start < START + timedelta(days=1)]
    assert tell(some, STATIONS, WAYS["isolation forest"], budget=0.05, first=START) == ([], [])
