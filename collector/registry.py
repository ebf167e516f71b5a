"""What the collector knows of stations and tokens: a cache of the records, refreshed in the background.

Records that are down for a while do not stop stations: what was known last goes on being used.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import NamedTuple

from collector.ocpp.action import Policy, Purpose, Verdict
from laddvakt.domain.errors import StoreError
from laddvakt.domain.identification import Shown, look_up
from laddvakt.domain.tokens import AuthorizationStatus, Token, status_of
from laddvakt.privacy import pseudonym
from laddvakt.settings import OcppSettings
from laddvakt.stores.ports import Records

logger = logging.getLogger(__name__)

REFRESH_S = 15.0
_FIRST_S = 1.0
_MAX_PSEUDONYMS = 100_000
_UNKNOWN = {"accept": AuthorizationStatus.ACCEPTED, "reject": AuthorizationStatus.UNKNOWN}


class Known(NamedTuple):
    """A registered station."""

    password_hash: str | None


class Registry:
    """`policy_for` decides what a station is told; `refresh` re-reads the records."""

    def __init__(self, records: Records, settings: OcppSettings, privacy_key: str) -> None:
        self._records = records
        self._settings = settings
        self._key = privacy_key
        self._stations: dict[str, Known] = {}
        self._connected_in_records: frozenset[str] = frozenset()
        self._tokens: dict[str, Token] = {}
        self._pseudonyms: dict[str, str] = {}

    def load(self) -> None:
        """One consistent read of stations and tokens. Raises StoreError."""
        with self._records.read() as work:
            stations = work.stations.all()
            registered = [station.station_id for station in stations if station.registered]
            self._stations = {name: Known(work.stations.password_hash(name)) for name in registered}
            self._connected_in_records = frozenset(s.station_id for s in stations if s.connected)
            self._tokens = {token.token: token for token in work.tokens.all()}

    async def wait(self) -> None:
        """Until stations and tokens have been read once: before that a registered station cannot be told from an
        unknown one, and its sessions would be refused."""
        while True:
            if await self.reload():
                return
            await asyncio.sleep(_FIRST_S)

    async def keep_fresh(self) -> None:
        """For ever. A failing store is logged and tried again."""
        while True:
            await asyncio.sleep(REFRESH_S)
            await self.reload()

    async def reload(self) -> bool:
        """Whether the records could be read; if not, what was known goes on being used."""
        try:
            await asyncio.to_thread(self.load)
        except StoreError as error:
            logger.warning("stations and tokens not refreshed, using what was known: %s", error)
            return False
        return True

    @property
    def connected_in_records(self) -> frozenset[str]:
        """Stations that the records believe to be connected."""
        return self._connected_in_records

    def known(self, station_id: str) -> Known | None:
        return self._stations.get(station_id)

    def policy_for(self, station_id: str) -> Policy:
        accepted = station_id in self._stations or self._settings.unknown_stations == "accept"
        return Policy(
            heartbeat_interval_s=self._settings.heartbeat_interval_s,
            registration="Accepted" if accepted else "Pending",
            authorize=self.authorize,
        )

    def authorize(self, shown: Shown, purpose: Purpose, now: datetime) -> Verdict:
        """What a station is told. Tokens that the records do not know by `ocpp.unknown_tokens`."""
        _, token = look_up(shown, self._pseudonym, self._tokens.get)
        if token is None:
            return Verdict(_UNKNOWN[self._settings.unknown_tokens])
        return Verdict(status_of(token, now), token.expires_at, token.group_id)

    def _pseudonym(self, id_tag: str) -> str:
        known = self._pseudonyms.get(id_tag)
        if known is None:
            if len(self._pseudonyms) >= _MAX_PSEUDONYMS:
                self._pseudonyms.clear()
            known = self._pseudonyms[id_tag] = pseudonym(self._key, id_tag)
        return known
