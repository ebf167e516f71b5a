"""The collector as a service: stations and devices in, event log out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec

from collector import doors
from collector.asking import Asker
from collector.costs import Costs
from collector.link import Link
from collector.local_lists import LocalLists
from collector.mqtt.client import MqttSubscriber
from collector.mqtt.mapping_file import load_mappings
from collector.mqtt.mappings import Reader
from collector.ocpp.action import Policy
from collector.registry import Registry
from collector.remembered import Remembered, remembered_file
from collector.reprocess import Rereader
from collector.server import StationServer
from collector.signing import Signing, signer_of
from laddvakt.domain.errors import EventLogError, SettingsError
from laddvakt.domain.times import rfc3339
from laddvakt.eventlog.address import mqtt_url
from laddvakt.eventlog.client import EventLog
from laddvakt.settings import Settings, privacy_key
from laddvakt.stores.ports import Records

logger = logging.getLogger(__name__)

PULSE_S = 2.0
NOT_BACK_AFTER_S = 90.0


def collector_name(number: int) -> str:
    """What the processes of one machine are called: collector, collector-2..."""
    return "collector" if number == 1 else f"collector-{number}"


class Collector:
    """`run` serves until cancelled. Raises SettingsError for mapping files that cannot be used. Of several on one
    machine, only the first reads MQTT: the broker keeps what comes while it is away."""

    def __init__(
        self,
        settings: Settings,
        records: Records,
        log: EventLog,
        clock: Callable[[], datetime],
        *,
        number: int = 1,
    ) -> None:
        self._name = collector_name(number)
        self._devices = number == 1 and mqtt_url(settings) is not None
        self._settings = settings
        self._records = records
        self._log = log
        self._clock = clock
        self._registry = Registry(
            records,
            settings.ocpp,
            privacy_key(settings),
            remembered=Remembered(remembered_file(settings)),
            clock=clock,
        )
        self.server = StationServer(settings.ocpp, self._registry, log.appender, clock)
        self.lists = (
            LocalLists(
                records,
                self.server.calls,
                lambda: self.server.connected,
                lambda station_id: self._registry.known(station_id) is not None,
            )
            if settings.ocpp.local_list
            else None
        )
        mappings = load_mappings(settings.mqtt.mappings)
        self._reader = Reader(mappings)
        self._rereader = Rereader(
            log.appender, lambda name: self._registry.policy_for(name).registration, mappings
        )
        self.mqtt: MqttSubscriber | None = None
        self._asker: Asker | None = None
        self._signing: Signing | None = None
        self._costs = Costs(self.server.calls, log.feed.subscribe, settings.ocpp.cost_updated_every_s)
        if settings.ocpp.total_cost:
            self._registry.total_cost = self._costs.total
        if settings.ocpp.total_cost or settings.ocpp.cost_updated_every_s:
            self.server.calls.watchers.append(self._costs.watch)
        self._stop_serving: list[Callable[[], Awaitable[None]]] = []

    async def start(self) -> None:
        """Returns when stations are served, which needs the records once, or what is remembered of them. Raises
        SettingsError for addresses that cannot be used."""
        ocpp = self._settings.ocpp
        if ocpp.local_list and ocpp.allow_open and any(door.security_profile == 0 for door in ocpp.doors):
            raise SettingsError(
                "ocpp.local_list would tell drivers' idTags to whoever names a station.",
                mend="Set ocpp.security_profile = 1, or ocpp.local_list = false.",
            )
        if ocpp.concurrent_sessions == "refuse":
            await self._log.feed.subscribe(self._registry.hear)
        await self._registry.wait()
        if self._settings.ocpp.trigger_after_gap:
            self._asker = Asker(self.server.calls, self._records)
            self.server.calls.watchers.append(self._asker.watch)
        self.server.on_connected = self._tell_the_others
        signer = signer_of(self._settings.ocpp)
        if signer is not None:
            self._signing = Signing(signer, self.server.calls, self._records, self._clock)
            self.server.on_errand = self._signing.take
        await self.server.start()
        self._stop_serving = [
            await self._log.commands.serve(self.server.calls),
            await self._log.holders.serve(self.server),
            await self._log.reprocessing.serve(self._rereader.handle),
        ]
        for door, port in zip(self._settings.ocpp.doors, self.server.ports, strict=True):
            scheme = "wss" if doors.ends_tls(self._settings.ocpp, door) else "ws"
            profile = door.security_profile
            logger.info("stations: %s://%s (port %d), security profile %d", scheme, door.listen, port, profile)
        if self._devices:
            self.mqtt = MqttSubscriber(
                lambda: mqtt_url(self._settings) or "",
                self._settings.mqtt,
                self._log.appender,
                self._clock,
                self._reader,
            )
            self.mqtt.start()

    async def run(self) -> None:
        await self.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._registry.keep_fresh())
                group.create_task(self.server.keep_fresh())
                group.create_task(self._pulse())
                group.create_task(self._settle())
                if self.lists is not None:
                    group.create_task(self.lists.run())
                group.create_task(self._costs.run())
                if self._asker is not None:
                    group.create_task(self._asker.run())
        finally:
            await self.stop()

    async def stop(self) -> None:
        for stop in self._stop_serving:
            await stop()
        if self._signing is not None:
            await self._signing.stop()
        with contextlib.suppress(asyncio.CancelledError):
            await self.server.stop()
        if self.mqtt is not None:
            await self.mqtt.stop()

    async def _tell_the_others(self, link: Link) -> None:
        if link.since is not None:
            await self._log.holders.tell(link.station_id, link.since)

    async def _settle(self) -> None:
        """Stations that were connected before our restart and did not come back, to no collector, are
        disconnected: the former process may have died without saying so."""
        await self._registry.was_read.wait()
        before = self._registry.connected_in_records
        while True:
            await asyncio.sleep(NOT_BACK_AFTER_S)
            await self._registry.reload()
            same = before.items() & self._registry.connected_in_records.items()
            missing = {station_id: since for station_id, since in same if not self.server.holds(station_id)}
            try:
                held = await self._log.holders.held(missing)
            except EventLogError as error:
                logger.warning("stations that were connected before: %s", error)
                continue
            for station_id in missing.keys() - held:
                link = Link(station_id, "", Policy(), missing[station_id])
                self._log.appender.submit(
                    link.disconnected(self._clock(), "not back after a restart of the collector")
                )
            return

    async def _pulse(self) -> None:
        """The collector's sign of life on the live feed."""
        while True:
            pulse = {
                "service": "collector",
                "process": self._name,
                "at": rfc3339(self._clock()),
                "lag_s": 0.0,
                "connected": len(self.server.connected),
                "messages": self.server.messages,
                "refused": self.server.refused,
                "paced": self.server.paced,
                "stalled": self._log.appender.stalled,
                "records_age_s": self._registry.age_s,
                "records_down": self._registry.records_down,
                **(self.mqtt.totals() if self.mqtt else {}),
                **(self.lists.totals() if self.lists else {}),
            }
            await self._log.feed.publish("pulse", msgspec.json.encode(pulse))
            await asyncio.sleep(PULSE_S)
