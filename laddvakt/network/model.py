"""What a network file can say: one class per table, one field per key. Reference: docs/examples/network.toml."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    model_validator,
)

from laddvakt.domain.identification import Shown
from laddvakt.domain.oncall import Contact, Rota, StandIn
from laddvakt.domain.stations import Site
from laddvakt.domain.tickets import Severity
from laddvakt.domain.tokens import AuthorizationStatus, Driver, TokenKind
from laddvakt.stores.ports import Assignment, Route

CONNECTOR_TYPES = (
    *("CHADEMO", "CHAOJI", *(f"DOMESTIC_{letter}" for letter in "ABCDEFGHIJKLMNO"), "GBT_AC", "GBT_DC"),
    *("IEC_60309_2_single_16", "IEC_60309_2_three_16", "IEC_60309_2_three_32", "IEC_60309_2_three_64"),
    *(
        "IEC_62196_T1",
        "IEC_62196_T1_COMBO",
        "IEC_62196_T2",
        "IEC_62196_T2_COMBO",
        "IEC_62196_T3A",
        "IEC_62196_T3C",
    ),
    *("MCS", "NEMA_5_20", "NEMA_6_30", "NEMA_6_50", "NEMA_10_30", "NEMA_10_50", "NEMA_14_30", "NEMA_14_50"),
    *("PANTOGRAPH_BOTTOM_UP", "PANTOGRAPH_TOP_DOWN", "SAE_J3400", "TESLA_R", "TESLA_S", "UNKNOWN"),
)
"""OCPI 2.2.1 section 8.4.7 ConnectorType, and what OCPI 2.3 added."""

_DAY = "(Mo|Tu|We|Th|Fr|Sa|Su)"
_HOURS = re.compile(rf"({_DAY}(-{_DAY})? )?([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-4]):[0-5]\d")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_LONGEST_S = 30 * 86400


def _identity(value: str) -> str:
    # A part of URLs (OCPP-J 1.6 section 3.1.1), MQTT topics (no / + #) and Basic user names (no colon).
    if not re.fullmatch(r"[^\s/+#:]{1,64}", value):
        raise ValueError(f"{value!r} is not an id. Use 1 to 64 characters without spaces and without / + # :")
    return value


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f"{value!r} is not an IANA time zone. Write for example Europe/Stockholm")
    return value


def _currency(value: str) -> str:
    if not re.fullmatch("[A-Z]{3}", value):
        raise ValueError(f"{value!r} is not an ISO 4217 currency code. Write for example SEK or EUR")
    return value


def _connector_type(value: str) -> str:
    if value not in CONNECTOR_TYPES:
        raise ValueError(f"{value!r} is not an OCPI ConnectorType. Write for example IEC_62196_T2_COMBO")
    return value


def _email(value: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        raise ValueError("this is not an e-mail address. Write for example anna@example.org")
    return value


def _hours(value: str) -> str:
    if not _HOURS.fullmatch(value):
        raise ValueError(f"{value!r} are not hours. Write for example 08:00-17:00 or Mo-Fr 08:00-17:00")
    return value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _seconds(value: object) -> object:
    if isinstance(value, str):
        if not (found := re.fullmatch(r"(\d{1,6})\s?([smh])", value)):
            raise ValueError(f"{value!r} is not a duration. Write for example 900, 15m or 2h")
        return int(found[1]) * _SECONDS[found[2]]
    return value


def _known_url(value: str) -> str:
    if re.match("https?://.", value):
        return value  # a webhook
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of modules that its plugins still import
        import apprise  # noqa: PLC0415  # half a second that only routes need

        with apprise.LogCapture():  # type: ignore[no-untyped-call]  # not typed; its complaint is the ValueError
            known = apprise.Apprise.instantiate(value) is not None
    if not known:
        scheme = value.partition("://")[0][:20]
        raise ValueError(
            f"the URL ({scheme}://...) cannot be used for notifications. "
            "Write an https:// webhook or a URL of Apprise, such as mailto://user:password@example.org"
        )
    return value


def _hand_over(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        raise ValueError(f"{value!r} is not a time of day. Write for example 08:00")
    return value


def _day(value: object) -> object:
    if isinstance(value, datetime) or not isinstance(value, date):
        raise ValueError("this is not a date. Write for example 2026-11-02, without quotes")
    return value


Identity = Annotated[str, AfterValidator(_identity)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Positive = Annotated[float, Strict(), Field(gt=0, le=1e9)]
Count = Annotated[int, Strict(), Field(ge=1, le=1_000_000)]
Urls = Annotated[tuple[Annotated[str, AfterValidator(_known_url)], ...], BeforeValidator(_listed)]
Duration = Annotated[Annotated[int, Strict(), Field(ge=1, le=_LONGEST_S)], BeforeValidator(_seconds)]
Hours = Annotated[str, AfterValidator(_hours)]


class Table(BaseModel):
    """A row of a table: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkSite(Table):
    """`[[sites]]`"""

    id: Identity
    name: Name
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    currency: Annotated[str, AfterValidator(_currency)] = "EUR"
    latitude: Annotated[float, Strict(), Field(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Strict(), Field(ge=-180, le=180)] | None = None
    opening_hours: Name | None = None

    def as_site(self) -> Site:
        return Site(site_id=self.id, **self.model_dump(exclude={"id"}))


class NetworkConnector(Table):
    """`[[stations.connectors]]`"""

    id: Count
    evse_id: Count | None = None
    type: Annotated[str, AfterValidator(_connector_type)] | None = None
    max_current_a: Positive | None = None
    max_power_w: Positive | None = None
    cable: Name | None = None  # asset id of a fixed cable
    bay: Name | None = None  # the parking space, for people


class NetworkStation(Table):
    """`[[stations]]`"""

    id: Identity
    site: str | None = None
    vendor: Name | None = None
    model: Name | None = None
    password: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(None, repr=False)
    certificate: Name | None = None  # the name in its certificate, where that is not the id
    security_profile: Annotated[int, Strict(), Field(ge=0, le=3)] | None = None  # the lowest it may use
    max_power_w: Positive | None = None
    phases: Literal[1, 2, 3] | None = None
    current: Literal["AC", "DC"] | None = None
    connectors: tuple[NetworkConnector, ...] = ()


class NetworkDriver(Table):
    """`[[drivers]]`"""

    id: Identity
    name: Name | None = None
    email: Annotated[str, AfterValidator(_email)] | None = None
    phone: Name | None = None
    plan: Name | None = None

    def as_driver(self) -> Driver:
        return Driver(driver_id=self.id, name=self.name, email=self.email, phone=self.phone, plan=self.plan)


class NetworkToken(Table):
    """`[[tokens]]`"""

    id_tag: Annotated[str, Field(min_length=1, max_length=255)]  # OCPP 1.6: 20 characters, 2.0.1: 36, 2.1: 255
    kind: TokenKind | None = None  # left out: what the text shows, else rfid
    driver: str | None = None
    group: Annotated[str, Field(min_length=1, max_length=20)] | None = None  # stations are told it as it stands
    status: AuthorizationStatus = AuthorizationStatus.ACCEPTED
    expires_at: AwareDatetime | None = None

    @property
    def shown(self) -> Shown:
        """What a station would be shown."""
        return Shown(self.id_tag, self.kind)


class NetworkTariff(Table):
    """`[[tariffs]]`: an OCPI 2.2.1 Tariff object, checked by `parse_tariff`."""

    id: str
    ocpi: dict[str, Any]
    valid_from: datetime | None = None  # the object's own start_date_time and end_date_time
    valid_to: datetime | None = None


class NetworkAssignment(Table):
    """`[[assignments]]`: at most one of site, station, connector, plan; none of them is the default."""

    tariff: str
    site: str | None = None
    station: str | None = None
    connector: str | None = None  # "<station>/<connector>"
    plan: str | None = None
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_place(self) -> NetworkAssignment:
        if len(self._places()) > 1:
            raise ValueError(f"{' and '.join(self._places())} are both given. Keep one of them")
        if self.valid_from and self.valid_to and self.valid_from >= self.valid_to:
            raise ValueError("valid_to is not after valid_from. Give the later time")
        return self

    def _places(self) -> dict[str, str]:
        places = {"site": self.site, "station": self.station, "connector": self.connector, "plan": self.plan}
        return {scope: target for scope, target in places.items() if target is not None}

    @property
    def place(self) -> tuple[str, str]:
        """Scope and target, as in `laddvakt.stores.ports.Assignment`."""
        return next(iter(self._places().items()), ("default", ""))

    def as_assignment(self, tariff: NetworkTariff) -> Assignment:
        """Valid only while the tariff itself is (OCPI start_date_time and end_date_time)."""
        scope, target = self.place
        starts = [at for at in (self.valid_from, tariff.valid_from) if at]
        ends = [at for at in (self.valid_to, tariff.valid_to) if at]
        return Assignment(
            tariff_id=tariff.id,
            scope=scope,
            target=target,
            valid_from=max(starts, default=None),
            valid_to=min(ends, default=None),
        )


class NetworkContact(Table):
    """`[[contacts]]`: somebody who can be told."""

    id: Identity
    name: Name
    urls: Urls = Field(min_length=1, repr=False)

    def as_contact(self) -> Contact:
        return Contact(contact_id=self.id, name=self.name, urls=self.urls)


class NetworkStandIn(Table):
    """`[[rotas.stand_ins]]`. Times without a zone are on the rota's clocks; a date is that whole day."""

    contact: str
    begin: datetime | date = Field(alias="from")
    end: datetime | date = Field(alias="to")

    def span(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Begin and end in UTC, the end exclusive."""
        return _moment(self.begin, zone), _moment(self.end, zone, whole_day=True)


def _moment(value: datetime | date, zone: ZoneInfo, *, whole_day: bool = False) -> datetime:
    if not isinstance(value, datetime):
        value = datetime.combine(value + timedelta(days=int(whole_day)), time(), zone)
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


class NetworkRota(Table):
    """`[[rotas]]`: contacts who take turns."""

    id: Identity
    contacts: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(min_length=1)
    first: Annotated[date, BeforeValidator(_day)]
    hand_over: Annotated[time, BeforeValidator(_hand_over)] = time(8)
    turn_days: Annotated[int, Strict(), Field(ge=1, le=366)] = 7
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    stand_ins: tuple[NetworkStandIn, ...] = ()

    @model_validator(mode="after")
    def _one_at_a_time(self) -> NetworkRota:
        spans = sorted((*item.span(ZoneInfo(self.timezone)), item.contact) for item in self.stand_ins)
        for begin, end, contact in spans:
            if begin >= end:
                raise ValueError(f"{contact} stands in until before the beginning. Give the later time")
        for (_, end, one), (begin, _, other) in pairwise(spans):
            if begin < end:
                raise ValueError(f"{one} and {other} stand in at the same time. Let one begin after the other")
        return self

    def as_rota(self) -> Rota:
        zone = ZoneInfo(self.timezone)
        spans = [(*item.span(zone), item.contact) for item in self.stand_ins]
        return Rota(
            rota_id=self.id,
            contacts=self.contacts,
            first=self.first,
            hand_over=self.hand_over,
            turn_days=self.turn_days,
            timezone=self.timezone,
            stand_ins=tuple(StandIn(begin=begin, end=end, contact=who) for begin, end, who in spans),
        )


class NetworkRoute(Table):
    """`[[routes]]`: whom to tell about which tickets."""

    id: Identity | None = None  # left out: made of the contents
    urls: Urls = Field((), repr=False)
    contact: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    rota: str | None = None
    backup: Annotated[bool, Strict()] = False  # of the rota: who comes next
    site: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    severity: Annotated[tuple[Severity, ...], BeforeValidator(_listed)] = ()
    hours: Hours | None = None
    quiet: Hours | None = None  # P3 and P4 wait for its end
    escalate_after: Duration | None = None  # seconds
    escalate_p1_after: Duration | None = None
    repeat_every: Annotated[Duration, Field(ge=60)] | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> NetworkRoute:
        if not (self.urls or self.contact or self.rota):
            raise ValueError("nobody is told. Give urls, contact or rota")
        if self.backup and self.rota is None:
            raise ValueError("backup is of a rota, and none is given. Add rota, or remove backup")
        if self.escalate_p1_after and self.escalate_after is None:
            raise ValueError('escalate_p1_after stands without escalate_after. Give both, or severity = "P1"')
        return self

    def as_route(self, route_id: str) -> Route:
        return Route(
            route_id=self.id or route_id,
            urls=self.urls,
            contacts=self.contact,
            rota=self.rota,
            backup=self.backup,
            sites=self.site,
            severities=self.severity,
            hours=self.hours,
            quiet=self.quiet,
            escalate_after_s=self.escalate_after,
            escalate_p1_after_s=self.escalate_p1_after,
            repeat_every_s=self.repeat_every,
        )


class Network(Table):
    """A whole network file, checked. `assignments`, `contacts`, `rotas` and `routes` are None where the file has
    no such table: what the records hold of them then stays."""

    sites: tuple[NetworkSite, ...] = ()
    stations: tuple[NetworkStation, ...] = ()
    drivers: tuple[NetworkDriver, ...] = ()
    tokens: tuple[NetworkToken, ...] = ()
    tariffs: tuple[NetworkTariff, ...] = ()
    assignments: tuple[NetworkAssignment, ...] | None = None
    contacts: tuple[NetworkContact, ...] | None = None
    rotas: tuple[NetworkRota, ...] | None = None
    routes: tuple[NetworkRoute, ...] | None = None
    warnings: tuple[str, ...] = ()  # doubtful, but importable


def plain(value: Any) -> Any:
    """A TOML or JSON value as JSON holds it: times as RFC 3339 text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    return value.isoformat().replace("+00:00", "Z")
