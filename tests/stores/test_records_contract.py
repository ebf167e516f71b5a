"""What ports.Records promises, on every database."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import pytest

from laddvakt.domain.commands import CommandStatus, SentCommand
from laddvakt.domain.entries import EntryKind
from laddvakt.domain.errors import ConflictError, NotFoundError, StoreError
from laddvakt.domain.facts import QuarantineReason
from laddvakt.domain.history import Transition
from laddvakt.domain.oncall import Contact, OnCall, Rota, StandIn
from laddvakt.domain.quarantine import QuarantineState
from laddvakt.domain.sessions import Session, SessionState
from laddvakt.domain.silences import Silence, SilenceScope
from laddvakt.domain.stations import Connector, ConnectorState, Site, Station
from laddvakt.domain.tickets import (
    Asset,
    Chart,
    Series,
    Severity,
    Suspect,
    TicketAction,
    TicketEvent,
    TicketState,
    apply_event,
)
from laddvakt.domain.tokens import AuthorizationStatus, Driver, Token, TokenKind
from laddvakt.stores.ports import (
    ApiToken,
    Assignment,
    AuditItem,
    Credentials,
    Delivery,
    InUse,
    ListedToken,
    Page,
    QuarantineItem,
    Route,
    SecurityEvent,
    User,
    Variable,
    VehicleSeen,
)
from laddvakt.stores.sql import SqlRecords
from tests.support.records import NOON, cost, ended, event, full_session, full_station, session, ticket

changed = msgspec.structs.replace


def all_pages(list_page: Any, limit: int) -> list[Any]:
    found: list[Any] = []
    after = None
    while True:
        page: Page[Any] = list_page(after=after, limit=limit)
        assert len(page.items) <= limit
        found += page.items
        if page.next is None:
            return found
        after = page.next


# Units of work


def test_begin_when_the_block_raises_keeps_nothing(records: SqlRecords) -> None:
    with pytest.raises(RuntimeError, match="stop"), records.begin() as work:
        work.sessions.save([session()])
        raise RuntimeError("stop")
    with records.read() as work:
        assert work.sessions.get("S-1") is None


def test_begin_when_an_error_was_swallowed_keeps_nothing_and_says_so(records: SqlRecords) -> None:
    with pytest.raises(StoreError, match="nothing of it was kept"), records.begin() as work:
        work.sessions.save([session()])
        with pytest.raises(ValueError, match="naive"):
            work.sessions.save([session("S-2", started_at=NOON.replace(tzinfo=None))])
    with records.read() as work:
        assert work.sessions.get("S-1") is None


def test_read_when_something_is_written_refuses(records: SqlRecords) -> None:
    with pytest.raises(StoreError), records.read() as work:
        work.sessions.save([session()])
    with records.begin() as work:
        work.sessions.save([session()])  # the connection is fit for writing again
    with records.read() as work:
        assert work.sessions.get("S-1") == session()


def test_read_when_others_write_meanwhile_sees_one_snapshot(shared_url: str) -> None:
    from laddvakt.privacy import FieldCipher

    store = SqlRecords(shared_url, FieldCipher("key"))
    store.migrate()
    with store.read() as reader:
        assert reader.sessions.unended() == []
        with store.begin() as writer:
            writer.sessions.save([session()])
        assert reader.sessions.unended() == []
    with store.read() as reader:
        assert reader.sessions.unended() == [session()]
    store.close()


def test_begin_from_many_threads_never_loses_an_update(records: SqlRecords) -> None:
    with records.begin() as work:
        work.sessions.save([session(energy_wh=0)])

    def add() -> None:
        for _ in range(10):
            with records.begin() as work:
                stored = work.sessions.get("S-1")
                assert stored is not None
                work.sessions.save([changed(stored, energy_wh=stored.energy_wh + 1)])

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with records.read() as work:
        stored = work.sessions.get("S-1")
    assert stored is not None
    assert stored.energy_wh == 40


def test_migrate_when_repeated_keeps_everything(records: SqlRecords) -> None:
    with records.begin() as work:
        work.sessions.save([session()])
    records.migrate()
    with records.read() as work:
        assert work.sessions.get("S-1") == session()


# Stations


def test_stations_come_back_as_they_were(records: SqlRecords) -> None:
    others = [Station(station_id=f"SE-{n}") for n in (3, 2)]
    with records.begin() as work:
        work.stations.save([full_station(), *others])
    with records.read() as work:
        assert work.stations.get("SE-1") == full_station()
        assert work.stations.get("SE-9") is None
        assert work.stations.many(["SE-2", "SE-9", "SE-1", "SE-2"]) == {"SE-1": full_station(), "SE-2": others[1]}
        assert work.stations.many([]) == {}
        assert work.stations.all() == [full_station(), others[1], others[0]]


def test_stations_save_when_a_connector_is_gone_removes_it(records: SqlRecords) -> None:
    with records.begin() as work:
        work.stations.save([full_station(), Station(station_id="SE-2", connectors=(Connector(connector_id=1),))])
        fewer = changed(full_station(), connectors=full_station().connectors[1:2], firmware=None)
        work.stations.save([fewer])
    with records.read() as work:
        assert work.stations.get("SE-1") == fewer
        assert [len(station.connectors) for station in work.stations.all()] == [1, 1]


def test_stations_save_twice_in_one_call_keeps_the_last(records: SqlRecords) -> None:
    last = Station(station_id="SE-1", firmware="2", connectors=(Connector(connector_id=2),))
    with records.begin() as work:
        work.stations.save([full_station(), last])
    with records.read() as work:
        assert work.stations.all() == [last]


def test_stations_save_many_uses_chunks(records: SqlRecords) -> None:
    many = [Station(station_id=f"{n:05}", connectors=(Connector(connector_id=1),)) for n in range(1200)]
    with records.begin() as work:
        work.stations.save(many)
        assert list(work.stations.many(s.station_id for s in many).values()) == many


def test_stations_page_by_site(records: SqlRecords) -> None:
    many = [Station(station_id=f"{n:02}", site_id="ab"[n % 2]) for n in range(11)]
    with records.begin() as work:
        work.stations.save(many)
        assert all_pages(work.stations.page, 4) == many

        def of_a(**where: Any) -> Page[Station]:
            return work.stations.page(site_id="a", **where)

        assert all_pages(of_a, 3) == many[::2]


def test_password_hash_survives_a_save(records: SqlRecords) -> None:
    with records.begin() as work:
        work.stations.save([full_station()])
        assert work.stations.password_hash("SE-1") is None
        work.stations.set_password_hash("SE-1", "argon")
        work.stations.save([full_station()])
        assert work.stations.password_hash("SE-1") == "argon"
        work.stations.set_password_hash("SE-1", None)
        assert work.stations.password_hash("SE-1") is None
        assert work.stations.password_hash("SE-9") is None


def test_set_password_hash_of_an_unknown_station_says_so(records: SqlRecords) -> None:
    with pytest.raises(NotFoundError, match="SE-9"), records.begin() as work:
        work.stations.set_password_hash("SE-9", "argon")


def test_credentials_survive_a_save_and_are_of_registered_stations(records: SqlRecords) -> None:
    given = Credentials(
        password_hash="now",
        next_password_hash="next",
        file_password_hash="file",
        certificate="cn",
        security_profile=2,
    )
    with records.begin() as work:
        work.stations.save([changed(full_station(), registered=True), Station(station_id="SE-2")])
        assert work.stations.credentials() == {"SE-1": Credentials()}
        work.stations.set_credentials("SE-1", given)
        work.stations.save([changed(full_station(), registered=True)])
        assert work.stations.credentials() == {"SE-1": given}
        assert work.stations.credentials(["SE-1", "SE-2", "SE-3"]) == {"SE-1": given}
        assert work.stations.credentials(["SE-2"]) == {}
        assert work.stations.password_hash("SE-1") == "now"


def test_set_credentials_of_an_unknown_station_says_so(records: SqlRecords) -> None:
    with pytest.raises(NotFoundError, match="SE-9"), records.begin() as work:
        work.stations.set_credentials("SE-9", Credentials())


def test_sites_come_back_as_they_were(records: SqlRecords) -> None:
    full = Site(
        site_id="b", name="Depå", timezone="Europe/Stockholm", currency="SEK", latitude=59.3, longitude=18.1,
        opening_hours="24/7",
    )  # fmt: skip
    with records.begin() as work:
        work.stations.save_sites([full, Site(site_id="a", name="A")])
        work.stations.save_sites([changed(full, name="Hamn")])
        assert work.stations.sites() == [Site(site_id="a", name="A"), changed(full, name="Hamn")]


# Sessions


def test_sessions_come_back_as_they_were(records: SqlRecords) -> None:
    with records.begin() as work:
        work.sessions.save([full_session(), session()])
    with records.read() as work:
        assert work.sessions.get("S-full") == full_session()
        assert work.sessions.many(["S-1", "S-full", "S-9"]) == {"S-1": session(), "S-full": full_session()}
        assert work.sessions.get("S-9") is None
        # also byte for byte on the wire: no amount gains or loses a digit
        stored = work.sessions.get("S-full")
        assert msgspec.json.encode(stored) == msgspec.json.encode(full_session())


def test_sessions_save_replaces(records: SqlRecords) -> None:
    with records.begin() as work:
        work.sessions.save([full_session()])
        bare = session("S-full")
        work.sessions.save([bare])
        assert work.sessions.get("S-full") == bare


def test_sessions_refuse_an_amount_they_could_not_keep(records: SqlRecords) -> None:
    from tests.support.records import cost

    for amount in ("0.00001", "1e15", "NaN", "0.00000000000000000000000000000000001"):
        with pytest.raises(ValueError, match="cannot be kept exactly"), records.begin() as work:
            work.sessions.save([session(cost=cost(amount))])


def test_sessions_refuse_mixed_currencies_and_numbers_that_are_none(records: SqlRecords) -> None:
    from tests.support.records import cost

    mixed = changed(cost("1"), vat=cost("1", currency="EUR").vat)
    with pytest.raises(ValueError, match="one currency"), records.begin() as work:
        work.sessions.save([session(cost=mixed)])
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="finite"), records.begin() as work:
            work.sessions.save([session(power_w=bad)])


def test_sessions_refuse_an_integer_beyond_64_bits(records: SqlRecords) -> None:
    for number in (2**63, -(2**64)):
        with pytest.raises(ValueError, match=r"range|too large"), records.begin() as work:
            work.sessions.save([session(energy_wh=number)])


def test_times_of_other_zones_come_back_in_utc(records: SqlRecords) -> None:
    local = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    with records.begin() as work:
        work.sessions.save([session(started_at=local)])
        stored = work.sessions.get("S-1")
    assert stored is not None
    assert stored.started_at == NOON
    assert stored.started_at.tzinfo is UTC


def test_unended_by_station(records: SqlRecords) -> None:
    running = session("S-2", started_at=NOON - timedelta(hours=1))
    elsewhere = session("S-3", station_id="SE-2", state=SessionState.SUSPENDED)
    with records.begin() as work:
        work.sessions.save([full_session(), session(), running, elsewhere])
        assert work.sessions.unended() == [running, session(), elsewhere]
        assert work.sessions.unended(["SE-1", "SE-7"]) == [running, session()]
        assert work.sessions.unended([]) == []


def test_in_use_are_the_unended_with_a_token(records: SqlRecords) -> None:
    running = session("S-2", token="tok_a", connector_id=2)
    with records.begin() as work:
        work.sessions.save([full_session(), session(), running])
        (found,) = work.sessions.in_use()
    assert found == msgspec.convert(msgspec.to_builtins(running), InUse)


def test_by_transaction_gives_the_newest(records: SqlRecords) -> None:
    newer = session("S-2", started_at=NOON + timedelta(days=1))
    with records.begin() as work:
        work.sessions.save([newer, session(), session("S-3", station_id="SE-2")])
        assert work.sessions.by_transaction("SE-1", "17") == newer
        assert work.sessions.by_transaction("SE-1", "18") is None


def test_recent_of_a_connector_newest_first(records: SqlRecords) -> None:
    many = [session(f"S-{n}", connector_id=n % 2, started_at=NOON + timedelta(hours=n)) for n in range(6)]
    with records.begin() as work:
        work.sessions.save(many)
        assert work.sessions.recent("SE-1", 1, 2) == [many[5], many[3]]
        assert work.sessions.recent("SE-1", None, 10) == many[::-1]
        assert work.sessions.recent("SE-2", None, 10) == []


def test_sessions_page_newest_first_with_every_filter(records: SqlRecords) -> None:
    many = [
        session(
            f"S-{n:02}",
            started_at=NOON + timedelta(minutes=n // 3),  # ties
            station_id=f"SE-{n % 2}",
            driver_id="anna" if n % 4 == 0 else None,
            state=SessionState.ENDED if n % 5 == 0 else SessionState.ACTIVE,
        )
        for n in range(20)
    ]
    newest = many[::-1]
    with records.begin() as work:
        work.sessions.save(many)

        def pages(**where: Any) -> list[Session]:
            return all_pages(lambda **page: work.sessions.page(**where, **page), 3)

        assert pages() == newest
        assert pages(station_id="SE-1") == [s for s in newest if s.station_id == "SE-1"]
        assert pages(driver_id="anna") == [s for s in newest if s.driver_id == "anna"]
        assert pages(state=SessionState.ENDED) == [s for s in newest if s.state is SessionState.ENDED]
        first, last = NOON + timedelta(minutes=1), NOON + timedelta(minutes=4)
        assert pages(from_=first, to=last) == [s for s in newest if first <= s.started_at < last]


def test_sessions_page_when_rows_are_added_meanwhile_shows_each_old_one_once(records: SqlRecords) -> None:
    many = [session(f"S-{n}", started_at=NOON + timedelta(minutes=n)) for n in range(6)]
    with records.begin() as work:
        work.sessions.save(many)
        first = work.sessions.page(limit=3)
        work.sessions.save([session("S-new", started_at=NOON + timedelta(days=1))])
        assert first.next is not None
        rest = work.sessions.page(after=first.next, limit=3)
    assert [*first.items, *rest.items] == many[::-1]
    assert rest.next is None


@pytest.mark.parametrize(
    "cursor", ["", "!", "bm9uc2Vuc2U", "WzEsMl0", "Wzk5OTk5OTk5OTk5OTk5OTk5OTksIlMtMSJd", "å"]
)
def test_page_with_a_cursor_that_is_not_ours_says_so(records: SqlRecords, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"), records.read() as work:
        work.sessions.page(after=cursor)


def test_page_without_room_says_so(records: SqlRecords) -> None:
    with records.read() as work:
        for list_page in (work.sessions.page, work.stations.page):
            with pytest.raises(ValueError, match="at least 1"):
                list_page(limit=0)


# Tickets


def test_tickets_come_back_as_they_were(records: SqlRecords) -> None:
    full = ticket(
        site_id="depot",
        assignee="bo",
        verdict="confirmed",
        resolved_at=NOON,
        state=TicketState.RESOLVED,
        events=(
            event(),
            event(TicketAction.ASSIGNED, 1, actor="bo", detail="mine", data={"assignee": "bo", "n": 1}),
        ),
    )
    bare = ticket("T-2", revenue_at_risk=None, events=(), evidence=(), mrec=())
    with records.begin() as work:
        work.tickets.save(full)
        work.tickets.save(bare)
        assert work.tickets.get("T-1") == full
        assert work.tickets.get("T-2") == bare
        assert work.tickets.get("T-9") is None


def test_tickets_save_appends_events(records: SqlRecords) -> None:
    with records.begin() as work:
        work.tickets.save(ticket())
        longer = ticket(events=(event(), event(TicketAction.UPDATED, 5)), findings=2)
        work.tickets.save(longer)
        work.tickets.save(longer)
        assert work.tickets.get("T-1") == longer


def test_tickets_save_when_it_changed_meanwhile_refuses(records: SqlRecords) -> None:
    with records.begin() as work:
        work.tickets.save(ticket(events=(event(), event(TicketAction.UPDATED, 5))))
    with pytest.raises(ConflictError, match="changed meanwhile"), records.begin() as work:
        work.tickets.save(ticket())


def test_tickets_unsettled_and_settled_since(records: SqlRecords) -> None:
    with records.begin() as work:
        for n, state in enumerate(TicketState):
            settled = NOON + timedelta(hours=n) if state in ("resolved", "verified", "closed") else None
            work.tickets.save(ticket(f"T-{n}", state=state, resolved_at=settled))
        assert [t.ticket_id for t in work.tickets.unsettled()] == ["T-0", "T-1", "T-2"]
        assert [t.ticket_id for t in work.tickets.settled_since(NOON + timedelta(hours=4))] == ["T-4", "T-5"]


def test_tickets_page_newest_first_with_every_filter(records: SqlRecords) -> None:
    many = [
        ticket(
            f"T-{n:02}",
            opened_at=NOON + timedelta(minutes=n // 2),
            severity=list(Severity)[n % 4],
            state=list(TicketState)[n % 6],
            station_id=f"SE-{n % 3}",
            asset=Asset(kind="cable", id=f"C-{n % 5}"),
        )
        for n in range(12)
    ]
    newest = many[::-1]
    with records.begin() as work:
        for one in many:
            work.tickets.save(one)

        def pages(**where: Any) -> list[Any]:
            return all_pages(lambda **page: work.tickets.page(**where, **page), 5)

        assert pages() == newest
        states = [TicketState.OPEN, TicketState.CLOSED]
        assert pages(states=states) == [t for t in newest if t.state in states]
        assert pages(states=[]) == []
        assert pages(severity=Severity.P1) == [t for t in newest if t.severity is Severity.P1]
        assert pages(asset="C-1") == [t for t in newest if t.asset.id == "C-1"]
        assert pages(station_id="SE-2") == [t for t in newest if t.station_id == "SE-2"]


def test_tickets_come_back_with_all_that_the_detector_and_people_said(records: SqlRecords) -> None:
    full = ticket(
        changes=(NOON, NOON + timedelta(minutes=7)),
        flapping_since=NOON,
        held_by="T-9",
        storm="storm-1",
        related=("T-3",),
        right_asset=Asset(kind="cable", id="C-1"),
        suspects=(Suspect(asset=Asset(kind="vehicle", id="tok"), share=1.0, why=("one vehicle only",)),),
        chart=Chart(label="Power", unit="W", series=(Series(name="SE-1", points=((NOON, 1.5),)),), normal=7.0),
    )
    with records.begin() as work:
        work.tickets.save(full)
        work.tickets.save(ticket("T-2", assignee="bo"))
        assert work.tickets.get("T-1") == full
        assert [t.ticket_id for t in work.tickets.page(storm="storm-1").items] == ["T-1"]
        assert [t.ticket_id for t in work.tickets.page(assignee="bo").items] == ["T-2"]


def test_labels_are_the_newest_verdicts(records: SqlRecords) -> None:
    def verdict(minute: int, word: str, **data: Any) -> TicketEvent:
        return event(TicketAction.VERDICT, minute, actor="eva", data={"verdict": word, **data})

    cable = {"kind": "cable", "id": "C-1"}
    wrong = apply_event(ticket("T-1"), verdict(3, "confirmed"))
    wrong = apply_event(wrong, verdict(5, "wrong_asset", right_asset=cable))
    right = apply_event(ticket("T-2", resolved_at=NOON), verdict(4, "confirmed"))
    with records.begin() as work:
        for one in (wrong, right, ticket("T-3")):
            work.tickets.save(one)
        assert [(x.ticket_id, x.verdict, x.right_asset) for x in work.tickets.labels(NOON)] == [
            ("T-2", "confirmed", Asset(kind="connector", id="SE-1/1")),
            ("T-1", "wrong_asset", Asset(kind="cable", id="C-1")),
        ]
        (late,) = work.tickets.labels(NOON + timedelta(minutes=5))
        assert (late.judged_by, late.judged_at, late.from_) == ("eva", NOON + timedelta(minutes=5), NOON)


def test_faults_are_those_that_ever_had_a_ticket(records: SqlRecords) -> None:
    with records.begin() as work:
        assert work.tickets.faults() == []
        for number, fault in enumerate(("offline", "no_power", "offline")):
            work.tickets.save(ticket(f"T-{number}", fault=fault))
        assert work.tickets.faults() == ["no_power", "offline"]


# Silences


def silence(silence_id: str, begin_h: float, end_h: float, **more: Any) -> Silence:
    return Silence(
        silence_id=silence_id,
        scope=SilenceScope.STATION,
        target="SE-1",
        from_=NOON + timedelta(hours=begin_h),
        until=NOON + timedelta(hours=end_h),
        reason="works",
        created_by="eva",
        created_at=NOON,
        **more,
    )


def test_silences_come_back_and_are_found_by_time(records: SqlRecords) -> None:
    one = silence("Q-1", 0, 2, fault="offline")
    two = silence("Q-2", 1, 9, ended_at=NOON + timedelta(hours=3), ended_by="bo")
    never = silence("Q-3", 5, 9, ended_at=NOON + timedelta(hours=4), ended_by="bo")
    with records.begin() as work:
        for each in (one, two, never):
            work.silences.save(each)
        assert [work.silences.get(x.silence_id) for x in (one, two, never)] == [one, two, never]
        assert work.silences.get("Q-9") is None

        def found(begin_h: float, end_h: float) -> list[str]:
            hours = (NOON + timedelta(hours=begin_h), NOON + timedelta(hours=end_h))
            return [x.silence_id for x in work.silences.overlapping(*hours)]

        assert found(-1, -0.5) == []
        assert found(0, 0) == ["Q-1"]
        assert found(1, 1) == ["Q-1", "Q-2"]
        assert found(2, 2) == ["Q-2"]
        assert found(3, 9) == []
        assert found(-1, 9) == ["Q-1", "Q-2"]
        assert all_pages(work.silences.page, 2) == [never, two, one]


# Usage


def test_usage_sums_ended_sessions_by_currency(records: SqlRecords) -> None:
    hour = timedelta(hours=1)
    with records.begin() as work:
        work.sessions.save(
            [
                ended("S-1", NOON + hour, "10"),
                ended("S-2", NOON + 2 * hour, "5.5", connector_id=2),
                ended("S-3", NOON + 3 * hour, cost=None),
                ended("S-4", NOON + 9 * hour),
                session("S-5"),
                ended("S-6", NOON + hour, "7", station_id="SE-2", cost=cost("7", currency="EUR")),
            ]
        )

        def rows(connector_id: int | None, *stations: str) -> set[tuple[str | None, int, Decimal]]:
            found = work.sessions.usage(stations, connector_id, from_=NOON, to=NOON + 8 * hour)
            return {(row.currency, row.sessions, row.excl_vat) for row in found}

        assert rows(None, "SE-1") == {("SEK", 2, Decimal("15.5")), (None, 1, Decimal(0))}
        assert rows(2, "SE-1") == {("SEK", 1, Decimal("5.5"))}
        assert ("EUR", 1, Decimal(7)) in rows(None, "SE-1", "SE-2")
        assert rows(None, "SE-9") == rows(None) == set()
        (row,) = work.sessions.usage(["SE-1"], 2, from_=NOON, to=NOON + 8 * hour)
        assert row.first_at == NOON + 1.5 * hour


# Tariffs

OCPI = {"id": "day", "currency": "SEK", "elements": [{"price_components": [{"type": "ENERGY", "price": 2.45}]}]}


def test_tariffs_put_makes_versions_only_of_changes(records: SqlRecords) -> None:
    later = NOON + timedelta(days=1)
    with records.begin() as work:
        first = work.tariffs.put("day", OCPI, now=NOON)
        assert (first.version, first.valid_from, first.ocpi) == (1, NOON, OCPI)
        assert work.tariffs.put("day", dict(reversed(OCPI.items())), now=later) == first
        second = work.tariffs.put("day", OCPI | {"currency": "EUR"}, now=later)
        assert (second.version, second.valid_from) == (2, later)
        other = work.tariffs.put("night", OCPI, now=NOON)
        assert work.tariffs.get("day") == second
        assert work.tariffs.get("day", 1) == first
        assert work.tariffs.get("day", 3) is None
        assert work.tariffs.get("never") is None
        assert work.tariffs.newest() == [second, other]


def test_tariffs_put_keeps_decimals_as_numbers(records: SqlRecords) -> None:
    with records.begin() as work:
        put = work.tariffs.put("day", {"price": Decimal("2.45")}, now=NOON)
        assert put.ocpi == {"price": 2.45}
        assert work.tariffs.put("day", {"price": 2.45}, now=NOON).version == 1


def test_assignments_are_replaced_as_a_whole(records: SqlRecords) -> None:
    some = [
        Assignment(tariff_id="day", scope="default"),
        Assignment(tariff_id="night", scope="connector", target="SE-1/1", valid_from=NOON, valid_to=NOON),
    ]
    with records.begin() as work:
        work.tariffs.save_assignments(some)
        assert work.tariffs.assignments() == some
        work.tariffs.save_assignments(some[1:])
        assert work.tariffs.assignments() == some[1:]
        work.tariffs.save_assignments([])
        assert work.tariffs.assignments() == []


# Tokens, drivers, people


def test_tokens_and_drivers_come_back_as_they_were(records: SqlRecords) -> None:
    full = Token(
        token="tok_b", label="••••B2", kind=TokenKind.APP, driver_id="anna", group_id="G",
        status=AuthorizationStatus.EXPIRED,
        expires_at=NOON,
    )  # fmt: skip
    bare = Token(token="tok_a", label="••••")
    anna = Driver(driver_id="anna", name="Anna Åberg", email="anna@example.com", phone="+46", plan="fleet")
    with records.begin() as work:
        work.tokens.save([full, bare])
        work.tokens.save_drivers([anna, Driver(driver_id="bo")])
        assert work.tokens.get("tok_b") == full
        assert work.tokens.get("tok_c") is None
        assert work.tokens.all() == [bare, full]
        assert work.tokens.driver("anna") == anna
        assert work.tokens.driver("bo") == Driver(driver_id="bo")
        assert work.tokens.driver("cid") is None


def test_people_come_back_as_they_were(records: SqlRecords) -> None:
    anna = User(name="anna", role="driver", password_hash="$argon2id$", driver_id="anna", disabled=True)
    token = ApiToken(name="grafana", role="viewer", token_hash="ab", created_at=NOON)
    with records.begin() as work:
        work.people.save_user(anna)
        work.people.save_user(User(name="aa", role="viewer", password_hash="x"))
        work.people.save_user(changed(anna, disabled=False))
        assert work.people.user("anna") == changed(anna, disabled=False)
        assert work.people.user("zoe") is None
        assert [user.name for user in work.people.users()] == ["aa", "anna"]
        work.people.save_api_token(token)
        assert work.people.api_token("ab") == token
        work.people.save_api_token(changed(token, token_hash="cd"))
        assert work.people.api_token("ab") is None, "the former token of the name is revoked"
        assert work.people.api_token("cd") == changed(token, token_hash="cd")


def test_audit_newest_first(records: SqlRecords) -> None:
    items = [
        AuditItem(at=NOON, actor="bo", action="acknowledge", object=f"T-{n}", detail={"n": n}) for n in range(5)
    ]
    with records.begin() as work:
        for item in items:
            work.people.audit(item)
        assert all_pages(work.people.audit_page, 2) == items[::-1]


# What stations say of themselves


def variable(variable_id: str, value: str | None = "1", station_id: str = "SE-1") -> Variable:
    return Variable(
        station_id=station_id,
        variable_id=variable_id,
        component="EVSE \x00",
        component_instance="one",
        variable="Power",
        variable_instance="two",
        evse_id=1,
        connector_id=1001,
        attribute="MaxSet",
        value=value,
        mutability="ReadOnly",
        unit="W",
        reported_at=NOON,
    )


def test_inventory_keeps_the_newest_of_each_variable_in_order(records: SqlRecords) -> None:
    with records.begin() as work:
        work.inventory.save([variable("b"), variable("a"), variable("c"), variable("a", station_id="SE-2")])
        work.inventory.save([variable("b", None)])
        work.inventory.save([changed(variable("a", "2"), mutability=None, unit=None)])
        work.inventory.save([])
        first = work.inventory.page("SE-1", limit=2)
        assert first.items == (variable("a", "2"), variable("b", None))
        assert work.inventory.page("SE-1", after=first.next, limit=2) == Page(items=(variable("c"),))
        assert work.inventory.page("SE-2").items == (variable("a", station_id="SE-2"),)
        assert work.inventory.page("SE-3").items == ()


def test_security_log_keeps_each_event_once(records: SqlRecords) -> None:
    events = [
        SecurityEvent(
            event_id=f"E{n}",
            station_id=f"SE-{n % 2}",
            at=NOON + timedelta(seconds=n),
            received_at=NOON,
            event="TamperDetectionActivated",
            info="\x00" if n else None,
        )
        for n in range(5)
    ]
    with records.begin() as work:
        work.security_log.add(events)
        work.security_log.add([changed(events[0], info="again")])
        assert all_pages(work.security_log.page, 2) == events[::-1]
        assert work.security_log.page(station_id="SE-1").items == (events[3], events[1])


# Quarantine, positions, routes, detector


def test_quarantine_keeps_each_item_once(records: SqlRecords) -> None:
    items = [
        QuarantineItem(
            item_id=f"q{n}",
            station_id=f"SE-{n % 2}",
            received_at=NOON + timedelta(seconds=n),
            reason=QuarantineReason.UNKNOWN_ACTION if n else QuarantineReason.INVALID_PAYLOAD,
            detail="",
            raw='[2,"1","\x00"]',
        )
        for n in range(5)
    ]
    with records.begin() as work:
        assert work.quarantine.counts() == []
        work.quarantine.add(items)
        work.quarantine.add([changed(items[0], detail="again"), items[1]])
        assert all_pages(work.quarantine.page, 2) == items[::-1]
        assert work.quarantine.page(station_id="SE-1").items == (items[3], items[1])
        counts = [(c.reason.value, c.station_id, c.state.value, c.items) for c in work.quarantine.counts()]
        assert counts == [
            ("unknown_action", "SE-0", "open", 2),
            ("unknown_action", "SE-1", "open", 2),
            ("invalid_payload", "SE-0", "open", 1),
        ]
        assert work.quarantine.counts()[0].newest == items[4].received_at


def test_quarantine_keeps_what_became_of_an_item(records: SqlRecords) -> None:
    item = QuarantineItem(
        item_id="q",
        station_id="SE-1",
        received_at=NOON,
        reason=QuarantineReason.BAD_MQTT_PAYLOAD,
        detail="",
        raw="{}",
        kind=EntryKind.MQTT,
        topic="a/b",
        protocol="x",
    )
    with records.begin() as work:
        work.quarantine.add([item])
        assert work.quarantine.get("q") == item
        assert work.quarantine.get("other") is None
        settled = changed(
            item,
            state=QuarantineState.DISMISSED,
            settled_at=NOON,
            settled_by="erik",
            tried_at=NOON,
            outcome="a test",
        )
        work.quarantine.save([settled])
        assert work.quarantine.get("q") == settled
        assert work.quarantine.page(state=QuarantineState.OPEN).items == ()
        assert work.quarantine.page(state=QuarantineState.DISMISSED).items == (settled,)
        assert work.quarantine.page(reason=QuarantineReason.UNKNOWN_ACTION).items == ()


def test_commands_are_kept_by_station_id_and_time(records: SqlRecords) -> None:
    def command(number: int, **more: Any) -> SentCommand:
        sent_at = NOON + timedelta(seconds=number)
        given = {"command_id": "17", "station_id": "SE-1", "action": "Reset", "actor": "anna", "request": "{}"}
        return SentCommand(**{**given, "sent_at": sent_at, **more})

    kept = [
        command(0),
        command(1),
        command(2, command_id="18", token="tok_a", connector_id=0, remote_start_id=7),
        command(3, command_id="19", action="\x00 '", request="\ud800"),
    ]
    with records.begin() as work:
        work.commands.save([*kept, command(1, station_id="SE-2")])
        full = changed(
            kept[1],
            status=CommandStatus.ACCEPTED,
            said="{}",
            answered_at=NOON,
            late=True,
            token="tok_b",
            connector_id=2,
            remote_start_id=2**31,
            session_id="S-1",
        )
        work.commands.save([full])
        assert all_pages(partial(work.commands.page, "SE-1"), 2) == [kept[3], kept[2], full, kept[0]]
        assert work.commands.get("SE-1", "17") == full
        assert work.commands.get("SE-1", "20") is None
        assert work.commands.remote_starts("SE-1", NOON) == [kept[2], full]
        assert work.commands.remote_starts("SE-1", NOON + timedelta(seconds=2)) == [kept[2]]
        assert work.commands.of("SE-1", {"Reset"}, NOON + timedelta(seconds=1)) == [kept[2], full]
        assert work.commands.of("SE-1", {"GetLog"}, NOON) == work.commands.of("SE-1", (), NOON) == []


def test_positions_only_go_forward(records: SqlRecords) -> None:
    with records.begin() as work:
        assert work.positions.get("recorder") == {}
        work.positions.advance("recorder", 0, 5)
        work.positions.advance("recorder", 0, 2**53)
        work.positions.advance("recorder", 3, 1)
        work.positions.advance("detector", 0, 1)
        for sequence in (2**53, 1):
            with pytest.raises(ConflictError, match="partition 0"):
                work.positions.advance("recorder", 0, sequence)
    with records.read() as work:
        assert work.positions.get("recorder") == {0: 2**53, 3: 1}
        assert work.positions.get("detector") == {0: 1}


def test_routes_are_replaced_as_a_whole(records: SqlRecords) -> None:
    full = Route(
        route_id="night", urls=("mailto://bo:secret@example.com", "json://x"), sites=("depot",),
        severities=(Severity.P1, Severity.P2), escalate_after_s=600, hours="22:00-06:00", contacts=("eva",),
        rota="field", backup=True, quiet="22:00-06:00", escalate_p1_after_s=60, repeat_every_s=1800,
    )  # fmt: skip
    bare = Route(route_id="a")
    with records.begin() as work:
        work.routes.save([full, bare])
        assert work.routes.all() == [full, bare]
        work.routes.save([bare])
        assert work.routes.all() == [bare]


def test_deliveries_are_found_by_their_id(records: SqlRecords) -> None:
    tried = Delivery(
        delivery_id="d", ticket_id="T-1", route_id="a", event="opened", at=NOON, ok=False, detail="down"
    )
    with records.begin() as work:
        work.routes.record(tried)
        assert work.routes.delivery("d") == tried
        work.routes.record(changed(tried, ok=True, detail=""))
        assert work.routes.delivery("d") == changed(tried, ok=True, detail="")
        assert work.routes.delivery("e") is None


def test_deliveries_of_tickets_come_oldest_first(records: SqlRecords) -> None:
    made = [
        Delivery(
            delivery_id=f"d{number}", ticket_id=f"T-{number % 2}", route_id="a", contact="eva", number=1,
            way="mailto", event="opened", at=NOON - timedelta(seconds=number), ok=True, tries=2, tickets=3,
        )
        for number in range(4)
    ]  # fmt: skip
    with records.begin() as work:
        for delivery in made:
            work.routes.record(delivery)
        assert work.routes.deliveries(["T-1"]) == [made[3], made[1]]
        assert work.routes.deliveries(["T-0", "T-1", "T-2"]) == made[::-1]
        assert work.routes.deliveries([]) == []


def test_contacts_and_rotas_are_replaced_as_a_whole(records: SqlRecords) -> None:
    rota = Rota(
        rota_id="field", contacts=("eva", "bo"), first=date(2026, 11, 2), hand_over=time(8), turn_days=7,
        timezone="Europe/Stockholm",
        stand_ins=(StandIn(begin=NOON, end=NOON + timedelta(days=1), contact="bo"),),
    )  # fmt: skip
    people = (
        Contact(contact_id="eva", name="Eva", urls=("mailto://eva:secret@example.com",)),
        Contact(contact_id="bo", name="Bo", urls=()),
    )
    with records.begin() as work:
        assert work.routes.on_call() == OnCall()
        work.routes.save_on_call(OnCall(contacts=people, rotas=(rota,)))
        assert work.routes.on_call() == OnCall(contacts=people, rotas=(rota,))
        work.routes.save_on_call(OnCall(contacts=people[1:]))
        assert work.routes.on_call() == OnCall(contacts=people[1:])


def test_detector_states_and_models(records: SqlRecords) -> None:
    everything = bytes(range(256))
    with records.begin() as work:
        work.detector.save({})
        work.detector.save({"SE-1": everything, "SE-2": b""})
        work.detector.save({"SE-2": b"new"})
        assert work.detector.load() == {"SE-1": everything, "SE-2": b"new"}
        assert work.detector.model("forest") is None
        assert work.detector.save_model("forest", b"one", {"rows": 7}, now=NOON) == 1
        assert work.detector.save_model("forest", everything, {}, now=NOON) == 2
        assert work.detector.save_model("other", b"x", {}, now=NOON) == 1
        assert work.detector.model("forest") == everything
        for version in range(3, 7):
            assert work.detector.save_model("forest", str(version).encode(), {}, now=NOON) == version
        assert work.detector.model("forest") == b"6"
        assert work.detector.model("other") == b"x"


def test_rows_to_learn_from_are_read_page_by_page_and_forgotten(records: SqlRecords) -> None:
    with records.begin() as work:
        for n in range(5):
            work.detector.keep_rows("day-AC", bytes([n]), until=NOON + timedelta(hours=n))
        work.detector.keep_rows("day-DC", b"other", until=NOON)
    with records.read() as work:
        first = work.detector.rows("day-AC", since=NOON + timedelta(hours=1), limit=2)
        assert [data for _, data in first] == [b"\1", b"\2"]
        rest = work.detector.rows("day-AC", since=NOON, after=first[-1][0])
        assert [data for _, data in rest] == [b"\3", b"\4"]
    with records.begin() as work:
        assert work.detector.forget_rows(before=NOON + timedelta(hours=3)) == 4
        assert [data for _, data in work.detector.rows("day-AC", since=NOON)] == [b"\3", b"\4"]


def test_times_at_the_ends_of_the_calendar(records: SqlRecords) -> None:
    ends = [datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC)]
    with records.begin() as work:
        work.sessions.save([session(f"S-{n}", started_at=at) for n, at in enumerate(ends)])
        assert [s.started_at for s in work.sessions.recent("SE-1", None, 9)] == ends[::-1]


def test_tokens_on_local_lists_come_back_with_their_id_tags(records: SqlRecords) -> None:
    first, second = Token(token="tok_a", label="A"), Token(token="tok_b", label="B")
    with records.begin() as work:
        work.tokens.save([first, second])
        assert (work.tokens.list_version(), work.tokens.listed_names()) == (0, set())
        work.tokens.put_on_list({"tok_a": "04A2Å", "tok_b": "B"}, 7)
        work.tokens.put_on_list({"tok_b": "B", "tok_nobody": "X"}, 9)
    with records.read() as work:
        assert work.tokens.listed() == [
            ListedToken(token=first, id_tag="04A2Å", listed=7),
            ListedToken(token=second, id_tag="B", listed=9),
        ]
        assert (work.tokens.list_version(), work.tokens.listed_names()) == (9, {"tok_a", "tok_b"})
    with records.begin() as work:
        work.tokens.save([first])  # a change keeps its place on the list
        assert work.tokens.list_version() == 9
        work.tokens.clear_list()
        assert (work.tokens.list_version(), work.tokens.listed()) == (0, [])


def test_vehicle_announced_last_at_a_connector_or_its_station(records: SqlRecords) -> None:
    def seen(connector_id: int, token: str, minute: int) -> VehicleSeen:
        at = NOON + timedelta(minutes=minute)
        return VehicleSeen(station_id="SE-1", connector_id=connector_id, token=token, seen_at=at)

    with records.begin() as work:
        for vehicle in (seen(1, "tok_old", 0), seen(1, "tok_a", 1), seen(0, "tok_b", 2), seen(2, "tok_c", 3)):
            work.tokens.saw_vehicle(vehicle)
        assert work.tokens.vehicle("SE-1", 1) == seen(0, "tok_b", 2)
        assert work.tokens.vehicle("SE-1", 2) == seen(2, "tok_c", 3)
        assert work.tokens.vehicle("SE-2", 1) is None


def test_bare_stations_are_all_without_their_connectors(records: SqlRecords) -> None:
    with records.begin() as work:
        work.stations.save([full_station(), Station(station_id="SE-0")])
        assert work.stations.bare() == [
            msgspec.structs.replace(station, connectors=()) for station in work.stations.all()
        ]


def _change(connector_id: int, hour: float, status: ConnectorState = ConnectorState.AVAILABLE) -> Transition:
    at = NOON + timedelta(hours=hour)
    return Transition(station_id="SE-1", connector_id=connector_id, at=at, status=status, connected=True)


def test_what_connectors_did_comes_in_order_and_with_what_stood_before(records: SqlRecords) -> None:
    changes = [_change(2, 1), _change(1, 1), _change(1, 0), _change(1, -3), _change(1, -5), _change(2, -4)]
    with records.begin() as work:
        work.history.add(changes)
        work.history.add([_change(1, 1, ConnectorState.FAULTED)])  # of two at one time the last one stands
        assert work.history.between(NOON, NOON + timedelta(hours=2)) == [
            _change(1, 0),
            _change(1, 1, ConnectorState.FAULTED),
            _change(2, 1),
        ]
        assert work.history.between(NOON, NOON + timedelta(hours=1)) == [_change(1, 0)]
        before = work.history.last_before(NOON)
        assert sorted(before, key=lambda t: t.connector_id) == [_change(1, -3), _change(2, -4)]


def test_old_changes_are_forgotten_but_for_what_stood_then(records: SqlRecords) -> None:
    changes = [_change(1, -9), _change(1, -5), _change(1, -3), _change(1, 0), _change(2, -900), _change(3, -2)]
    with records.begin() as work:
        work.history.add([*changes, _change(3, -1)])
        assert work.history.forget(NOON - timedelta(hours=1)) == 3
        assert work.history.between(NOON - timedelta(hours=1000), NOON + timedelta(hours=1)) == [
            _change(2, -900),
            _change(1, -3),
            _change(3, -1),
            _change(1, 0),
        ]
        assert work.history.forget(NOON - timedelta(hours=1)) == 0
