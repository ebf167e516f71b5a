"""What the operator may set of rules: for the fleet, a site, a model; and which rules run."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from detector.assembly import make_engine
from detector.rules import RULES, LocalLimits, rules_but, thresholds_for
from laddvakt.domain.errors import SettingsError
from laddvakt.domain.stations import ConnectorState, Station
from laddvakt.settings import Settings
from tests.support.detector import Story


def test_a_site_overrides_a_model_which_overrides_the_fleet() -> None:
    fleet = thresholds_for({"offline": {"after_s": 600}})
    local = LocalLimits(
        fleet,
        sites={"PARK": {"offline": {"after_s": 60}}},
        models={"Acme One": {"offline": {"after_s": 300, "heartbeats": 2}}},
    )
    assert local("ELSEWHERE", "Acme Two")["offline"]["after_s"] == 600
    assert local("ELSEWHERE", "Acme One")["offline"]["after_s"] == 300
    assert (
        local("PARK", "Acme One")["offline"]["after_s"],
        local("PARK", "Acme One")["offline"]["heartbeats"],
    ) == (
        60,
        2,
    )
    assert local("PARK", "")["reported_fault"] == fleet["reported_fault"]


def test_a_threshold_of_a_site_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"offline\.after: the rule has no such threshold"):
        LocalLimits(thresholds_for({}), sites={"PARK": {"offline": {"after": 1}}}, models={})


def test_a_rule_that_is_off_raises_nothing(tmp_path: Path) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "detector": {"rules_off": ["reported_fault"]}})
    story = Story(make_engine(settings, "key", 1, None))
    story.status(ConnectorState.FAULTED, "GroundFailure")
    assert story.standing == []
    with pytest.raises(SettingsError, match="there is no rule oflline"):
        rules_but(["oflline"], RULES)


def test_a_sites_threshold_is_used_there_alone(tmp_path: Path) -> None:
    site_rules = {"PARK": {"reported_fault": {"persist_s": 600}}}
    settings = Settings.model_validate({"data_dir": tmp_path, "detector": {"site_rules": site_rules}})
    engine = make_engine(settings, "key", 1, None)
    engine.register([Station(station_id="SE-1", site_id="PARK"), Station(station_id="SE-2", site_id="GATA")])
    for station in ("SE-1", "SE-2"):
        story = Story(engine, station_id=station)
        story.status(ConnectorState.FAULTED, "InternalError")
    story.now += timedelta(minutes=2)
    assert [c.station_id for c in engine.tick(story.now)] == ["SE-2"]
