"""What the detector remembers of one station: the fold of its log entries (see `detector.fold`).

Views are the one mutable thing here: they are folded in place, thousands of times a second. Memory is bounded:
at most 64 connectors a station and 64 fields a connector; texts are cut at 500 characters. Samples are not kept:
rules are given each one as it comes and remember what they need.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import chain

import msgspec

from detector.profiles import Profiles
from laddvakt.domain.stations import ConnectorState

MAX_CONNECTORS = 64
MAX_FIELDS = 64
MAX_TEXT = 500
MAX_NAME = 64
LATE = timedelta(minutes=5)
"""A fact this much older than its receipt is history from a station's queue, not news."""
_LATE_S = LATE.total_seconds()

_CLOCK_RUN = timedelta(minutes=5)
_CLOCK_JITTER_S = 30.0


class Latest(msgspec.Struct, frozen=True):
    """The newest value of a field and when it was measured."""

    at: datetime
    value: float


class Power(msgspec.Struct, frozen=True):
    """Power at a moment. `basis`: `measured` (the station says it), `current` (current times voltage), or
    `register` (mean since the register reading before)."""

    at: datetime
    watts: float
    basis: str


class Register(msgspec.Struct, frozen=True):
    """One sample of the energy register within a session."""

    at: datetime
    wh: float


class Sample(msgspec.Struct, frozen=True, gc=False):
    """What one device measured of a connector at one moment: SI values by field (`laddvakt.domain.readings`),
    those away from the outlet as `location/field`. `power` is what flowed, worked out where it was not said; None
    for a sample out of order. `transaction` is the connector's session, "" outside any."""

    at: datetime
    values: dict[str, float]
    source: str  # ocpp or mqtt
    transaction: str
    power: Power | None = None
    currents: tuple[float, ...] = ()  # of the phases that are said, in amperes
    voltages: tuple[float, ...] = ()  # the same, phase to neutral (DC: of the output), in volts
    foreign: bool = False  # it names a transaction that is not the connector's session
    heard_at: datetime | None = None  # by our clock
    connector_id: int = 0  # whose meter; 0: the station's


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One feature that made a window look odd: how far off (in robust standard deviations), what it was, what is
    normal, and its share of the whole."""

    feature: str
    z: float
    value: float
    normal: float
    share: float
    current_a: float
    against: str = ""  # whose normal it is: `this model`, or `this connector` where its own past is another


class Lean(msgspec.Struct, frozen=True):
    """How unusual one feature is, and on which side: -ln p of its share in the score, positive above normal and
    negative below it. `cause` where that is worth words."""

    feature: str
    evidence: float
    cause: Cause | None = None


class ScoredWindow(msgspec.Struct, frozen=True, kw_only=True):
    """A model's judgement of five minutes of charging, of a session, or of a day (`span`)."""

    start: datetime
    transaction_id: str
    vehicle: str
    p_value: float
    flagged: bool
    causes: tuple[Cause, ...] = ()
    leans: tuple[Lean, ...] = ()  # of a session or a day: each feature that is known
    span: str = "window"


class Clock(msgspec.Struct, omit_defaults=True):
    """How far a station's clock is behind ours, learnt from messages that are late by the same amount for five
    minutes. A queue being emptied looks different: its lateness shrinks from message to message."""

    behind_s: float = 0.0
    run_since: datetime | None = None
    run_low_s: float = 0.0
    run_high_s: float = 0.0
    run_count: int = 0
    right_at: datetime | None = None  # when a message last had the right time

    def note(self, at: datetime, heard_at: datetime) -> None:
        if at == heard_at:
            return  # the message carried no time of its own, or an implausible one
        late_s = (heard_at - at).total_seconds()
        if abs(late_s) <= _CLOCK_JITTER_S:
            self.right_at = heard_at
        low, high = min(self.run_low_s, late_s), max(self.run_high_s, late_s)
        if self.run_since is None or high - low > _CLOCK_JITTER_S:
            self.run_since, self.run_low_s, self.run_high_s, self.run_count = heard_at, late_s, late_s, 1
            return
        self.run_low_s, self.run_high_s, self.run_count = low, high, self.run_count + 1
        if self.run_count >= 3 and heard_at - self.run_since >= _CLOCK_RUN:
            self.behind_s = low

    def late(self, at: datetime, heard_at: datetime) -> bool:
        """Whether what is said of `at` and heard at `heard_at` is history rather than news."""
        return (heard_at - at).total_seconds() - self.behind_s > _LATE_S


