"""What the stores promise. Every implementation passes the same contract tests.

Records are used in units of work: `with records.begin() as work:` is one transaction, committed when the block
ends and rolled back when it raises. All calls are synchronous; services call them from a worker thread.
Lists are paged with an opaque cursor: `after=page.next`; newest first unless said otherwise.
Drivers' errors surface as `StoreError`, or `StoreUnavailableError` when trying again later is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from laddvakt.billing.at_risk import Usage
from laddvakt.domain.commands import SentCommand
from laddvakt.domain.entries import EntryKind
from laddvakt.domain.facts import QuarantineReason
from laddvakt.domain.history import Transition
from laddvakt.domain.oncall import OnCall
from laddvakt.domain.quarantine import QuarantineState
from laddvakt.domain.sessions import Session, SessionState
from laddvakt.domain.silences import Silence
from laddvakt.domain.stations import Site, Station
from laddvakt.domain.tickets import Label, Severity, Ticket, TicketState
from laddvakt.domain.tokens import Driver, Token

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A part of a list and the cursor to the rest (None: this was the end)."""

    items: tuple[T, ...]
    next: str | None = None


class QuarantineItem(msgspec.Struct, frozen=True, kw_only=True):
    """A message, or a part of one, that was set aside, with the reason. `item_id` is stable under replay.

    `kind`, `protocol` and `topic` are what it takes to read it again. `outcome` says what became of it: the facts
    that it turned into, or why it was dismissed.
    """

    item_id: str
    station_id: str
    received_at: datetime
    reason: QuarantineReason
    detail: str
    raw: str
    kind: EntryKind = EntryKind.OCPP_IN
    protocol: str | None = None
    topic: str | None = None
    state: QuarantineState = QuarantineState.OPEN
    tried_at: datetime | None = None  # read again last, whatever came of it
    settled_at: datetime | None = None
    settled_by: str | None = None
    outcome: str = ""


class QuarantineCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many items of one reason one station has in one state, and when the newest of them came."""

    reason: QuarantineReason
    station_id: str
    state: QuarantineState
    items: int
    newest: datetime


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute of a variable of a station's device model (OCPP 2.x), or a configuration key (OCPP 1.6: no
    component), as last reported. `variable_id` is unique within the station and orders the list."""

    station_id: str
    variable_id: str
    component: str
    component_instance: str | None = None
    variable: str
    variable_instance: str | None = None
    evse_id: int | None = None
    connector_id: int = 0
    attribute: str = "Actual"  # Actual, Target, MinSet, MaxSet
    value: str | None = None  # None: write-only, or a secret
    mutability: str | None = None  # ReadOnly, WriteOnly, ReadWrite; None: not said yet
    unit: str | None = None
    reported_at: datetime


class SecurityEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the security log: SecurityEventNotification. `event_id` is stable under replay."""

    event_id: str
    station_id: str
    at: datetime  # as the station says, where that can be
    received_at: datetime
    event: str  # FirmwareUpdated, InvalidTLSVersion, TamperDetectionActivated...
    info: str | None = None


class TariffVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an OCPI 2.2.1 Tariff object; versions count from 1 and are never changed."""

    tariff_id: str
    version: int
    valid_from: datetime
    ocpi: dict[str, Any]


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """Which tariff applies where. `scope` is `site`, `station`, `connector` (`<station>/<connector>`), `plan`,
    or `default` (target ""). The narrowest that is valid at the session's start wins: plan, connector, station,
    site, default."""

    tariff_id: str
    scope: str
    target: str = ""
    valid_from: datetime | None = None
    valid_to: datetime | None = None


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person who signs in. `role`: viewer, maintainer, manager, admin or driver."""

    name: str
    role: str
    password_hash: str  # argon2id
    driver_id: str | None = None
    disabled: bool = False


class ApiToken(msgspec.Struct, frozen=True, kw_only=True):
    """A program's token; only its SHA-256 is kept."""

    name: str
    role: str
    token_hash: str
    created_at: datetime
    driver_id: str | None = None


