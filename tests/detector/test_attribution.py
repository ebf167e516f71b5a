"""Whose fault it is: two vehicles, the neighbours, and the same vehicle elsewhere."""

from __future__ import annotations

import pytest

from detector.attribution import Blame, attribute
from detector.episodes import NOBODY
from detector.network import World
from detector.rules.base import Subject
from detector.state import StationState
from detector.view import SessionEnded, StationView
from detector.vocabulary import Lean
from laddvakt.domain.stations import Connector, Station
from tests.support.detector import START

STATIONS = [
    Station(
        station_id=f"SE-{n}",
        site_id="PARK",
        connectors=(Connector(connector_id=1, cable_id=f"CABLE-{n}"), Connector(connector_id=2)),
    )
    for n in (1, 2, 3)
]


class Scene:
    """Three stations of a site, of which connector 1 of the first is judged."""

    def __init__(self, *, site: bool = True) -> None:
        self.states = {s.station_id: StationState(view=StationView(station_id=s.station_id)) for s in STATIONS}
        self.world = World(self.states, 300.0)
        self.world.register(STATIONS if site else [Station(station_id="SE-1")])

    def ended(self, station: str, connector_id: int, *, good: bool) -> None:
        """How the last session at a connector went."""
        connector = self.states[station].view.connector(connector_id)
        assert connector is not None
        connector.good_at, connector.bad_at = (START, None) if good else (None, START)

    def visited(self, vehicle: str, station: str, *, good: bool) -> None:
        session = SessionEnded(
            station_id=station,
            connector_id=1,
            transaction_id=f"{vehicle} {station}",
            vehicle=vehicle,
            started_at=START,
            ended_at=START,
            heard_at=START,
            energy_wh=5000.0 if good else 0.0,
        )
        self.world.vehicles.note(session)

    def blame(self, vehicles: list[str], *, lean: Lean | None = None, **more: object) -> Blame:
        view = self.states["SE-1"].view
        subject = Subject(
            view=view, connector=view.connector(1), station=self.world.station("SE-1"), network=self.world
        )
        return attribute(subject, vehicles, START, lean=lean, **more)  # type: ignore[arg-type]  # as given


def _share(blame: Blame, kind: str) -> float:
    return next((suspect.share for suspect in blame.suspects if suspect.asset.kind == kind), 0.0)


def _why(blame: Blame) -> str:
    return "; ".join(why for suspect in blame.suspects for why in suspect.why)


def test_shares_add_up_and_the_likeliest_comes_first() -> None:
    blame = Scene().blame(["A"])
    assert sum(suspect.share for suspect in blame.suspects) == pytest.approx(1.0, abs=0.002)
    shares = [suspect.share for suspect in blame.suspects]
    assert shares == sorted(shares, reverse=True)
    assert {suspect.asset.kind for suspect in blame.suspects} == {"station", "cable", "vehicle", "site"}


def test_one_vehicle_may_be_to_blame_two_hardly() -> None:
    one, two, three = (Scene().blame(vehicles) for vehicles in (["A"], ["A", "B"], ["A", "B", "C"]))
    assert _share(one, "vehicle") == pytest.approx(1 / 3.1, abs=0.01)
    assert _share(two, "vehicle") < 0.1
    assert _share(three, "vehicle") < 0.02
    assert one.confidence < two.confidence < three.confidence
    assert "it happened to 2 vehicles" in _why(two)


def test_the_same_vehicle_twice_is_one_vehicle() -> None:
    assert Scene().blame(["A", "A"]) == Scene().blame(["A"])


def test_with_nothing_plugged_in_no_vehicle_is_to_blame() -> None:
    blame = Scene().blame([NOBODY])
    assert _share(blame, "vehicle") < 0.02
    assert "nothing plugged in" in _why(blame)


def test_a_vehicle_that_charges_elsewhere_is_less_to_blame_one_that_fails_elsewhere_more() -> None:
    fine, lame = Scene(), Scene()
    fine.visited("A", "SE-2", good=True)
    lame.visited("A", "SE-2", good=False)
    usual = _share(Scene().blame(["A"]), "vehicle")
    assert _share(fine.blame(["A"]), "vehicle") < usual < _share(lame.blame(["A"]), "vehicle")
    assert "failed elsewhere too" in _why(lame.blame(["A"]))
    assert lame.blame(["A"]).confidence < 0.5


def test_what_a_vehicle_did_at_the_station_itself_is_not_elsewhere() -> None:
    scene = Scene()
    scene.visited("A", "SE-1", good=False)
    assert scene.blame(["A"]) == Scene().blame(["A"])


def test_a_connector_that_charges_beside_it_points_at_the_cable_one_that_fails_at_the_station() -> None:
    beside, both = Scene(), Scene()
    beside.ended("SE-1", 2, good=True)
    both.ended("SE-1", 2, good=False)
    assert (beside.blame(["A", "B"]).asset.kind, beside.blame(["A", "B"]).asset.id) == ("cable", "CABLE-1")
    assert both.blame(["A", "B"]).asset.kind == "station"


def test_what_the_rule_saw_at_the_other_connectors_goes_before_their_last_session() -> None:
    scene = Scene()
    scene.ended("SE-1", 2, good=True)
    assert scene.blame(["A", "B"], others_charge=[True, False]).asset.kind == "station"
    assert scene.blame(["A", "B"], others_charge=[]).asset.kind == "station"


def test_neighbours_that_charge_acquit_the_site_neighbours_that_fail_accuse_it() -> None:
    fine, ill = Scene(), Scene()
    for station in ("SE-2", "SE-3"):
        fine.ended(station, 1, good=True)
        ill.ended(station, 1, good=False)
    usual = _share(Scene().blame(["A", "B"]), "site")
    assert _share(fine.blame(["A", "B"]), "site") < usual < _share(ill.blame(["A", "B"]), "site")
    assert ill.blame(["A", "B"]).suspects[0].asset.kind == "site"
    assert ill.blame(["A", "B"]).asset.kind != "site"  # the ticket is for equipment; the site is named beside it


def test_one_neighbour_that_fails_accuses_no_site() -> None:
    scene = Scene()
    scene.ended("SE-2", 1, good=False)
    scene.ended("SE-3", 1, good=True)
    assert _share(scene.blame(["A", "B"]), "site") < 0.1


@pytest.mark.parametrize(
    ("lean", "kind"), [(Lean.STATION, "station"), (Lean.CABLE, "cable"), (Lean.VEHICLE, "vehicle")]
)
def test_what_a_code_points_at_is_suspected_most(lean: Lean, kind: str) -> None:
    assert Scene().blame(["A"], lean=lean).suspects[0].asset.kind == kind


def test_without_a_fixed_cable_the_connector_takes_its_place_without_a_site_there_is_none() -> None:
    blame = Scene(site=False).blame(["A"], lean=Lean.CABLE)
    assert (blame.asset.kind, blame.asset.id) == ("connector", "SE-1/1")
    assert _share(blame, "site") == 0.0


def test_evidence_of_the_rules_own_sets_a_floor() -> None:
    assert Scene().blame(["A"], lean=Lean.VEHICLE).confidence < 0.5
    assert Scene().blame(["A"], lean=Lean.VEHICLE, least=0.8).confidence == 0.8
