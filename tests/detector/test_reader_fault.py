"""reader_fault and payment_fault: one way to identify fails while the others work."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detector.rules import payment_fault, reader_fault
from detector.ways import at_least_poisson, at_most, chance_of_both
from laddvakt.domain.facts import (
    RemoteStartAsked,
    TokenPresented,
    TransactionReported,
    TransactionStarted,
    TransactionStopped,
)
from laddvakt.domain.stations import ConnectorState, Station
from laddvakt.domain.tokens import TokenKind
from tests.support.detector import Story, make_engine

S = ConnectorState
RULES = (reader_fault.RULE, payment_fault.RULE)
STATIONS = [Station(station_id=f"SE-{n}") for n in range(1, 5)]
ALL = ("SE-1", "SE-2", "SE-3")
RFID, APP, CARD = TokenKind.RFID, TokenKind.APP, TokenKind.CARD


@pytest.fixture
def story() -> Story:
    return _story()


def _story() -> Story:
    story = Story(make_engine(STATIONS, rules=RULES))
    for station in STATIONS:
        story.station_id = station.station_id
        story.connect()
        story.boot()
        story.status(S.AVAILABLE)
    story.station_id = "SE-1"
    return story


def _visit(
    story: Story,
    kind: TokenKind | None = None,
    *,
    station: str = "SE-1",
    gap_h: float = 1.0,
    minutes: float = 30,
    plug_s: float = 0,
) -> None:
    """Plugged in, identified and charged. No kind: OCPP 1.6, which does not say it. `plug_s`: how long the plug
    stays in afterwards, and the connector is said to be occupied again (2.x)."""
    story.station_id = station
    name = f"{station} {story.now}"
    story.status(S.PREPARING)
    story.now += timedelta(seconds=30)
    if kind is APP:
        story.say(RemoteStartAsked(at=story.now, command_id="1", id_tag=f"TAG {name}"))
    started = TransactionStarted(
        at=story.now, connector_id=1, transaction_id=name, id_tag=f"TAG {name}", token_kind=kind
    )
    story.say(started)
    story.now += timedelta(minutes=minutes)
    if plug_s:
        story.status(S.CHARGING)
    story.say(TransactionStopped(at=story.now, transaction_id=name, meter_stop_wh=5000))
    if plug_s:
        story.status(S.PREPARING)
        story.now += timedelta(seconds=plug_s)
    story.status(S.AVAILABLE)
    story.now += timedelta(hours=gap_h)


def _tries(story: Story, times: int) -> None:
    """One driver starts again and again, and does not charge."""
    for _ in range(times):
        _visit(story, RFID, minutes=2, gap_h=0.02)
    story.now += timedelta(hours=1)


def _unread(story: Story, *, minutes: float = 2, station: str = "SE-1", gap_h: float = 1.0) -> None:
    """Plugged in, and left again."""
    story.station_id = station
    story.status(S.PREPARING)
    story.now += timedelta(minutes=minutes)
    story.status(S.AVAILABLE)
    story.now += timedelta(hours=gap_h)


def _by_turns(story: Story, visits: str, *, stations: tuple[str, ...] = ALL) -> None:
    """Hour by hour: by card (R), by app (A), left unidentified (U); at the other stations all by card."""
    for visit in visits:
        for station in stations:
            if visit == "U" and station == "SE-1":
                _unread(story, station=station, gap_h=0)
            else:
                _visit(story, APP if visit == "A" and station == "SE-1" else RFID, station=station, gap_h=0)
        story.now += timedelta(hours=1)


def _faults(story: Story) -> list[str]:
    return [finding.fault for finding in story.standing]


@pytest.mark.parametrize("kind", [None, RFID], ids=["1.6", "2.x"])
def test_drivers_who_plug_in_and_leave_again_fire(story: Story, kind: TokenKind | None) -> None:
    for _ in range(15):
        _visit(story, kind)
    for _ in range(3):
        _unread(story)
    assert story.standing == []
    _unread(story)
    (finding,) = story.standing
    assert (finding.fault, finding.asset.id, finding.severity) == ("reader_fault", "SE-1", "P3")
    assert "0 of the last 4 visits" in finding.explanation


def test_who_takes_time_to_pull_the_plug_after_a_session_has_not_left_unidentified(story: Story) -> None:
    """OCPP 2.x says Occupied of a plug that has charged as of one that has not."""
    for _ in range(16):
        _visit(story, RFID, plug_s=40)
        _visit(story, CARD, plug_s=40)
        _visit(story, RFID)
    for _ in range(8):
        _visit(story, RFID)
        _unread(story)
        _visit(story, RFID)
    assert _faults(story) == ["payment_fault"]


def test_whom_a_dead_terminal_sends_away_tells_nothing_of_the_reader(story: Story) -> None:
    for _ in range(16):
        _visit(story, RFID)
        _visit(story, CARD)
        _visit(story, RFID)
    for _ in range(8):
        _visit(story, RFID)
        _unread(story)
        _visit(story, RFID)
    assert _faults(story) == ["payment_fault"]
    for _ in range(4):
        _unread(story)
    assert _faults(story) == ["payment_fault"]


def test_who_leaves_for_a_dead_terminal_does_not_count_against_the_reader_by_luck(story: Story) -> None:
    """Three quarters use to take a card, and of the last 11 visits 3 did and 6 left; but of the 8 before them 5
    did while 3 left, and nobody paid."""
    kinds = {"R": RFID, "C": CARD}
    for visit in "RRRC" * 9 + "URRUURRRUCURUCRRUUU":
        if visit == "U":
            _unread(story)
        else:
            _visit(story, kinds[visit])
        assert "reader_fault" not in _faults(story)


def test_where_the_card_comes_before_the_plug_the_share_of_starts_tells(story: Story) -> None:
    for _ in range(10):
        _visit(story)
        _visit(story)
        _visit(story, APP, gap_h=3)
    for _ in range(12):
        _visit(story, APP, gap_h=6)
    assert _faults(story) == ["reader_fault"]


def test_a_campaign_brings_more_by_app_and_is_no_fault(story: Story) -> None:
    for _ in range(10):
        _visit(story)
        _visit(story)
        _visit(story, APP, gap_h=3)
    for number in range(30):
        _visit(story, APP, gap_h=0.1)
        if number % 6 == 0:
            _visit(story)
    assert story.kinds() == []


def test_a_campaign_for_those_who_come_anyway_is_no_fault(story: Story) -> None:
    """As many come as before, and now nobody shows a card; all who come to others of the model do."""
    _by_turns(story, "RAARRARAARRA")
    for _ in range(20):
        _by_turns(story, "A")
        story.now += timedelta(minutes=15)
    assert story.kinds() == []


def test_a_reader_that_fails_beside_the_app_is_told_by_those_who_leave(story: Story) -> None:
    for _ in range(15):
        _visit(story)
        _visit(story, APP)
    for _ in range(6):
        _unread(story)
        _visit(story, APP)
    assert _faults(story) == ["reader_fault"]


@pytest.mark.parametrize(("known", "visits"), [(6, "URUURUR"), (10, "URUURUR"), (10, "UURU"), (30, "UURU")])
def test_some_who_leave_are_no_fault_where_everybody_took_a_card(story: Story, known: int, visits: str) -> None:
    _by_turns(story, "RRRRRRRRRRRR", stations=ALL[1:])
    _by_turns(story, "R" * known)
    _by_turns(story, visits)
    assert story.kinds() == []


def test_a_token_that_comes_with_a_later_event_of_2x_counts(story: Story) -> None:
    for number in range(30):
        name = str(number)
        story.status(S.PREPARING)
        story.say(TransactionStarted(at=story.now, connector_id=1, transaction_id=name))
        story.now += timedelta(minutes=1)
        story.say(
            TransactionReported(
                at=story.now,
                transaction_id=name,
                event="Updated",
                seq_no=1,
                connector_id=1,
                id_tag="A",
                token_kind=RFID,
            )
        )
        story.now += timedelta(minutes=30)
        story.say(TransactionStopped(at=story.now, transaction_id=name, meter_stop_wh=5000))
        story.status(S.AVAILABLE)
        story.now += timedelta(hours=1)
    assert story.kinds() == []
    for _ in range(4):
        _unread(story)
    assert _faults(story) == ["reader_fault"]


def test_parked_cars_and_moments_are_no_visits(story: Story) -> None:
    for _ in range(15):
        _visit(story)
    for _ in range(8):
        _unread(story, minutes=60)
        _unread(story, minutes=0.2)
    assert story.kinds() == []


def test_one_driver_who_tries_again_and_again_is_one_visit(story: Story) -> None:
    for _ in range(15):
        _visit(story)
    for _ in range(8):
        _unread(story, gap_h=0.05)
    assert story.kinds() == []


def test_one_driver_who_starts_again_and_again_does_not_make_a_way_usual(story: Story) -> None:
    for _ in range(8):
        _visit(story, APP)
        _visit(story, APP)
        _tries(story, 4)
    for number in range(20):
        _visit(story, RFID if number in (7, 13) else APP)
    assert story.kinds() == []


def test_a_token_that_is_refused_was_read(story: Story) -> None:
    for _ in range(15):
        _visit(story)
    for _ in range(8):
        story.status(S.PREPARING)
        story.say(TokenPresented(at=story.now, id_tag="X", accepted=False, answer="Invalid"))
        story.now += timedelta(minutes=2)
        story.status(S.AVAILABLE)
        story.now += timedelta(hours=1)
    assert story.kinds() == []


def test_a_station_that_has_only_begun_is_not_judged(story: Story) -> None:
    for _ in range(5):
        _visit(story)
    for _ in range(4):
        _unread(story)
    assert story.kinds() == []


def _paid(story: Story, stations: tuple[str, ...], rounds: int, *, paying: tuple[str, ...]) -> None:
    """Every other visit is paid by card where the terminal works; who cannot pay leaves."""
    for number in range(rounds):
        for station in stations:
            if number % 2:
                _visit(story, RFID, station=station, gap_h=0)
            elif station in paying:
                _visit(story, CARD, station=station, gap_h=0)
            else:
                _unread(story, station=station, gap_h=0)
        story.now += timedelta(hours=1)


def test_payments_that_cease_at_one_station_fire(story: Story) -> None:
    _paid(story, ALL, 40, paying=ALL)
    assert story.kinds() == []
    _paid(story, ALL, 24, paying=("SE-2", "SE-3"))
    (finding,) = story.standing
    assert (finding.fault, finding.station_id) == ("payment_fault", "SE-1")


def test_a_way_that_few_use_is_told_by_those_who_leave(story: Story) -> None:
    """A third pay by card: without those who leave it would take twenty visits."""
    for number in range(45):
        for station in ALL:
            _visit(story, RFID if number % 3 else CARD, station=station, gap_h=0)
    for number in range(12):
        for station in ALL[1:]:
            _visit(story, RFID if number % 3 else CARD, station=station, gap_h=0)
        _visit(story, RFID, gap_h=0.2) if number % 3 else _unread(story)
    assert [(finding.fault, finding.station_id) for finding in story.standing] == [("payment_fault", "SE-1")]


def test_a_dead_reader_is_not_taken_for_a_dead_terminal(story: Story) -> None:
    _paid(story, ALL, 40, paying=ALL)
    for number in range(14):
        for station in ALL:
            if station != "SE-1":
                _visit(story, CARD if number % 2 else RFID, station=station, gap_h=0)
        _visit(story, CARD, gap_h=0.2) if number % 2 else _unread(story)
    assert [(finding.fault, finding.station_id) for finding in story.standing] == [("reader_fault", "SE-1")]


def test_an_acquirers_outage_is_no_stations_fault(story: Story) -> None:
    _paid(story, ALL, 40, paying=ALL)
    _paid(story, ALL, 24, paying=())
    assert story.kinds() == []


def test_a_station_without_payments_is_not_judged_by_them(story: Story) -> None:
    for _ in range(40):
        _visit(story, RFID)
    assert story.kinds() == []


def test_clears_when_cards_are_read_again(story: Story) -> None:
    for _ in range(15):
        _visit(story)
    for _ in range(4):
        _unread(story)
    for _ in range(2):
        _visit(story)
    assert len(story.standing) == 1
    _visit(story)
    assert story.standing == []
    _unread(story)
    _visit(story)
    assert story.standing == []


def test_what_is_usual_survives_a_restart(story: Story) -> None:
    for _ in range(30):
        _visit(story)
    _unread(story)
    stored = story.engine.encode(["SE-1"])
    assert len(stored["SE-1"]) < 3000
    story.engine = make_engine(STATIONS, rules=RULES)
    story.engine.restore(stored)
    for _ in range(3):
        _unread(story)
    assert _faults(story) == ["reader_fault"]


def test_few_who_pay_and_some_who_leave_tell_together_what_neither_tells_alone(story: Story) -> None:
    """A third paid and nobody left; then of 21 visits nobody pays and five leave."""
    for number in range(36):
        for station in ALL:
            _visit(story, RFID if number % 3 else CARD, station=station, gap_h=0)
    for number in range(21):
        for station in ALL[1:]:
            _visit(story, RFID if number % 3 else CARD, station=station, gap_h=0)
        _unread(story, gap_h=0.2) if number % 5 == 0 else _visit(story, RFID, gap_h=0.2)
    assert [(finding.fault, finding.station_id) for finding in story.standing] == [("payment_fault", "SE-1")]


def test_the_chance_of_both_is_that_of_all_outcomes_that_speak_as_much_for_it() -> None:
    known = (6.0, 0.0, 13.0)
    assert chance_of_both(0, 4, 4, (15.0, 0.0, 0.0), left=0.2) == pytest.approx(6.2e-5, rel=0.05)
    assert chance_of_both(10, 0, 10, known, left=0.2) == pytest.approx(1.0)
    assert chance_of_both(0, 7, 25, known, left=0.2) < chance_of_both(2, 7, 25, known, left=0.2)
    assert chance_of_both(0, 7, 25, known, left=0.2) < chance_of_both(0, 5, 25, known, left=0.2)


def test_the_chances() -> None:
    assert at_most(4, 4, 30, 1) == pytest.approx(1.0)
    assert at_most(0, 1, 0, 0) == pytest.approx(0.5)
    assert at_most(0, 4, 30, 0) < 1e-5
    assert at_least_poisson(0, 3.0) == 1.0
    assert at_least_poisson(2, 1.0) == pytest.approx(0.2642, abs=1e-4)