class AuditItem(msgspec.Struct, frozen=True, kw_only=True):
    """A human (or API) action: who did what to which object."""

    at: datetime
    actor: str
    action: str
    object: str
    detail: dict[str, Any] = msgspec.field(default_factory=dict)


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to tell about which tickets: addresses of its own, contacts, and whoever is on call."""

    route_id: str
    urls: tuple[str, ...] = ()  # Apprise URLs or webhooks
    contacts: tuple[str, ...] = ()
    rota: str | None = None
    backup: bool = False  # of the rota: who comes next, not who is on call
    sites: tuple[str, ...] = ()  # empty: all
    severities: tuple[Severity, ...] = ()  # empty: all
    hours: str | None = None
    quiet: str | None = None  # hours in which P3 and P4 wait
    escalate_after_s: int | None = None
    escalate_p1_after_s: int | None = None  # None: as the others
    repeat_every_s: int | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of telling somebody of a ticket (API object). `delivery_id` is the idempotency key; a route's or
    a contact's addresses are told apart by `number`, in the order of the network file, never shown."""

    delivery_id: str
    ticket_id: str
    route_id: str
    contact: str = ""  # empty: an address of the route itself
    number: int = 0
    way: str = ""  # webhook, mailto, slack...: the scheme of the address
    event: str  # opened, resolved...
    at: datetime  # of the last try
    ok: bool
    tries: int = 0
    tickets: int = 1  # that the same message told of
    detail: str = ""


class RevenueRow(msgspec.Struct, frozen=True, kw_only=True):
    """Revenue of one key in one period. Suspect sessions are counted apart: they are held from invoicing."""

    key: str
    period: str  # "2026-11-21", "2026-11", "2026-11-21T10"; "" when no interval was asked for
    sessions: int
    energy_wh: int
    excl_vat: Decimal
    incl_vat: Decimal
    currency: str
    paid: Decimal = Decimal(0)
    outstanding: Decimal = Decimal(0)
    held_sessions: int = 0
    held_incl_vat: Decimal = Decimal(0)


class ListedToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that stations' local lists may hold, with its idTag. `listed` is the list version of its last
    change; the version of the whole list is the highest of them."""

    token: Token
    id_tag: str
    listed: int


class VehicleSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle that a station announced, by its pseudonym. `connector_id` 0: the station did not say where."""

    station_id: str
    connector_id: int
    token: str
    seen_at: datetime


