"""A connector says that it charges, and nothing flows."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from detector.attempts import of_session
from detector.attribution import attribute
from detector.rules import meter_frozen
from detector.rules.base import (
    Rule,
    Scope,
    Standing,
    Subject,
    Threshold,
    Thresholds,
    Verdict,
    Wake,
    place,
)
from detector.view import ConnectorView, Power, SessionEnded, SessionView
from detector.vocabulary import Lean
from laddvakt.domain.attempts import GOOD_WH, Outcome
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import Evidence, Finding, Severity

_MAX_EPISODES = 8
_PHASE_VOLTAGE_V = 230.0
_CHARGES_A = 3.0  # more than a vehicle's electronics and a meter's noise


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NOT_CHARGING = "not_charging"  # no session, or a status other than Charging; SuspendedEV is the vehicle's wish
    STATUS_UNKNOWN = "status_unknown"  # nothing said since the link came back
    RAMP = "ramp"  # the first seconds of charging
    NO_POWER_VALUES = "no_power_values"  # the station does not say enough to judge
    POWER_FLOWS = "power_flows"  # power flowed in this session: what follows is taper, pause or a full battery
    BATTERY_FULL = "battery_full"  # state of charge at the top
    LIMITED = "limited"  # the station offers less than a vehicle may draw: a legitimate pause
    WAITING = "waiting"  # low, not yet long enough
    ONE_VEHICLE = "one_vehicle"  # evidence about the vehicle, not yet about the station
    SEVERAL_VEHICLES = "several_vehicles"  # nothing flowed into several vehicles


class Episode(msgspec.Struct, frozen=True):
    """One session in which nothing flowed. `good`: sessions that charged since the episode before."""

    vehicle: str
    transaction: str
    since: datetime
    at: datetime
    watts: float
    good: int = 0
    brief: bool = False  # the driver gave up before the time that proves it


class Run(msgspec.Struct, frozen=True):
    """Samples in a row, up to now, in which nothing flowed."""

    transaction: str
    since: datetime
    until: datetime
    samples: int
    watts: float  # the highest of them
    by_register: bool  # at least one was worked out from the energy register


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """Episodes, oldest first, and the run that may become the next. `good`: sessions in a row since the last of
    them in which power flowed; `flowed`: the last of these. `held`: a finding is due."""

    episodes: tuple[Episode, ...] = ()
    run: Run | None = None
    good: int = 0
    flowed: str = ""
    held: bool = False

    @property
    def vehicles(self) -> int:
        return len({episode.vehicle for episode in self.episodes})


class _Session(NamedTuple):
    """What the running session says: a reason, when to look again, the run so far, its episode once it is one."""

    reason: Reason
    check_at: datetime | None = None
    run: Run | None = None
    episode: Episode | None = None


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    for session in subject.news.ended:
        memory = _ended(memory, session, subject, thresholds)
    judged = _judge(subject, memory.run, thresholds, now)
    memory = msgspec.structs.replace(memory, run=judged.run)
    session_now = subject.connector.session if subject.connector is not None else None
    if judged.reason is Reason.POWER_FLOWS and session_now is not None:
        memory = _flows(memory, session_now.transaction_id, thresholds)
    if judged.episode is not None:
        memory = _nothing(memory, judged.episode)
    memory = _settled(memory, thresholds, now)
    return Verdict(
        standing=Standing.MET if memory.held else Standing.NOT_MET,
        reason=Reason.SEVERAL_VEHICLES if memory.held else judged.reason,
        check_at=judged.check_at,
        memory=memory if memory != Memory() else None,
    )


def _ended(memory: Memory, session: SessionEnded, subject: Subject, thresholds: Thresholds) -> Memory:
    """A driver who gave up: it said Charging all the time, and nothing flowed."""
    attempt, connector = of_session(session), subject.connector
    if attempt is not None and attempt.outcome.started:
        return _flows(memory, session.transaction_id, thresholds)
    if attempt is None or attempt.outcome is not Outcome.NO_POWER or session.charging_s < thresholds["brief_s"]:
        return memory
    if connector is None or _limited(connector, session.started_at, thresholds):
        return memory
    brief = Episode(
        session.vehicle,
        session.transaction_id,
        session.started_at,
        session.ended_at,
        session.power_max_w,
        brief=True,
    )
    return _nothing(memory, brief)


def _flows(memory: Memory, transaction: str, thresholds: Thresholds) -> Memory:
    """A session that charges; enough of them in a row, and what was before is over."""
    if not memory.episodes or memory.flowed == transaction:
        return memory
    good = memory.good + 1
    if good >= thresholds["good_sessions"] and memory.held:
        return Memory(run=memory.run)
    return msgspec.structs.replace(memory, good=good, flowed=transaction)


def _nothing(memory: Memory, episode: Episode) -> Memory:
    """One more, unless it is known already."""
    known = memory.episodes
    if episode.transaction in {one.transaction for one in known} or episode.transaction == memory.flowed:
        return memory
    episode = msgspec.structs.replace(episode, good=memory.good)
    return msgspec.structs.replace(memory, episodes=(*known[-(_MAX_EPISODES - 1) :], episode), good=0)


def _settled(memory: Memory, thresholds: Thresholds, now: datetime) -> Memory:
    """Old ones are forgotten; what the others amount to."""
    if not memory.episodes:
        return memory
    oldest = now - timedelta(hours=thresholds["window_h"])
    episodes = tuple(episode for episode in memory.episodes if episode.at >= oldest)
    if not episodes:
        return Memory(run=memory.run)
    held = memory.held or (memory.good == 0 and _too_many(episodes, thresholds))
    if held is memory.held and len(episodes) == len(memory.episodes):
        return memory
    return msgspec.structs.replace(memory, episodes=episodes, held=held)


def _too_many(episodes: tuple[Episode, ...], thresholds: Thresholds) -> bool:
    """With two vehicles in turn; or, where power flowed now and then between, with three of the last sessions."""
    vehicles: set[str] = set()
    sessions, proven, between = 0, False, False
    for episode in reversed(episodes):
        vehicles.add(episode.vehicle)
        sessions, proven = sessions + 1, proven or not episode.brief
        enough = thresholds["often" if between or not proven else "vehicles"]
        if len(vehicles) >= enough and sessions <= thresholds["among"]:
            return True
        sessions, between = sessions + episode.good, between or episode.good > 0
    return False


def _judge(subject: Subject, run: Run | None, thresholds: Thresholds, now: datetime) -> _Session:
    connector = subject.connector
    session = connector.session if connector is not None else None
    if connector is None or session is None:
        return _Session(Reason.NOT_CHARGING)
    if _flowed(session, thresholds):
        return _Session(Reason.POWER_FLOWS)
    if connector.status is not ConnectorState.CHARGING:
        return _Session(Reason.NOT_CHARGING)
    if connector.status_since is None or not subject.view.status_is_news(connector):
        return _Session(Reason.STATUS_UNKNOWN)
    begun = max(session.started_at, connector.status_since) + timedelta(seconds=thresholds["ramp_s"])
    if now < begun:
        return _Session(Reason.RAMP, begun)
    if (connector.value("soc_pct", not_before=session.started_at) or 0.0) >= thresholds["full_soc_pct"]:
        return _Session(Reason.BATTERY_FULL)
    if _limited(connector, session.started_at, thresholds):
        return _Session(Reason.LIMITED)
    if connector.power is None:
        return _Session(Reason.NO_POWER_VALUES)
    return _low(session, _follow(subject, session, run, thresholds, begun), thresholds, now)


def _flowed(session: SessionView, thresholds: Thresholds) -> bool:
    """By power, or by what contradicts a power told in the wrong unit: current, or energy that was counted."""
    by_power = session.power_max_w >= thresholds["flow_w"]
    return by_power or session.current_max_a >= _CHARGES_A or session.energy_wh >= GOOD_WH


def _limited(connector: ConnectorView, since: datetime, thresholds: Thresholds) -> bool:
    offered_a = connector.value("current_offered_a", not_before=since)
    if offered_a is not None and offered_a < thresholds["limit_a"]:
        return True
    offered_w = connector.value("power_offered_w", not_before=since)
    return offered_w is not None and offered_w < thresholds["limit_a"] * _PHASE_VOLTAGE_V


def _follow(
    subject: Subject, session: SessionView, run: Run | None, thresholds: Thresholds, begun: datetime
) -> Run | None:
    """The run after the samples that came since."""
    if run is not None and (run.transaction != session.transaction_id or run.since < begun):
        run = None
    for sample in subject.news.samples:
        power = sample.power
        if (
            power is None
            or sample.transaction != session.transaction_id
            or power.at < begun
            or (run is not None and power.at <= run.until)
        ):
            continue
        run = None if power.watts >= thresholds["below_w"] else _longer(run, power, session)
    return run


def _longer(run: Run | None, power: Power, session: SessionView) -> Run:
    by_register = power.basis == "register"
    if run is None:
        return Run(session.transaction_id, power.at, power.at, 1, power.watts, by_register)
    return msgspec.structs.replace(
        run,
        until=power.at,
        samples=run.samples + 1,
        watts=max(run.watts, power.watts),
        by_register=run.by_register or by_register,
    )


def _low(session: SessionView, run: Run | None, thresholds: Thresholds, now: datetime) -> _Session:
    if run is None or run.samples < 2:
        return _Session(Reason.WAITING, run=run)
    enough = timedelta(seconds=thresholds["register_persist_s" if run.by_register else "persist_s"])
    seen_until = run.until if run.by_register else now
    if seen_until - run.since < enough:
        return _Session(Reason.WAITING, None if run.by_register else run.since + enough, run)
    episode = Episode(session.vehicle_key, session.transaction_id, run.since, now, run.watts)
    return _Session(Reason.ONE_VEHICLE, run=run, episode=episode)


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    episodes: tuple[Episode, ...] = memory.episodes
    vehicles = [episode.vehicle for episode in episodes]
    blame = attribute(subject, vehicles, now, lean=Lean.STATION, least=0.8)
    return RULE.finding(
        subject,
        now,
        blame=blame,
        since=episodes[0].since,
        probable_cause="The contactor does not close, or a fuse, phase or wire behind it is open.",
        explanation=f"{place(subject)} says Charging, but nothing flowed into {memory.vehicles} vehicles.",
        evidence=tuple(
            Evidence(
                label=f"Power, vehicle {number}",
                value=f"{episode.watts:.0f} W",
                threshold=f"{thresholds['below_w']:.0f} W",
                at=episode.at,
            )
            for number, episode in enumerate(episodes[-4:], start=1)
        ),
    )


RULE = Rule(
    code="no_power",
    title="Charging without power",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P2,
    mrec=("CX017",),
    thresholds=(
        Threshold(name="below_w", default=50, unit="W", doc="power that counts as none"),
        Threshold(name="flow_w", default=500, unit="W", doc="power that proves the connector good"),
        Threshold(
            name="persist_s", default=90, unit="s", doc="how long there must be none, in two samples or more"
        ),
        Threshold(
            name="register_persist_s",
            default=1200,
            unit="s",
            doc="the same where only the energy register tells; it may count in whole kilowatt-hours",
        ),
        Threshold(name="limit_a", default=6, unit="A", doc="an offer below this is a pause (IEC 61851-1)"),
        Threshold(name="ramp_s", default=120, unit="s", doc="the first seconds of charging, not judged"),
        Threshold(name="full_soc_pct", default=95, unit="%", doc="state of charge from which nothing need flow"),
        Threshold(name="vehicles", default=2, unit="vehicles", doc="vehicles that it must happen to in turn"),
        Threshold(
            name="often",
            default=3,
            unit="vehicles",
            doc="the same where others charged between, or where all drivers gave up early",
        ),
        Threshold(name="among", default=8, unit="sessions", doc="the last ones, which these must be among"),
        Threshold(
            name="brief_s", default=90, unit="s", doc="of Charging until a driver gives up, for a session to count"
        ),
        Threshold(name="good_sessions", default=2, unit="sessions", doc="in a row that charge, and clear"),
        Threshold(name="window_h", default=168, unit="h", doc="how long an episode counts"),
    ),
    clears="Power flows in two sessions in a row on the connector.",
    action="Measure behind the contactor; check fuses, contactor coil and its drive; replace the contactor.",
    doc=(
        "Charging with less than 50 W for 90 s although at least 6 A are offered, for two vehicles in turn with "
        "no good session between them; or, for a contactor that closes now and then, for three among the last "
        "eight sessions. A driver who gives up after 90 s of Charging without power counts as well, if at least "
        "one other waited longer, or three gave up. Not for SuspendedEV, a full battery, the first 120 s, a taper "
        "or pause after power has flowed, or a limit under 6 A. One vehicle is evidence about the vehicle."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.STATUS, Wake.SAMPLE, Wake.STARTED, Wake.ENDED, Wake.LINK}),
    charging=True,
    inhibited_by=("offline",),
    absorbed_by=("meter_frozen",),  # a dead line to the meter shows as no power; a register that stopped does not
    explained=lambda frozen, _own: frozen.probable_cause != meter_frozen.STOPPED,
)
