"""One station: events and `now` in, frames out. No sockets, no clock, no sleep."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from simulator import commands, messages
from simulator.bay import Bay
from simulator.cabinet import Cabinet
from simulator.circuit import Circuit
from simulator.drivers import Habits, Population
from simulator.faults import FaultPlan
from simulator.firmware import limits_of
from simulator.happenings import begin, end
from simulator.limits import ChargingLimits
from simulator.outbox import OnReply, Outbox
from simulator.site import Site, make_site
from simulator.spec import StationSpec, dialect_of, is_dc
from simulator.speech import Message, speech_of

_BOOT_RETRY_S = 60.0  # when the central system names no interval (section 4.2)


class Send(msgspec.Struct, frozen=True):
    """A frame for the central system."""

    frame: list[Any]


class Publish(msgspec.Struct, frozen=True):
    """An MQTT message of the station's independent devices."""

    topic: str
    payload: dict[str, Any]


class Acknowledged(msgspec.Struct, frozen=True):
    """The central system answered a call with a CALLRESULT."""

    action: str
    unique_id: str
    payload: dict[str, Any]
    reply: dict[str, Any]


class Asked(msgspec.Struct, frozen=True):
    """What the central system that looks after this station asks of it now."""

    action: str
    payload: dict[str, Any]


Output = Send | Publish | Acknowledged | Asked


class StationOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a station is run, beside its nameplate."""

    habits: Habits = Habits()
    meter_interval_s: float | None = 60.0  # None: as the model does
    mqtt: bool = False  # has independent devices that speak MQTT
    mqtt_interval_s: float = 30.0
    firmware_updates_per_day: float = 0.02
    aligned: bool = False  # reads idle meters, too, where the model does that


class Station:
    """The state machine. `link_wanted` says whether the station's network is there; after every call,
    `next_at_s` is when it wants `tick`."""

    def __init__(
        self,
        spec: StationSpec,
        *,
        seed: int,
        now_s: float,
        population: Population,
        options: StationOptions | None = None,
        faults: tuple[FaultPlan, ...] = (),
        site: Site | None = None,
    ) -> None:
        """`faults`: what is to befall it, look-alikes too. `site` is shared by the stations of one site; one that
        is given none has it for itself."""
        self.spec = spec
        self.options = options or StationOptions()
        self.rng = random.Random(f"{seed}/{spec.station_id}")
        self.dialect = dialect_of(spec)
        self.limits = limits_of(spec)
        self.clock_offset_s = 0.0  # of the station's own clock
        self.garble: Callable[[Message], Message] | None = None  # what its firmware makes of a message
        self.delay: Callable[[Message, float], float] | None = (
            None  # seconds that it keeps one back; infinite: lost
        )
        self.speech = speech_of(spec.protocol)
        self._boot_reason = "PowerUp"
        self.habits = self.options.habits
        self.population = population
        self.meter_interval_s = self.options.meter_interval_s or self.dialect.interval_s
        self.heartbeat_s = 300.0
        self.profiles = ChargingLimits(phases=spec.phases, dc=is_dc(spec))
        self.powered = True
        self.network = True
        self.reachable = True  # the central system is there, and the way to it
        self.sent_away = False  # by a central system that restarts
        self.air_sensor = True
        self._agenda: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = itertools.count()
        # Message ids differ between runs of the same fleet: a central system may remember the former ones.
        self._outbox = Outbox(random.Random(f"ids/{seed}/{spec.station_id}/{now_s}"))
        self._outputs: list[Output] = []
        self._beat = 0
        self.site = site or make_site(seed, spec.site_id)
        self.place = self.site.place
        self._device_gain = self.rng.gauss(1.0, 0.002)
        self._rssi_dbm = self.rng.uniform(-92, -58)
        self.bays = {
            connector.connector_id: Bay(self, Circuit(spec, connector, self.site, self.rng, now_s))
            for connector in spec.connectors
        }
        self.cabinet = Cabinet(spec, self.site, [bay.circuit for bay in self.bays.values()], now_s)
        self._open(now_s, faults)

    def _open(self, now_s: float, faults: tuple[FaultPlan, ...]) -> None:
        rotation = random.Random(f"rotation/{self.spec.station_id}").randrange(3)
        for bay in self.bays.values():
            bay.circuit.beside = tuple(other.circuit for other in self.bays.values() if other is not bay)
            bay.circuit.rotation = rotation
        for bay in self.bays.values():
            bay.open(now_s)
        for plan in faults:
            self.after(plan.since_s - now_s, now_s, partial(begin, self, plan))
            if plan.until_s is not None:
                self.after(plan.until_s - now_s, now_s, partial(end, self, plan))
        if self.options.mqtt:
            self.after(self.rng.uniform(1, self.options.mqtt_interval_s), now_s, self._publish)
        if self.options.aligned and self.dialect.aligned_s:
            every_s = self.dialect.aligned_s
            self.after(every_s - now_s % every_s, now_s, self._read_meters)
        if self.options.firmware_updates_per_day > 0:
            self._plan_firmware(now_s)

    # Events.

    def tick(self, now_s: float) -> list[Output]:
        """Time has passed."""
        return self._settle(now_s)

    def link_up(self, now_s: float) -> list[Output]:
        """The websocket is open: boot if not accepted yet, else say how the connectors are (section 4.9)."""
        self._settle(now_s, keep=True)
        self._outbox.connected()
        if self._outbox.accepted:
            self._report_all(now_s)
            self._start_heartbeat(now_s)
        else:
            self.send_boot(now_s)
        return self._settle(now_s)

    def link_down(self, now_s: float) -> list[Output]:
        """The websocket is gone."""
        self._outbox.disconnected(now_s)
        self._beat += 1
        return self._settle(now_s)

    def received(self, frame: object, now_s: float) -> list[Output]:
        """A decoded frame of the central system; what is no OCPP-J frame is ignored."""
        self._settle(now_s, keep=True)
        if not self.link_wanted:
            return self._settle(now_s)
        match frame:
            case [2, str() as unique_id, str() as action, dict() as payload]:
                self._outputs.append(Send(commands.answer(self, unique_id, action, payload, now_s)))
            case [3, str() as unique_id, dict() as payload]:
                call = self._outbox.answered(unique_id, payload, now_s)
                if call is not None:
                    self._outputs.append(Acknowledged(call.action, unique_id, call.payload, payload))
            case [4, str() as unique_id, *_]:
                self._outbox.refused(unique_id, now_s)
        return self._settle(now_s)

    @property
    def next_at_s(self) -> float:
        """When `tick` is due next, UTC seconds."""
        agenda_s = self._agenda[0][0] if self._agenda else float("inf")
        return min(agenda_s, self._outbox.next_at_s)

    @property
    def link_wanted(self) -> bool:
        """Whether the station has power and a network to connect over."""
        return self.powered and self.network and self.reachable and not self.sent_away

    def _settle(self, now_s: float, *, keep: bool = False) -> list[Output]:
        while self._agenda and self._agenda[0][0] <= now_s:
            at_s, _, action = heapq.heappop(self._agenda)
            action(at_s)
        self._outbox.expire(now_s)
        if keep:
            return []
        frame = self._outbox.next_frame(now_s) if self.link_wanted else None
        if frame is not None:
            self._outputs.append(Send(frame))
        outputs, self._outputs = self._outputs, []
        return outputs

    # What bays, faults and commands use.

    @property
    def online(self) -> bool:
        """Connected and accepted by the central system."""
        return self._outbox.online and self._outbox.accepted

    def after(self, delay_s: float, now_s: float, action: Callable[[float], None]) -> None:
        """Runs `action(at)` once `delay_s` from `now_s` have passed."""
        heapq.heappush(self._agenda, (now_s + max(delay_s, 0.0), next(self._count), action))

    def clock(self, now_s: float) -> float:
        """What the station's own clock shows."""
        return now_s + self.clock_offset_s

    def obey_limits(self, now_s: float) -> None:
        """Charging profiles have changed, or the time has come that they change: the firmware follows shortly."""

        def follow(now: float) -> None:
            for bay in self.bays.values():
                bay.limit(*self.profiles.at(bay.connector_id, now), now)

        self.after(self.rng.uniform(0.5, 4), now_s, follow)
        for change_s in self.profiles.changes(now_s)[:1]:
            self.after(change_s - now_s, now_s, self.obey_limits)

    def _read_meters(self, now_s: float) -> None:
        """Clock-aligned values of connectors without a transaction (1.6 section 9.1: ClockAlignedDataInterval)."""
        self.after(self.dialect.aligned_s, now_s, self._read_meters)
        for bay in self.bays.values():
            if bay.transaction is None and self.online:
                bay.circuit.advance(now_s)
                bay.send_meter_values(now_s, "Sample.Clock")

    def name_transaction(self) -> str:
        return self._outbox.fresh_id() if self.speech.protocol != "ocpp1.6" else ""

    def say(
        self, message: Message, now_s: float, *, on_reply: OnReply | None = None, urgent: bool = False
    ) -> None:
        """Queues a request, see Outbox.push."""
        if self.garble is not None:
            message = self.garble(message)
        held_s = self.delay(message, now_s) if self.delay is not None else 0.0

        def push(now: float) -> None:
            self._outbox.push(
                message.action,
                message.payload,
                now,
                kept=message.kept,
                transaction=message.numbered,
                on_reply=on_reply,
                urgent=urgent,
            )

        if not held_s:
            push(now_s)
        elif held_s < math.inf:
            self.after(held_s, now_s, push)

    def ask(self, action: str, payload: dict[str, Any]) -> None:
        """The central system asks this, where somebody stands for it (a log)."""
        self._outputs.append(Asked(action, payload))

    def power_off(self, now_s: float) -> None:
        """No mains: everything stops, nothing is sent."""
        if not self.powered:
            return
        for bay in self.bays.values():
            bay.power_lost(now_s)
        self.powered = False
        self._outbox.accepted = False

    def power_on(self, now_s: float) -> None:
        self.powered = True

    def restart(self, reason: str, now_s: float, *, boot_reason: str = "RemoteReset") -> None:
        """Transactions end, the link drops, the station boots again after a while."""
        self._boot_reason = boot_reason
        for bay in self.bays.values():
            bay.stop(reason, now_s)
        self.power_off(now_s)
        self.after(self.rng.uniform(8, 25), now_s, self.power_on)

    # Boot, heartbeat, reports.

    def send_boot(self, now_s: float) -> None:
        """It (re)started."""
        self.say(self.speech.boot(self.spec, self._boot_reason), now_s, on_reply=self._booted, urgent=True)

    def _booted(self, reply: dict[str, Any] | None, now_s: float) -> None:
        if reply is None:
            self.after(_BOOT_RETRY_S, now_s, self._boot_again)
            return
        said = reply.get("interval")
        interval_s = float(said) if isinstance(said, int) and said > 0 else 0.0
        if reply.get("status") == "Accepted":
            self._outbox.accepted = True
            self._boot_reason = "PowerUp"
            self.heartbeat_s = interval_s or self.heartbeat_s
            self._report_all(now_s)
            self._start_heartbeat(now_s)
            return
        self._outbox.accepted = False
        self.after(min(max(interval_s, 5.0), 600.0) if interval_s else _BOOT_RETRY_S, now_s, self._boot_again)

    def _boot_again(self, now_s: float) -> None:
        if self._outbox.online and not self._outbox.accepted:
            self.send_boot(now_s)

    def _report_all(self, now_s: float) -> None:
        for bay in reversed(list(self.bays.values())):
            bay.report(now_s, urgent=True)
        whole = self.speech.whole_station(self.clock(now_s))
        if whole is not None:
            self.say(whole, now_s, urgent=True)

    def _start_heartbeat(self, now_s: float) -> None:
        self._beat += 1
        beat = self._beat

        def heartbeat(now: float) -> None:
            if beat != self._beat or not self.online:
                return
            self.say(Message("Heartbeat", {}), now)
            self.after(self.heartbeat_s, now, heartbeat)

        self.after(self.heartbeat_s * self.rng.uniform(0.5, 1.0), now_s, heartbeat)

    def _plan_firmware(self, now_s: float) -> None:
        per_s = self.options.firmware_updates_per_day / 86_400
        self.after(self.rng.expovariate(per_s), now_s, self._update_firmware)

    def _update_firmware(self, now_s: float) -> None:
        """An update the maker pushed: told step by step (section 4.5), without a restart."""
        at_s, request = 0.0, int(now_s) % 2**31
        for status in ("Downloading", "Downloaded", "Installing", "Installed"):
            self.after(at_s, now_s, self._firmware_step(status, request))
            at_s += self.rng.uniform(20, 90)
        self._plan_firmware(now_s)

    def _firmware_step(self, status: str, request: int) -> Callable[[float], None]:
        return lambda now: self.say(self.speech.firmware(status, request), now)

    # Independent devices.

    def _publish(self, now_s: float) -> None:
        self.after(self.options.mqtt_interval_s, now_s, self._publish)
        for bay in self.bays.values():
            bay.circuit.advance(now_s)
            topic = f"laddvakt/{self.spec.station_id}/{bay.connector_id}/meter"
            payload = messages.device_meter(bay.circuit, now_s, self._device_gain)
            self._publish_one(topic, payload)
        air_c, cabinet = self.site.air_c(now_s), self.cabinet
        cabinet.advance(now_s)
        telemetry = messages.device_telemetry(
            now_s=now_s,
            air_c=air_c + self.rng.gauss(0, 0.1) if self.air_sensor else None,
            cabinet_c=cabinet.temperature_c + self.rng.gauss(0, 0.1),
            fan_rpm=cabinet.fan_rpm if is_dc(self.spec) else None,
            rssi_dbm=self._rssi_dbm + self.rng.gauss(0, 2),
        )
        self._publish_one(f"laddvakt/{self.spec.station_id}/telemetry", telemetry)

    def _publish_one(self, topic: str, payload: dict[str, Any]) -> None:
        if self.link_wanted:  # the devices share the station's power and modem
            self._outputs.append(Publish(topic, payload))
