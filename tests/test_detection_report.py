"""The report page is made from what `evaluate` wrote, and nothing else."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from scripts import detection_report


def figures(recall: float | None, faults: int = 10, false: int = 1) -> dict[str, Any]:
    return {
        "faults": faults,
        "found": round((recall or 0) * faults),
        "false_tickets": false,
        "not_shown": 2,
        "precision": 0.9,
        "recall": recall,
        "f1": recall,
        "recall_interval": [0.1, 1.0],
        "time_to_detect_p50_s": 60.0,
        "time_to_detect_p95_s": 7200.0,
        "beyond_proof_p95_s": 30.0,
        "right_asset": 0.96,
        "confusion": {"cable -> station": 3},
        "recall_by_strength": {"weak": [0.5, 4], "strong": [1.0, 6]},
        "tickets": {"found": 9, "look_alike": 1},
    }


@pytest.fixture
def content(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    result = {
        "seeds": [1001, 1002],
        "connector_days": 400.0,
        "overall": figures(0.99),
        "groups": {"rule-covered": figures(0.99), "incipient": figures(0.5), "no rule": figures(None, faults=0)},
        "classes": {"offline": figures(0.99), "a<b": figures(0.5), "anomaly": figures(None, faults=0)},
        "false_tickets_per_connector_day": 0.0021,
        "false_tickets_per_connector_day_interval": [0.001, 0.003],
        "look_alike_rate": 0.005,
        "look_alikes": {"update": [1, 200]},
    }
    content = {
        "plan": {"stations": 60, "days": 21.0},
        "result": result,
        "rules_alone": result,
        "ways": {"isolation forest and tails": result},
    }
    monkeypatch.setattr(detection_report, "measured", lambda: content)
    return content


def test_goals_are_held_against_what_was_measured(content: dict[str, Any]) -> None:
    text = detection_report.part()
    assert "seeds 1001 to 1002: 2 fleets of 60 stations, 21 days each, 400 connector-days" in text
    assert "| recall, faults that a rule names | at least 0.98 | 0.990 (0.100 to 1.000) | yes |" in text
    assert "| recall, faults that creep up | at least 0.85 | 0.500 (0.100 to 1.000) | **no** |" in text
    assert "| false tickets per connector-day | at most 0.002 | 0.0021 (0.0010 to 0.0030) | **no** |" in text
    assert "| look-alikes with a ticket | at most 0.01 | 0.005 | yes |" in text
    assert "| hard faults, p95 after the proof | 60 s | 30 s | yes |" in text
    assert "| cable | station | 3 |" in text
    assert "| `update` | 200 | 1 |" in text


def told(fault: str, **fields: Any) -> dict[str, Any]:
    given = {"seed": 1001, "fault": fault, "strength": 0.2, "asset": "station", "id": "S"}
    return given | {"sessions": 4, "vehicles": 3, "enough": True} | fields


def ticket(code: str, outcome: str, **fields: Any) -> dict[str, Any]:
    given = {"seed": 1001, "code": code, "outcome": outcome, "id": "S", "at": "2026-03-01T00:00:00Z"}
    return given | {"says": "Told."} | fields


def test_each_miss_and_each_false_ticket_is_on_the_page_with_its_cause(
    content: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    content["faults"] = [
        told("no_power", ticket="no_power", beyond_s=3600.0, alone=["isolation forest and tails"]),
        told("meter_drift", why="nobody was convinced", held="7 learning, 3 usual"),
        told("rcd_trip", sessions=1, vehicles=1, enough=False, why="met by few", near=["late: lock on cable C"]),
    ]
    content["needless"] = [
        ticket("anomaly", "nothing_there", really="no_power", over_s=9.0),
        ticket("anomaly", "nothing_there", id="S-2", says="Odd."),
        ticket("lock", "wrong_asset", really="rcd_trip"),
    ]
    content["taken_in"] = [ticket("anomaly", "look_alike", really="rain", says="Odd in the rain.")]
    why = {"missed": {"1001 meter_drift S": "Weak."}, "late": {"1001 no_power S": "It waits."}}
    monkeypatch.setattr(detection_report, "causes", lambda: why | {"false": {"1001 lock S": "Two cables."}})
    text = detection_report.part()
    assert "2 of 3. 1 of these were met by fewer sessions or vehicles than the catalogue's own" in text
    assert "| `meter_drift` | 1001 | 0.20 | 4 of 3 | Weak. |" in text
    assert "| `rcd_trip` | 1001 | 0.20 | 1 of 1 | met by few. late: lock on cable C |" in text
    assert "| `no_power` | 1001 | 0.20 | 60 min | It waits. |" in text
    assert "| `anomaly` | 1001 | nothing; `no_power` was there in the week before | Told. |" in text
    assert "| `anomaly` | 1001 | nothing | Odd. |" in text
    assert "| `lock` | 1001 | `rcd_trip`, of another asset | Two cables. |" in text
    assert "| `anomaly` | 1001 | `rain` | Odd in the rain. |" in text
    assert "Of the 2 faults that readings show, 2 were met by three sessions of two vehicles" in text
    assert "The isolation forest and tails found 1 of those." in text


def test_whatever_was_missed_late_or_false_was_examined() -> None:
    """A cause may be "Not known", but nobody forgets to say so, or keeps what another run had."""
    content, why = detection_report.measured(), detection_report.causes()
    for section, judged in detection_report.examined(content).items():
        assert {detection_report.key(one) for one in judged} == set(why.get(section, {})), section


def test_pictures_are_sound_svg_and_show_only_classes_that_had_faults(content: dict[str, Any]) -> None:
    for name, svg in detection_report.pictures(content).items():
        root = ET.fromstring(svg)  # noqa: S314  # we made it
        assert root.tag.endswith("svg"), name
        words = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
        assert "anomaly" not in words
        assert name == "detection-forests.svg" or "a<b" in words


def test_kept_report_and_pictures_are_those_of_the_kept_figures() -> None:
    for name, svg in detection_report.pictures(detection_report.measured()).items():
        assert (detection_report.IMAGES / name).read_text("utf-8") == svg, "run `make docs`"


def test_why_forests_alone_did_not_find_what_readings_show_is_counted(content: dict[str, Any]) -> None:
    unseen = [told(code, ticket=code, blind="its readings were as usual") for code in ("a", "b", "b", "offline")]
    content["faults"] = [*unseen, told("c", ticket="c")]
    assert "| its readings were as usual | 3 | `b` 2, `a` 1 |" in detection_report.part()
