"""What is normal: among like rows, shrunk to wider ones, with a connector's own habit taken out."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.features import FEATURES_OF, Context, Span, Window
from detector.models.baseline import CLIP, HABIT, SHRINK, Baseline, reach, rows_of
from detector.models.samples import Samples
from tests.support.charging import Fleet
from tests.support.detector import START

NAMES = tuple(FEATURES_OF[Span.WINDOW])
HEAT = NAMES.index("plug_heat")
INSULATION = NAMES.index("isolation")
VOLTAGE = NAMES.index("voltage_level")


def window(value: float, **changes: object) -> Window:
    plain = Window(
        station_id="SE-1",
        connector_id=1,
        transaction_id="1",
        vehicle="v",
        start=START,
        kind="AC",
        model="Acme",
        context=Context(3, -1, 3),
        current_a=16.0,
        values={"plug_heat": value},
    )
    return msgspec.structs.replace(plain, **changes)


def z(baseline: Baseline, *windows: Window) -> list[float]:
    return [float(row[HEAT]) for row in baseline.residuals(Samples.of(windows))]


def around(middle: float, n: int = 400, **changes: object) -> list[Window]:
    """Rows of many connectors: medians of `middle`, MAD 1."""
    return [
        window(middle + (number % 5) - 2, **{"station_id": f"SE-{number % 40}", **changes}) for number in range(n)
    ]


def test_a_residual_is_the_distance_from_the_median_in_deviations() -> None:
    baseline = Baseline.fit(Samples.of(around(20)))
    assert z(baseline, window(20, station_id="new")) == [pytest.approx(0, abs=0.05)]
    assert z(baseline, window(23, station_id="new")) == [pytest.approx(3 / 1.4826, rel=0.05)]


@given(value=st.floats(allow_nan=False, width=32))
def test_residuals_are_clipped(value: float) -> None:
    baseline = Baseline.fit(Samples.of(around(20)))
    assert abs(z(baseline, window(value))[0]) <= CLIP


def test_only_the_side_of_normal_where_faults_are_counts() -> None:
    """A plug that is cooler than usual is none, nor insulation that is better; any voltage may be one."""
    baseline = Baseline.fit(Samples.of(around(20)))
    assert z(baseline, window(-100), window(100)) == [0, CLIP]
    low, high = reach(Span.WINDOW)
    assert (low[INSULATION], high[INSULATION]) == (-CLIP, 0)
    assert (low[VOLTAGE], high[VOLTAGE]) == (-CLIP, CLIP)


def test_what_is_missing_is_zero_and_masked() -> None:
    baseline = Baseline.fit(Samples.of(around(20)))
    row = rows_of(baseline.residuals(Samples.of([window(1e9)])))[0]
    residual = dict(zip(NAMES, row, strict=False))
    mask = dict(zip(NAMES, row[len(NAMES) :], strict=True))
    assert (residual["plug_heat"], mask["plug_heat"]) == (CLIP, 0)
    assert (residual["voltage_level"], mask["voltage_level"]) == (0, 1)


def test_only_like_rows_are_compared() -> None:
    strong = Context(8, -1, 3)
    baseline = Baseline.fit(Samples.of([*around(20), *around(60, context=strong)]))
    near = z(baseline, window(20, station_id="x"), window(60, context=strong, station_id="x"))
    assert near == [pytest.approx(0, abs=0.6), pytest.approx(0, abs=0.6)]
    assert z(baseline, window(60, station_id="x"))[0] == CLIP


def test_unlike_conditions_fall_back_to_wider_ones() -> None:
    cold = Context(3, -1, 3, 0)
    baseline = Baseline.fit(Samples.of([*around(20), *around(40, model="Other")]))
    assert z(baseline, window(20, context=cold, station_id="x"))[0] == pytest.approx(0, abs=0.3)


def test_few_rows_count_little_and_many_count_much() -> None:
    wide, own = around(20), 40.0
    strayed = []
    for n in (1, 20, 400):
        rows = [*wide, *(window(own + (k % 5) - 2, model="Rare", station_id=f"R-{k}") for k in range(n))]
        middle = Baseline.fit(Samples.of(rows)).peers(Samples.of([window(0, model="Rare")])).middle[0, HEAT]
        strayed.append((middle - 20) / (own - 20))
    assert strayed == sorted(strayed)
    assert strayed[0] < 0.2
    assert strayed[2] > 0.85
    assert SHRINK == 20


def test_new_firmware_is_new_equipment() -> None:
    baseline = Baseline.fit(Samples.of(around(20, firmware="1.0")))
    assert baseline.knows(window(0, firmware="1.0").make)
    assert not baseline.knows(window(0, firmware="1.1").make)


def test_a_connector_is_compared_with_itself_once_it_has_a_past() -> None:
    windows = Fleet().days(10)
    hot = [
        msgspec.structs.replace(w, values=w.values | {"plug_heat": w.values["plug_heat"] * 1.5})
        if w.station_id == "SE-005"
        else w
        for w in windows
    ]
    own = [window for window in hot if window.station_id == "SE-005"]
    baseline = Baseline.fit(Samples.of(hot))
    stranger = [msgspec.structs.replace(window, station_id="SE-999") for window in own]
    as_itself, as_stranger = (float(np.median(z(baseline, *windows))) for windows in (own, stranger))
    assert as_itself < 0.6 * as_stranger


def test_a_habit_excuses_only_so_much() -> None:
    broken = [window(70 + (k % 5), station_id="SE-broken", transaction_id=str(k)) for k in range(300)]
    baseline = Baseline.fit(Samples.of([*around(20, n=4000), *broken]))
    assert np.abs(baseline.habits.middle[:, HEAT]).max() <= HABIT
    assert np.median(z(baseline, *broken)) > 4


def _insulation(log_ohm_per_v: float, n: int, station_id: str) -> list[Window]:
    values = {"isolation": log_ohm_per_v}
    return [window(0, station_id=station_id, transaction_id=str(k), values=values) for k in range(n)]


@pytest.mark.parametrize(
    ("station_id", "ohm_per_v", "odd"),
    [
        ("SE-poor", 1_000, False),  # a tenth of the others', as always
        ("SE-sound", 4_000, False),  # rain
        ("SE-sound", 200, True),
        ("SE-sound", 1_000, True),  # what is another's past
        ("SE-new", 1_000, None),
        ("SE-rare", 1_000, None),
    ],
)
def test_insulation_is_held_against_its_own_past_only(station_id: str, ohm_per_v: float, odd: bool | None) -> None:
    sound = [row for k in range(5) for row in _insulation(math.log(10_000), 20, f"SE-{k}")]
    own = _insulation(math.log(10_000), 20, "SE-sound") + _insulation(math.log(10_000), 4, "SE-rare")
    baseline = Baseline.fit(Samples.of([*sound, *own, *_insulation(math.log(1_000), 20, "SE-poor")]))
    rows = Samples.of(_insulation(math.log(ohm_per_v), 1, station_id))
    residual = float(baseline.residuals(rows)[0, INSULATION])
    assert math.isnan(residual) if odd is None else (abs(residual) >= 3) is odd


def test_plain_features_know_no_conditions() -> None:
    rows = [*around(20), *around(60, context=Context(8, -1, 3))]
    plain, contextual = (Baseline.fit(Samples.of(rows), contextual=c) for c in (False, True))
    assert abs(z(plain, window(60))[0]) < abs(z(contextual, window(60))[0])


@given(data=st.data())
def test_medians_of_groups_are_those_of_numpy(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=60))
    rows = [window(value, station_id=f"SE-{data.draw(st.integers(0, 4))}") for value in values]
    whole = Baseline.fit(Samples.of(rows), contextual=False).levels[0]
    assert whole.middle[0, HEAT] == pytest.approx(float(np.median(np.array(values, np.float32))), abs=1e-4)
