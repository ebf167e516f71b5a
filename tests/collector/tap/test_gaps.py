"""What became of sessions while their messages passed unseen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec
import pytest

from collector.recorder import Scribe
from collector.replay import ReplayCollector
from collector.replaylog import LogLine, RecordedAnswers, lines_of, parse_line
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.errors import LogLineError
from laddvakt.domain.facts import NotObserved
from laddvakt.domain.sessions import Quality, Session
from laddvakt.settings import RecordsSettings, Settings
from laddvakt.stores.ports import Records
from laddvakt.stores.sql.engine import open_records
from tests.support.stations import Speaker, at


@pytest.fixture
def records() -> Iterator[Records]:
    store = open_records(Settings(records=RecordsSettings(url="sqlite://")))
    store.migrate()
    yield store
    store.close()


def gap(since: datetime, until: datetime | None, messages: int | None = 3) -> Entry:
    fact = NotObserved(at=since, until=until, messages=messages, reason="the event log was slow or away")
    return Entry(station_id="SE-1", kind=EntryKind.GAP, received_at=until or since, facts=(fact,))


def record(records: Records, *entries: Entry) -> list[Session]:
    Scribe(records, "key").apply(list(entries))
    with records.read() as work:
        return sorted(work.sessions.page().items, key=lambda s: s.started_at)


def test_a_session_with_a_hole_is_estimated_and_says_from_when_to_when(records: Records) -> None:
    station = Speaker()
    number = station.start(0, meter=1000)
    record(records, *station.said, gap(at(60), at(120)))
    station.said.clear()
    station.stop(number, 2000, 600)
    (session,) = record(records, *station.said)
    assert session.quality is Quality.ESTIMATED
    assert session.quality_reasons == (
        "messages were not observed from 2026-11-21T10:01:00.000Z to 2026-11-21T10:02:00.000Z",
    )
    assert session.energy_wh == 1000


def test_a_session_that_was_over_before_has_no_hole(records: Records) -> None:
    station = Speaker()
    number = station.start(0, meter=1000)
    station.stop(number, 2000, 30)
    (session,) = record(records, *station.said, gap(at(60), at(120)))
    assert session.quality is Quality.CONFIRMED


def test_many_holes_do_not_fill_the_session(records: Records) -> None:
    station = Speaker()
    station.start(0, meter=1000)
    (session,) = record(records, *station.said, *(gap(at(n), at(n + 1)) for n in range(1, 100, 2)))
    assert len(session.quality_reasons) == 6
    assert session.quality_reasons[-1] == "messages were not observed at other times too"


def test_a_gap_survives_export_and_replay() -> None:
    for entry in (gap(at(60), at(120)), gap(at(60), None, None)):
        (line,) = lines_of(entry)
        read = parse_line(1, msgspec.json.encode(line))
        assert isinstance(read, LogLine)
        assert ReplayCollector(RecordedAnswers()).entries_of(1, read) == [entry]


def test_a_line_of_a_gap_needs_the_gap() -> None:
    with pytest.raises(LogLineError, match="needs a gap"):
        parse_line(3, b'{"received_at": "2026-11-21T10:00:00Z", "station_id": "SE-1", "kind": "gap"}')
