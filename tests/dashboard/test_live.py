"""The live state: a snapshot, then the feed; each viewer gets what changed, and never more than that."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from dash import Patch

from dashboard.live import ENDED_KEPT, LiveState, Viewer
from laddvakt.clock import utc_now
from laddvakt.domain.sessions import SessionState
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import TicketState
from tests.support import scene
from tests.support.dashboard import FakeFeed, ShiftedClock, make_context
from tests.support.waiting import eventually

pytestmark = pytest.mark.anyio

ALL = ("sites", "stations", "tickets", "sessions", "totals")
FREE, FAULTED = ConnectorState.AVAILABLE, ConnectorState.FAULTED


class Seen:
    """A viewer, its live state, and the feed behind it."""

    def __init__(self, live: LiveState, feed: FakeFeed, context: Any) -> None:
        self.live, self.feed, self.context = live, feed, context

    async def say(self, kind: str, value: Any) -> None:
        await self.feed.publish(kind, msgspec.json.encode(value))


@asynccontextmanager
async def running(folder: Path, clock: Any = utc_now, *, stations: int = 5) -> AsyncIterator[Seen]:
    feed = FakeFeed()
    context = make_context(folder, stations=stations, clock=clock, feed=feed)
    try:
        async with LiveState(context) as live:
            await eventually(lambda: len(live.part("stations")) == stations, what="the snapshot")
            await eventually(lambda: live.counted_at, what="the figures of today")
            yield Seen(live, feed, context)
    finally:
        context.records.close()


def operations(patch: Patch) -> dict[str, Any]:
    """The patch as `place -> value`, deletions as None."""
    plain = json.loads(json.dumps(patch.to_plotly_json()))
    return {"/".join(map(str, item["location"])): item["params"].get("value") for item in plain["operations"]}


def whole(viewer: Viewer) -> dict[str, Any]:
    return viewer.everything()


async def test_a_viewer_starts_with_everything_and_then_gets_what_changed(tmp_path: Path) -> None:
    async with running(tmp_path) as seen:
        with seen.live.viewer(ALL) as viewer:
            first = whole(viewer)
            assert len(first["stations"]) == 5
            assert first["totals"]["now"]["stations"] == 5
            await seen.say("station", scene.station("SE-002", FAULTED, site_id="hamnen"))
            changes = operations(viewer.changes())
            assert changes["stations/SE-002"]["state"] == "faulted"
            assert not {place for place in changes if place.startswith("stations/")} - {"stations/SE-002"}
            assert changes["totals/now"]["faulted"] == 1


async def test_a_change_that_shows_nothing_new_is_not_pushed(tmp_path: Path) -> None:
    async with running(tmp_path) as seen:
        with seen.live.viewer(ALL) as viewer:
            whole(viewer)
            with seen.context.records.read() as work:
                same = work.stations.get("SE-002")
            await seen.say("station", same)
            assert set(operations(viewer.changes())) == {"health/pulse", "now", "beat"}


async def test_many_changes_of_one_thing_are_one_push_of_the_newest(tmp_path: Path) -> None:
    async with running(tmp_path) as seen:
        with seen.live.viewer(ALL) as viewer:
            whole(viewer)
            for power_w in range(0, 50_000, 1_000):
                session = scene.session("S-1", "SE-001", now=utc_now(), power_w=float(power_w))
                await seen.say("session", session)
            changes = operations(viewer.changes())
            assert changes["sessions/S-1"]["power_kw"] == 49.0


async def test_a_viewer_of_some_parts_gets_no_others(tmp_path: Path) -> None:
    async with running(tmp_path) as seen:
        with seen.live.viewer(("tickets",)) as viewer:
            assert set(whole(viewer)) == {"tickets", "health", "now", "beat"}
            await seen.say("station", scene.station("SE-002", FAULTED))
            assert set(operations(viewer.changes())) == {"health/pulse", "now", "beat"}


async def test_a_settled_ticket_is_taken_away(tmp_path: Path) -> None:
    async with running(tmp_path) as seen:
        ticket = scene.ticket("T-1", "SE-002", now=utc_now())
        with seen.live.viewer(ALL) as viewer:
            whole(viewer)
            await seen.say("ticket", ticket)
            changes = operations(viewer.changes())
            assert changes["tickets/T-1"]["severity"] == "P2"
            assert changes["stations/SE-002"]["ticket"] == "P2"
            await seen.say("ticket", msgspec.structs.replace(ticket, state=TicketState.RESOLVED))
            changes = operations(viewer.changes())
            assert changes["tickets/T-1"] is None
            assert changes["stations/SE-002"]["ticket"] is None


async def test_what_came_and_went_between_two_pushes_is_not_mentioned(tmp_path: Path) -> None:
    async with running(tmp_path) as seen:
        ticket = scene.ticket("T-1", "SE-777", now=utc_now())
        with seen.live.viewer(ALL) as viewer:
            whole(viewer)
            await seen.say("ticket", ticket)
            await seen.say("ticket", msgspec.structs.replace(ticket, state=TicketState.CLOSED))
            assert "tickets/T-1" not in operations(viewer.changes())


async def test_an_ended_session_counts_into_today(tmp_path: Path) -> None:
    async with running(tmp_path) as seen:
        before = seen.live.part("totals")["now"]
        now = utc_now()
        ended = scene.session("S-1", "SE-002", now=now, state=SessionState.ENDED, ended_at=now, energy_wh=500_000)
        with seen.context.records.begin() as work:
            work.sessions.save([ended])
        await seen.say("session", ended)
        await eventually(lambda: seen.live.part("totals")["now"]["kwh"] != before["kwh"], what="today's energy")


async def test_ended_sessions_do_not_pile_up(tmp_path: Path) -> None:
    async with running(tmp_path) as seen:
        kept = len(seen.live.part("sessions"))
        now = utc_now()
        for number in range(ENDED_KEPT * 3):
            ended = scene.session(f"S-{number}", "SE-002", now=now, state=SessionState.ENDED, ended_at=now)
            await seen.say("session", ended)
        assert len(seen.live.part("sessions")) == kept + ENDED_KEPT


async def test_a_reconnected_feed_brings_a_fresh_snapshot(tmp_path: Path) -> None:
    async with running(tmp_path) as seen:
        with seen.context.records.begin() as work:
            work.stations.save([scene.station("SE-002", FAULTED, site_id="hamnen")])
        seen.feed.reconnect()
        await eventually(lambda: seen.live.part("stations")["SE-002"]["state"] == "faulted", what="the snapshot")


async def test_a_gap_in_the_pulse_brings_a_fresh_snapshot(tmp_path: Path) -> None:
    clock = ShiftedClock()
    async with running(tmp_path, clock) as seen:
        seen.feed.pulse(clock())
        await eventually(lambda: seen.live.part("health")["pulse"]["at"], what="the pulse")
        with seen.context.records.begin() as work:
            work.stations.save([scene.station("SE-002", FAULTED, site_id="hamnen")])
        clock.ahead = timedelta(seconds=20)
        seen.feed.pulse(clock())
        await eventually(lambda: seen.live.part("stations")["SE-002"]["state"] == "faulted", what="the snapshot")


async def test_an_unreadable_message_is_survived_and_repaired(tmp_path: Path) -> None:
    async with running(tmp_path) as seen:
        with seen.context.records.begin() as work:
            work.stations.save([scene.station("SE-002", FAULTED, site_id="hamnen")])
        await seen.feed.publish("station", b"{not json")
        await seen.feed.publish("weather", b"{}")
        await eventually(lambda: seen.live.part("stations")["SE-002"]["state"] == "faulted", what="the snapshot")


async def test_only_the_recorders_pulse_says_that_data_is_fresh(tmp_path: Path) -> None:
    async with running(tmp_path) as seen:
        await seen.say("pulse", {"service": "detector", "at": utc_now().isoformat(), "lag_s": 0.0})
        assert seen.live.part("health")["pulse"]["at"] is None
        await seen.say("pulse", {"service": "recorder", "at": utc_now().isoformat(), "lag_s": 1.25})
        assert seen.live.part("health")["pulse"]["lag_s"] == 1.2


async def test_a_viewer_that_leaves_is_forgotten(tmp_path: Path) -> None:
    async with running(tmp_path) as seen:
        with seen.live.viewer(ALL):
            assert seen.live.viewers == 1
        assert seen.live.viewers == 0
