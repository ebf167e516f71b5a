"""What the collector knows of stations and tokens: a cache of the records, refreshed in the background.

Records that are down for a while do not stop stations: what was known last goes on being used, also by a collector
that starts meanwhile (`collector/remembered.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from collector.occupancy import Occupancy
from collector.ocpp.action import Policy, Purpose, TotalCost, Verdict, no_cost
from collector.remembered import Make, Remembered, Snapshot
from laddvakt.clock import utc_now
from laddvakt.domain.errors import StoreError
from laddvakt.domain.identification import Shown, look_up
from laddvakt.domain.tokens import AuthorizationStatus, Token, status_of
from laddvakt.privacy import pseudonym
from laddvakt.settings import OcppSettings
from laddvakt.stores.ports import AuditItem, Credentials, InUse, Records

logger = logging.getLogger(__name__)

REFRESH_S = 15.0
AWAY_AFTER_S = 45.0
"""A reading that takes longer than this is one that failed."""

_in_use = msgspec.json.Decoder(InUse).decode

_FIRST_S = 1.0
_MAX_PSEUDONYMS = 100_000
_UNKNOWN_MAKE = Make()
_UNKNOWN = {"accept": AuthorizationStatus.ACCEPTED, "reject": AuthorizationStatus.UNKNOWN}


class _Reading(NamedTuple):
    """One consistent reading of the records, and when it began."""

    snapshot: Snapshot
    connected: Mapping[str, datetime | None]
    occupancy: Occupancy
    at: datetime


class Registry:
    """`policy_for` decides what a station is told; `refresh` re-reads the records."""

    def __init__(
        self,
        records: Records,
        settings: OcppSettings,
        privacy_key: str,
        *,
        remembered: Remembered | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._records = records
        self._settings = settings
        self._key = privacy_key
        self._remembered = remembered
        self._clock = clock
        self._snapshot = Snapshot(stations={}, tokens={})
        self._spellings: dict[str, str] = {}
        self._connected_in_records: Mapping[str, datetime | None] = {}
        self._occupancy = Occupancy()
        self._heard: dict[str, InUse] = {}  # of the live feed, since the last reading began
        self._pseudonyms: dict[str, str] = {}
        self._read_at: datetime | None = None
        self._failed = False
        self.was_read = asyncio.Event()
        self.total_cost: TotalCost = no_cost

    def load(self) -> None:
        """One consistent read of stations and tokens. Raises StoreError."""
        self._heard.clear()
        self._take(self._read())

    def _read(self) -> _Reading:
        at = self._clock()
        with self._records.read() as work:
            stations = work.stations.bare()
            zones = {site.site_id: site.timezone for site in work.stations.sites()}
            snapshot = Snapshot(
                stations=work.stations.credentials(),
                tokens={token.token: token for token in work.tokens.all()},
                makes={
                    s.station_id: Make(s.vendor, s.model, s.firmware, zones.get(s.site_id or "", "UTC"))
                    for s in stations
                },
            )
            connected = {station.station_id: station.connected_since for station in stations if station.connected}
            reading = _Reading(snapshot, connected, Occupancy(work.sessions.in_use()), at)
        if self._remembered is not None:
            self._remembered.keep(snapshot, at)
        return reading

    def _take(self, reading: _Reading) -> None:
        self._snapshot, self._connected_in_records, self._occupancy, self._read_at = reading
        self._spellings = _spellings(self._snapshot.stations)
        for session in self._heard.values():  # perhaps younger than the reading; once more does no harm
            self._occupancy.heard(session)
        self._failed = False
        self.was_read.set()

    async def wait(self) -> None:
        """Until stations and tokens have been read once, or remembered from before: else a registered station
        could not be told from an unknown one, and its sessions would be refused."""
        if await self.reload() or self._recall():
            return
        while True:
            await asyncio.sleep(_FIRST_S)
            if await self.reload():
                return

    def _recall(self) -> bool:
        kept = self._remembered.recall() if self._remembered is not None else None
        if kept is None:
            return False
        self._snapshot, self._read_at = kept
        self._spellings = _spellings(self._snapshot.stations)
        logger.warning("the records are away: stations and tokens are those of %s", f"{self._read_at:%F %T} UTC")
        return True

    async def keep_fresh(self) -> None:
        """For ever. A failing store is logged and tried again."""
        while True:
            await asyncio.sleep(REFRESH_S)
            await self.reload()

    async def reload(self) -> bool:
        """Whether the records could be read; if not, what was known goes on being used."""
        self._heard.clear()
        try:
            reading = await asyncio.to_thread(self._read)
        except StoreError as error:
            self._failed = True
            logger.warning("stations and tokens not refreshed, using what was known: %s", error)
            return False
        self._take(reading)
        return True

    def hear(self, kind: str, data: bytes) -> None:
        """What the live feed says: sessions that begin and end."""
        if kind == "session":
            session = _in_use(data)
            self._heard[session.session_id] = session
            self._occupancy.heard(session)

    @property
    def age_s(self) -> float | None:
        """Seconds since the records were read; None: never."""
        return None if self._read_at is None else max((self._clock() - self._read_at).total_seconds(), 0.0)

    @property
    def records_down(self) -> bool:
        """Whether what is known may be out of date because the records do not answer."""
        age_s = self.age_s
        return self._failed or age_s is None or age_s > AWAY_AFTER_S

    @property
    def connected_in_records(self) -> Mapping[str, datetime | None]:
        """Stations that the records believe to be connected, and since when."""
        return self._connected_in_records

    def known(self, station_id: str) -> Credentials | None:
        """What proves a registered station; None for others."""
        return self._snapshot.stations.get(station_id)

    async def settle_password(self, station_id: str, fitted: str) -> None:
        """A station has shown the new password that it was told: the former one no longer counts. Where that
        cannot be written now, both do until the next time."""

        def settled(kept: Credentials) -> Credentials | None:
            if kept.next_password_hash != fitted:
                return None
            former = kept.file_password_hash or kept.password_hash
            return replace(kept, password_hash=fitted, next_password_hash=None, file_password_hash=former)

        if await self._settle(station_id, settled, "station.password"):
            logger.info("station %r has shown its new password; the former one no longer counts", station_id)

    async def settle_certificate(self, station_id: str, expires_at: datetime) -> None:
        """A station has shown a certificate that is good until then."""
        await self._settle(station_id, lambda kept: replace(kept, certificate_expires_at=expires_at))

    async def _settle(
        self, station_id: str, change: Callable[[Credentials], Credentials | None], audited: str = ""
    ) -> bool:
        try:
            kept = await asyncio.to_thread(self._change, station_id, change, audited)
        except StoreError as error:
            logger.warning("what %r has shown is not in the records yet: %s", station_id, error)
            return False
        if kept is not None:
            self._snapshot.stations[station_id] = kept
        return kept is not None

    def _change(
        self, station_id: str, change: Callable[[Credentials], Credentials | None], audited: str
    ) -> Credentials | None:
        with self._records.begin() as work:
            kept = work.stations.credentials([station_id]).get(station_id)
            changed = None if kept is None else change(kept)
            if changed is None:
                return None
            work.stations.set_credentials(station_id, changed)
            if audited:
                item = AuditItem(at=self._clock(), actor="station", action=audited, object=station_id)
                work.people.audit(item)
        return changed

    def spelling(self, station_id: str) -> str:
        """The id as it is registered, where only the case differs and one station alone is meant."""
        if station_id in self._snapshot.stations:
            return station_id
        return self._spellings.get(station_id.casefold(), station_id)

    def policy_for(self, station_id: str) -> Policy:
        accepted = station_id in self._snapshot.stations or self._settings.unknown_stations == "accept"
        make = self._snapshot.makes.get(station_id, _UNKNOWN_MAKE)
        return Policy(
            heartbeat_interval_s=self._settings.heartbeat_interval_s,
            registration="Accepted" if accepted else "Pending",
            authorize=self.authorize,
            strict=self._settings.strict,
            total_cost=self.total_cost,
            vendor=make.vendor,
            model=make.model,
            firmware=make.firmware,
            timezone=make.timezone,
            certificate_name=self._certificate_name(station_id),
        )

    def _certificate_name(self, station_id: str) -> str | None:
        known = self.known(station_id)
        return (known.certificate or station_id) if known is not None and self._settings.signs else None

    def authorize(self, shown: Shown, purpose: Purpose, now: datetime) -> Verdict:
        """What a station is told about a token."""
        name, token = look_up(shown, self._pseudonym, self._snapshot.tokens.get)
        status = self._unknown() if token is None else status_of(token, now)
        if status is AuthorizationStatus.ACCEPTED:
            status = self._of_use(name, token, purpose)
        return Verdict(status) if token is None else Verdict(status, token.expires_at, token.group_id)

    def _unknown(self) -> AuthorizationStatus:
        lenient = self._settings.when_records_down == "accept_all" and self.records_down
        return _UNKNOWN["accept" if lenient else self._settings.unknown_tokens]

    def _of_use(self, name: str, token: Token | None, purpose: Purpose) -> AuthorizationStatus:
        """For a token that may charge: whether it may do this. Nobody is kept from stopping what is theirs."""
        if purpose.stops is not None:
            own = self._may_stop(name, token, purpose)
            return AuthorizationStatus.ACCEPTED if own else AuthorizationStatus.INVALID
        if self._settings.when_records_down == "refuse" and self.records_down:
            return AuthorizationStatus.INVALID
        if self._settings.concurrent_sessions == "refuse" and self._occupancy.elsewhere(name, purpose):
            return AuthorizationStatus.CONCURRENT_TX
        return AuthorizationStatus.ACCEPTED

    def _may_stop(self, name: str, token: Token | None, purpose: Purpose) -> bool:
        """The token that started it may, and its group; any, where nobody knows what started it."""
        starter = self._occupancy.starter(purpose.station_id, purpose.stops or "")
        if starter is None or starter == name:
            return True
        known = self._snapshot.tokens.get(starter)
        return bool(known and token and known.group_id and known.group_id == token.group_id)

    def _pseudonym(self, id_tag: str) -> str:
        known = self._pseudonyms.get(id_tag)
        if known is None:
            if len(self._pseudonyms) >= _MAX_PSEUDONYMS:
                self._pseudonyms.clear()
            known = self._pseudonyms[id_tag] = pseudonym(self._key, id_tag)
        return known


def _spellings(station_ids: Iterable[str]) -> dict[str, str]:
    """By the id without regard to case; ids that are then the same are left out."""
    found: dict[str, str] = {}
    doubles = set()
    for station_id in station_ids:
        folded = station_id.casefold()
        if folded in found:
            doubles.add(folded)
        found[folded] = station_id
    return {folded: station_id for folded, station_id in found.items() if folded not in doubles}