class InUse(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a session that says who is charging where. A session of the live feed can be read as one."""

    session_id: str
    station_id: str
    connector_id: int
    transaction_id: str
    token: str | None = None
    state: SessionState = SessionState.ACTIVE


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """How a station proves who it is. Hashes are argon2id; `certificate` is the name in its certificate where that
    is not the station id; below `security_profile` it is not let in."""

    password_hash: str | None = None
    next_password_hash: str | None = None  # of a password that it was told and has not shown yet
    file_password_hash: str | None = None  # of the network file's password, once the station has another
    certificate: str | None = None
    certificate_expires_at: datetime | None = None  # of the certificate that it showed last
    security_profile: int = 0


class Stations(Protocol):
    def get(self, station_id: str) -> Station | None: ...
    def many(self, station_ids: Iterable[str]) -> dict[str, Station]: ...
    def all(self) -> list[Station]: ...  # ordered by station_id
    def bare(self) -> list[Station]: ...  # the same without connectors, for half the price; not for saving
    def page(self, *, after: str | None = None, limit: int = 100, site_id: str | None = None) -> Page[Station]: ...
    def save(self, stations: Iterable[Station]) -> None: ...  # insert or replace, connectors included
    def password_hash(self, station_id: str) -> str | None: ...
    def set_password_hash(self, station_id: str, password_hash: str | None) -> None: ...
    def credentials(self, station_ids: Iterable[str] | None = None) -> dict[str, Credentials]: ...
    def set_credentials(self, station_id: str, credentials: Credentials) -> None: ...
    def sites(self) -> list[Site]: ...
    def save_sites(self, sites: Iterable[Site]) -> None: ...


class Sessions(Protocol):
    def get(self, session_id: str) -> Session | None: ...
    def many(self, session_ids: Iterable[str]) -> dict[str, Session]: ...
    def unended(self, station_ids: Iterable[str] | None = None) -> list[Session]: ...
    def in_use(self) -> list[InUse]: ...  # of the unended, those with a token
    def silent(
        self, before: datetime
    ) -> list[Session]: ...  # unended, without a reading (or start) since `before`
    def by_transaction(self, station_id: str, transaction_id: str) -> Session | None: ...  # the newest such
    def recent(self, station_id: str, connector_id: int | None, limit: int) -> list[Session]: ...
    def save(self, sessions: Iterable[Session]) -> None: ...  # insert or replace by session_id
    def page(
        self,
        *,
        state: SessionState | None = None,
        station_id: str | None = None,
        driver_id: str | None = None,
        from_: datetime | None = None,  # started_at >=
        to: datetime | None = None,  # started_at <
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Session]: ...

    def revenue(
        self,
        *,
        group_by: str,  # site, station, cable, connector, tariff, driver
        interval: str | None,  # hour, day, month, None
        from_: datetime | None,  # ended sessions by ended_at
        to: datetime | None,
        timezone: str,  # IANA; where days begin
    ) -> list[RevenueRow]: ...

    def totals(self, *, from_: datetime, to: datetime) -> RevenueRow: ...  # of ended sessions, and unended so far

    def usage(
        self, station_ids: Iterable[str], connector_id: int | None, *, from_: datetime, to: datetime
    ) -> list[Usage]: ...  # of ended sessions by `started_at`, one per currency


class Tickets(Protocol):
    def get(self, ticket_id: str) -> Ticket | None: ...
    def unsettled(self) -> list[Ticket]: ...
    def settled_since(self, since: datetime) -> list[Ticket]: ...  # resolved, verified or closed at or after
    def save(self, ticket: Ticket) -> None: ...  # insert or update; events beyond those stored are appended
    def page(
        self,
        *,
        states: Sequence[TicketState] | None = None,
        severity: Severity | None = None,
        asset: str | None = None,  # asset id
        station_id: str | None = None,
        storm: str | None = None,
        assignee: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Ticket]: ...
    def faults(self) -> list[str]: ...  # codes that ever had a ticket, in order
    def labels(self, since: datetime) -> list[Label]: ...  # the newest verdict of each ticket judged since


class Silences(Protocol):
    def get(self, silence_id: str) -> Silence | None: ...
    def save(self, silence: Silence) -> None: ...  # insert or replace
    def overlapping(
        self, from_: datetime, to: datetime
    ) -> list[Silence]: ...  # in force at some moment of these, both inclusive
    def page(self, *, after: str | None = None, limit: int = 100) -> Page[Silence]: ...  # newest first by `from_`


class History(Protocol):
    def add(self, transitions: Iterable[Transition]) -> None: ...
    def last_before(self, at: datetime) -> list[Transition]: ...  # the last one of each connector
    def between(self, from_: datetime, to: datetime) -> list[Transition]: ...  # in order of time
    def forget(self, before: datetime) -> int: ...  # but for what stood then; how many


class Tariffs(Protocol):
    def get(self, tariff_id: str, version: int | None = None) -> TariffVersion | None: ...  # None: the newest
    def newest(self) -> list[TariffVersion]: ...  # newest version of each
    def put(
        self, tariff_id: str, ocpi: Mapping[str, Any], *, now: datetime
    ) -> TariffVersion: ...  # same: no new version
    def assignments(self) -> list[Assignment]: ...
    def save_assignments(self, assignments: Iterable[Assignment]) -> None: ...  # replaces all


class Tokens(Protocol):
    def get(self, token: str) -> Token | None: ...
    def all(self) -> list[Token]: ...
    def save(self, tokens: Iterable[Token]) -> None: ...
    def list_version(self) -> int: ...  # 0: no token is listed
    def listed_names(self) -> set[str]: ...  # pseudonyms
    def listed(self) -> list[ListedToken]: ...
    def put_on_list(self, id_tags: Mapping[str, str], version: int) -> None: ...  # pseudonym -> idTag, kept sealed
    def clear_list(self) -> None: ...  # forgets all idTags
    def saw_vehicle(self, vehicle: VehicleSeen) -> None: ...  # replaces the one before
    def vehicle(self, station_id: str, connector_id: int) -> VehicleSeen | None: ...  # there, or somewhere there
    def driver(self, driver_id: str) -> Driver | None: ...
    def save_drivers(self, drivers: Iterable[Driver]) -> None: ...


class People(Protocol):
    def user(self, name: str) -> User | None: ...
    def users(self) -> list[User]: ...
    def save_user(self, user: User) -> None: ...
    def api_token(self, token_hash: str) -> ApiToken | None: ...
    def save_api_token(self, token: ApiToken) -> None: ...
    def audit(self, item: AuditItem) -> None: ...
    def audit_page(self, *, after: str | None = None, limit: int = 100) -> Page[AuditItem]: ...


class Quarantine(Protocol):
    def add(self, items: Iterable[QuarantineItem]) -> None: ...  # the same item_id again is no second row
    def get(self, item_id: str) -> QuarantineItem | None: ...
    def save(self, items: Iterable[QuarantineItem]) -> None: ...  # that are there already
    def page(
        self,
        *,
        station_id: str | None = None,
        reason: QuarantineReason | None = None,
        state: QuarantineState | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[QuarantineItem]: ...
    def counts(self) -> list[QuarantineCount]: ...  # most items first


class Inventory(Protocol):
    def save(
        self, variables: Iterable[Variable]
    ) -> None: ...  # insert or replace; where mutability is not said, it and the unit stay as they were
    def page(
        self, station_id: str, *, after: str | None = None, limit: int = 100
    ) -> Page[Variable]: ...  # ordered by variable_id


class SecurityLog(Protocol):
    def add(self, events: Iterable[SecurityEvent]) -> None: ...  # the same event_id again is no second row
    def page(
        self, *, station_id: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[SecurityEvent]: ...


class Commands(Protocol):
    def get(self, station_id: str, command_id: str) -> SentCommand | None: ...  # the newest such
    def remote_starts(
        self, station_id: str, since: datetime
    ) -> list[SentCommand]: ...  # sent at or after, newest first
    def of(
        self, station_id: str, actions: Iterable[str], since: datetime
    ) -> list[SentCommand]: ...  # sent at or after, newest first
    def save(self, commands: Iterable[SentCommand]) -> None: ...  # insert or replace by station, id and time
    def page(self, station_id: str, *, after: str | None = None, limit: int = 100) -> Page[SentCommand]: ...


class Positions(Protocol):
    def get(self, consumer: str) -> dict[int, int]: ...  # partition -> last applied log sequence
    def advance(
        self, consumer: str, partition: int, sequence: int
    ) -> None: ...  # raises ConflictError if not forward


class Routes(Protocol):
    def all(self) -> list[Route]: ...
    def save(self, routes: Iterable[Route]) -> None: ...  # replaces all
    def on_call(self) -> OnCall: ...
    def save_on_call(self, on_call: OnCall) -> None: ...  # replaces all
    def delivery(self, delivery_id: str) -> Delivery | None: ...
    def deliveries(self, ticket_ids: Iterable[str]) -> list[Delivery]: ...  # oldest first
    def record(self, delivery: Delivery) -> None: ...


class DetectorStates(Protocol):
    def load(self) -> dict[str, bytes]: ...  # station -> state as the detector encoded it
    def save(self, states: Mapping[str, bytes]) -> None: ...
    def model(self, name: str) -> bytes | None: ...  # newest version
    def save_model(self, name: str, data: bytes, info: Mapping[str, Any], *, now: datetime) -> int:
        """A new version, counted from 1. Only the last few are kept."""

    def keep_rows(self, name: str, data: bytes, *, until: datetime) -> None:
        """What models learn from, as the detector encoded it; `until`: of its newest row."""

    def rows(self, name: str, *, since: datetime, after: int = 0, limit: int = 50) -> list[tuple[int, bytes]]:
        """In the order they were kept, each with its number; `after` is the number of the last one read."""

    def forget_rows(self, *, before: datetime) -> int: ...  # how many


class Work(Protocol):
    """One transaction over the records."""

    stations: Stations
    sessions: Sessions
    tickets: Tickets
    silences: Silences
    tariffs: Tariffs
    tokens: Tokens
    people: People
    quarantine: Quarantine
    inventory: Inventory
    history: History
    security_log: SecurityLog
    commands: Commands
    positions: Positions
    routes: Routes
    detector: DetectorStates


class Records(Protocol):
    """The SQL records: SQLite or PostgreSQL."""

    def begin(self) -> AbstractContextManager[Work]: ...  # read and write, serialised against other writers
    def read(self) -> AbstractContextManager[Work]: ...  # read only, one consistent snapshot
    def migrate(self) -> None: ...  # bring the schema up to date; safe to call from many processes at once
    def close(self) -> None: ...


class Point(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Values of one series at one moment. The same series and time again overwrites."""

    station_id: str
    connector_id: int
    source: str  # "ocpp" or "mqtt": an independent meter stands beside the station's own register
    at: datetime
    values: dict[str, float]  # field (unit in the name) -> value


class Sample(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One value read back."""

    at: datetime
    value: float


class Telemetry(Protocol):
    """Time series: embedded SQLite files, or InfluxDB (1.8+, 2.x, 3.x)."""

    def write(self, points: Iterable[Point]) -> None: ...  # durable when it returns
    def read(
        self,
        *,
        station_id: str,
        connector_id: int | None,
        fields: Sequence[str],
        from_: datetime,
        to: datetime,
        source: str = "ocpp",
        limit: int = 100_000,
    ) -> dict[str, list[Sample]]: ...  # by field, oldest first, [from_, to)
    def fields(self, *, station_id: str, from_: datetime, to: datetime) -> set[str]: ...
    def expire(self, before: date) -> None: ...  # forget whole UTC days before; a no-op where the server does it
    def close(self) -> None: ...
