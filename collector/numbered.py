"""The life of an OCPP 2.x transaction as pure functions. Its events are numbered and may come late, twice and in
any order (2.0.1 part 2 E): the steps here give the same figures in any order, so nothing waits for a gap to fill.

Start register: Transaction.Begin, or the first heard of. Stop register: Transaction.End, or the last one. `settle`
works energy out of what is known so far.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from msgspec.structs import replace

from collector import sessions as life
from collector.quality import (
    CLOSED_WITHOUT_STOP,
    FELL,
    MISLABELLED,
    MISSING,
    NO_START_REGISTER,
    NO_STOP_REGISTER,
    NO_UNIT,
    START_UNHEARD,
    STOP_BELOW_READ,
    STOP_BELOW_START,
    TOO_FAST,
    closed_by_us,
    doubt,
    forgive,
    possible,
)
from laddvakt.domain.facts import TransactionReported, TransactionStarted, TransactionStopped
from laddvakt.domain.ids import session_id
from laddvakt.domain.readings import Reading
from laddvakt.domain.sessions import Quality, Session, SessionState
from laddvakt.domain.stations import Station

_MOST_WH = 2.0**53  # beyond it no meter counts
_MAX_RANGES = 50  # of numbers heard; a station that counts at random is not followed further

Ranges = list[tuple[int, int]]


def is_numbered(session: Session) -> bool:
    """Whether the session is one of OCPP 2.x."""
    return session.event_numbers is not None


def is_another(known: Session, fact: TransactionStarted) -> bool:
    """Whether a start uses the id of a transaction that was over before."""
    heard = START_UNHEARD not in known.quality_reasons
    return heard and known.ended_at is not None and fact.at > known.ended_at


# Numbers heard, as "0-4 6": small, and readable in the session.


def ranges_of(text: str) -> Ranges:
    """The ranges of a text like "0-4 6"."""
    pairs = (part.partition("-") for part in text.split())
    return [(int(first), int(last or first)) for first, _, last in pairs]


def _text(ranges: Ranges) -> str:
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def with_number(text: str, number: int) -> str:
    """`text` with one number more. The schemas allow negative ones; those count nothing."""
    if number < 0:
        return text
    merged: Ranges = []
    for first, last in sorted([*ranges_of(text), (number, number)]):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return _text(merged) if len(merged) <= _MAX_RANGES else text


def missing_numbers(text: str) -> str:
    """The numbers between those heard, as a text of the same kind."""
    ranges = ranges_of(text)
    return _text([(a[1] + 1, b[0] - 1) for a, b in pairwise(ranges)])


# The steps.


def opened(fact: TransactionReported, station: Station, driver: life.Driver) -> Session:
    """A session from an event of a transaction whose start was not heard (yet)."""
    session = Session(
        session_id=session_id(station.station_id, fact.transaction_id, fact.at),
        station_id=station.station_id,
        connector_id=0,
        site_id=station.site_id,
        transaction_id=fact.transaction_id,
        token=driver.token,
        token_kind=driver.kind,
        driver_id=driver.driver_id,
        started_at=fact.at,
        charging_type=station.current,
        event_numbers="",
    )
    return doubt(session, Quality.ESTIMATED, START_UNHEARD)


def with_start(session: Session, fact: TransactionStarted, driver: life.Driver) -> Session:
    """The session after its start, which came late."""
    if START_UNHEARD not in session.quality_reasons:
        return session  # a repetition
    session = life.refused(forgive(session, START_UNHEARD), fact.refused)
    session = life.with_driver(replace(session, started_at=fact.at), driver)
    if session.ended_at is not None:
        session = replace(session, ended_at=max(session.ended_at, fact.at))
    if fact.meter_start_wh is not None:
        session = _with_start_register(session, fact.meter_start_wh)
    return _timed(session, session.last_reading_at or fact.at)


def heard(session: Session, fact: TransactionReported, station: Station) -> Session:
    """The session after one more of its events: numbers, place, state."""
    numbers = with_number(session.event_numbers or "", fact.seq_no)
    session = forgive(session, *(known for known in session.quality_reasons if known.startswith(MISSING)))
    missing = missing_numbers(numbers)
    if missing:
        session = doubt(session, Quality.ESTIMATED, MISSING + missing)
    session = replace(session, event_numbers=numbers)
    if not session.connector_id and fact.connector_id:
        connector = station.connector(fact.connector_id)
        cable_id = connector.cable_id if connector else None
        session = replace(session, connector_id=fact.connector_id, evse_id=fact.evse_id, cable_id=cable_id)
    if START_UNHEARD in session.quality_reasons and fact.at < session.started_at:
        session = replace(session, started_at=fact.at)
    fresh = session.last_reading_at is None or fact.at >= session.last_reading_at
    if fact.charging_state is not None and fresh:
        session = life.follow_status(session, fact.charging_state, fact.at)
    return session


def resumed(session: Session, fact: TransactionReported) -> Session:
    """The session open again: we closed it by estimate, and the station goes on with it."""
    if session.ended_at is None or fact.event != "Updated" or fact.at <= session.ended_at:
        return session
    return life.resume(session)


def measure(session: Session, readings: tuple[Reading, ...], max_power_w: float | None) -> Session:
    """The session after readings. An ended one takes late ones from before its end, and no state from them."""
    by_time: dict[datetime, list[Reading]] = {}
    for reading in readings:
        if session.ended_at is None or reading.at <= session.ended_at or closed_by_us(session):
            by_time.setdefault(reading.at, []).append(reading)
    for at in sorted(by_time):
        if START_UNHEARD in session.quality_reasons and at < session.started_at:
            session = replace(session, started_at=at)
        before = session
        for reading in by_time[at]:
            if (
                reading.field == "energy_wh"
                and reading.location in ("", "Outlet")
                and abs(reading.value) <= _MOST_WH
            ):
                session = _register(session, reading, max_power_w)
        if before.last_reading_at is None or at >= before.last_reading_at:
            session = _live(before, session, by_time[at], at)
    return settle(session, max_power_w)


def end(session: Session, fact: TransactionStopped, max_power_w: float | None) -> Session:
    """The session after its end. A second end changes nothing."""
    if session.state is SessionState.ENDED and not closed_by_us(session):
        return session
    session = life.ended(forgive(session, CLOSED_WITHOUT_STOP), fact.at, fact.reason)
    if fact.meter_stop_wh is None:
        session = doubt(session, Quality.ESTIMATED, NO_STOP_REGISTER)
    stop = fact.meter_stop_wh if session.meter_stop_wh is None else session.meter_stop_wh
    return settle(replace(session, meter_stop_wh=stop), max_power_w)


def settle(session: Session, max_power_w: float | None) -> Session:
    """Energy from the registers known so far; what cannot be is not used, and said."""
    start, last, stop = session.meter_start_wh, session.meter_last_wh, session.meter_stop_wh
    if start is None:
        return session
    rise = 0.0 if last is None else last - start
    if stop is not None:
        of_stop, at = float(stop - start), session.ended_at or session.last_reading_at or session.started_at
        if of_stop < 0:
            session = doubt(session, Quality.SUSPECT, STOP_BELOW_START)
        elif possible(session, of_stop, at, max_power_w):
            if of_stop < rise - 1:
                session = doubt(session, Quality.SUSPECT, STOP_BELOW_READ)
            rise = of_stop
        else:
            session = doubt(session, Quality.SUSPECT, TOO_FAST)
            if MISLABELLED in session.quality_reasons:
                rise = of_stop / 1000
    return replace(session, energy_wh=max(0, round(rise)))


def _with_start_register(session: Session, value: float) -> Session:
    return forgive(replace(session, meter_start_wh=round(value)), NO_START_REGISTER)


def _register(session: Session, reading: Reading, max_power_w: float | None) -> Session:
    session, value = _in_wh(session, reading, max_power_w)
    start, last = session.meter_start_wh, session.meter_last_wh
    guessed = start is None or NO_START_REGISTER in session.quality_reasons
    if reading.context == "Transaction.Begin" and guessed:
        session = _with_start_register(session, value)
        return session if last is not None else replace(session, meter_last_wh=value)
    if start is None:
        session = replace(session, meter_start_wh=round(value), meter_last_wh=value)
        return doubt(session, Quality.ESTIMATED, NO_START_REGISTER)
    rise = value - start
    if rise < 0 and guessed and last is not None:
        below = possible(session, last - value, session.last_reading_at or reading.at, max_power_w)
        return replace(session, meter_start_wh=round(value)) if below else session
    if last is not None and value < last:
        in_order = session.last_reading_at is None or reading.at >= session.last_reading_at
        in_order = in_order and reading.context != "Transaction.End"  # `settle` judges that one
        fell = in_order and value < last - 1  # below the resolution it is rounding
        return doubt(session, Quality.ESTIMATED, FELL) if fell else session
    if possible(session, rise, reading.at, max_power_w):
        stop = round(value) if reading.context == "Transaction.End" else session.meter_stop_wh
        return replace(session, meter_last_wh=value, meter_stop_wh=stop)
    thousandth = reading.factor == 1000 and possible(session, rise / 1000, reading.at, max_power_w)
    return doubt(session, Quality.SUSPECT, MISLABELLED if thousandth else TOO_FAST)


def _in_wh(session: Session, reading: Reading, max_power_w: float | None) -> tuple[Session, float]:
    """The register in Wh. Some stations name kWh with each value but the last, which by default is Wh."""
    start, last = session.meter_start_wh, session.meter_last_wh
    if reading.factor or start is None or last is None:
        return session, reading.value

    def fits(value: float) -> bool:
        return value >= last - 1 and possible(session, value - start, reading.at, max_power_w)

    if fits(reading.value) or not fits(reading.value * 1000):
        return session, reading.value
    return doubt(session, Quality.ESTIMATED, NO_UNIT), reading.value * 1000


def _live(before: Session, session: Session, moment: list[Reading], at: datetime) -> Session:
    """Power and charge of now, and the times."""
    session = _timed(replace(session, last_reading_at=at), at)
    if session.state is SessionState.ENDED:
        return session
    power = life.power_of(before, moment, session.meter_last_wh, at)
    soc = next((r.value for r in moment if r.field == "soc_pct"), session.soc_pct)
    return replace(session, power_w=session.power_w if power is None else power, soc_pct=soc)


def _timed(session: Session, until: datetime) -> Session:
    until = session.ended_at or until
    seconds = int((until - session.started_at).total_seconds())
    ended = session.state is SessionState.ENDED
    return replace(session, duration_s=max(0, seconds) if ended else max(session.duration_s, seconds))