class Shown(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody asked to charge: at the station (Authorize), or from afar (a remote start). `vehicle` is the
    token's pseudonym; `connector_id` 0: not said."""

    at: datetime
    vehicle: str
    accepted: bool = True
    connector_id: int = 0


class SessionView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The session on a connector. `vehicle` is the pseudonym of the token that started it."""

    transaction_id: str
    vehicle: str | None
    started_at: datetime
    heard_at: datetime
    meter_start_wh: int | None = None
    register_first_wh: float | None = None
    register_last_wh: float | None = None
    energy_wh: float = 0.0
    power_max_w: float = 0.0
    register_location: str | None = None
    first_flow_at: datetime | None = None  # when power first flowed (over 100 W)
    current_max_a: float = 0.0  # of the fullest phase
    soc_first_pct: float | None = None
    soc_last_pct: float | None = None
    charging_since: datetime | None = None  # of the stretch that runs
    charging_s: float = 0.0  # of those that are over
    suspended_by: str = ""  # EV, EVSE: the last pause; "" where there was none
    limited: bool = False  # a limit under 6 A held at some time
    errors: tuple[str, ...] = ()  # error codes reported meanwhile, each once
    token_kind: str = ""
    remote: bool = False  # started by a command
    boots: int = 0  # of the station when the session began
    refused: bool = False

    @property
    def vehicle_key(self) -> str:
        """Tells vehicles apart: by token, or by session where there is none."""
        return self.vehicle or f"transaction {self.transaction_id}"


class SessionEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A session is over; what the ticket desk and the models want to know of it."""

    station_id: str
    connector_id: int
    transaction_id: str
    vehicle: str
    started_at: datetime
    ended_at: datetime
    energy_wh: float
    heard_at: datetime
    stop_reason: str = ""  # OCPP Reason; "" where no stop was heard
    refused: bool = False  # the token was not accepted
    late: bool = False  # told from a queue: it ran while the station had no link
    first_flow_at: datetime | None = None
    power_max_w: float = 0.0
    current_max_a: float = 0.0
    soc_first_pct: float | None = None
    soc_last_pct: float | None = None
    charging_s: float = 0.0
    suspended_by: str = ""
    limited: bool = False
    errors: tuple[str, ...] = ()
    token_kind: str = ""
    remote: bool = False

    @property
    def duration_s(self) -> float:
        return (self.ended_at - self.started_at).total_seconds()


class ConnectorView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One connector; 0 is the station as a whole (OCPP 1.6 section 3.2)."""

    connector_id: int
    status: ConnectorState = ConnectorState.UNKNOWN
    status_at: datetime | None = None  # effective time of the last report
    status_heard: datetime | None = None  # our time of the last report
    status_since: datetime | None = None  # effective time of the last change of status
    stale: bool = False  # the link was down since the last report, so the status is not known
    error_code: str = "NoError"
    info: str = ""
    vendor_error_code: str = ""
    mrec: tuple[str, ...] = ()
    problems: dict[str, tuple[str, ...]] = {}  # `component/variable` of an event (OCPP 2.x) -> its ChargeX codes
    status_before: ConnectorState = ConnectorState.UNKNOWN  # what it was before its last change
    session: SessionView | None = None
    last_vehicle: str = ""  # of the last session that ended
    last_ended_at: datetime | None = None
    left_at: datetime | None = None  # the same by our clock; of a session told from a queue, by the station's
    good_at: datetime | None = None  # when the last session ended that charged
    bad_at: datetime | None = None  # when the last one ended in which nothing flowed, or that an error ended
    last_transactions: list[str] = []  # the last few that ended, so that a retried start opens nothing
    latest: dict[str, Latest] = {}  # field, or `location/field` away from the outlet
    devices: dict[str, Latest] = {}  # the same from MQTT devices
    power: Power | None = None  # the newest of this session
    register: Register | None = None  # the newest of this session

    @property
    def codes(self) -> tuple[str, ...]:
        """ChargeX codes that are reported now, each once."""
        return tuple(dict.fromkeys((*self.mrec, *chain.from_iterable(self.problems.values()))))

    @property
    def error(self) -> str:
        """The OCPP error code that is reported now. Problems of OCPP 2.x have none of their own."""
        return "OtherError" if self.problems and self.error_code in ("NoError", "") else self.error_code

    def value(self, field: str, *, not_before: datetime | None = None) -> float | None:
        """The newest value of a field, from the station or else a device; None when it is older."""
        for source in (self.latest, self.devices):
            found = source.get(field)
            if found is not None and (not_before is None or found.at >= not_before):
                return found.value
        return None


class StationView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One station. `last_frame` is our time of its last frame of any kind: each proves that it lives."""

    station_id: str
    connected: bool = False
    last_frame: datetime | None = None
    link_since: datetime | None = None  # last change of the link
    link: datetime | None = None  # which link it is: when it came up
    heartbeat_s: float | None = None  # as told at boot; None when no boot was seen
    vendor: str = ""
    model: str = ""
    firmware: str = ""
    booted_at: datetime | None = None
    boots: int = 0
    frames: int = 0  # that it has sent
    odd_frames: int = 0  # of them, those that broke the specification
    firmware_status: str = ""
    firmware_status_at: datetime | None = None
    clock: Clock = msgspec.field(default_factory=Clock)
    shown: Shown | None = None  # the last token shown at the station
    asked: Shown | None = None  # the last remote start
    profiles: Profiles = msgspec.field(default_factory=Profiles)
    connectors: dict[int, ConnectorView] = {}

    def connector(self, connector_id: int) -> ConnectorView | None:
        """The connector, made on first use; None beyond the bound."""
        found = self.connectors.get(connector_id)
        if found is None and len(self.connectors) < MAX_CONNECTORS:
            found = self.connectors[connector_id] = ConnectorView(connector_id=connector_id)
        return found

    def status_is_news(self, connector: ConnectorView) -> bool:
        """Whether the connector's status is known and was reported as it happened."""
        if connector.status_at is None or connector.status_heard is None or connector.stale:
            return False
        return not self.clock.late(connector.status_at, connector.status_heard)
