"""What happens at one connector: a driver plugs in, shows a card, charges, comes back. Pure: time is handed in."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any, Protocol

from laddvakt.domain.stations import ConnectorState
from simulator import drivers, firmware, messages
from simulator.cabinet import Cabinet
from simulator.central import start_request
from simulator.circuit import Circuit
from simulator.defects import Flaws
from simulator.demand import SiteKind
from simulator.drivers import Driver, Habits, Population, Visit
from simulator.firmware import Fault, Guard, Limits
from simulator.outbox import OnReply, Transaction
from simulator.physics import local_hour
from simulator.spec import Dialect, has_terminal
from simulator.speech import Message, Speech

Later = Callable[[float], None]
_IN_TRANSACTION = {ConnectorState.CHARGING, ConnectorState.SUSPENDED_EV, ConnectorState.SUSPENDED_EVSE}
_FIRST_LOOK_S = 8.0
_FREE_RIDERS = 0.5  # share of drivers who show no card where power flows without one
_PILOT_FAULTS = (
    Fault("OtherError", "pilot signal out of range", "CX014"),
    Fault("OtherError", "plug partly inserted", "CX020"),
    Fault("OtherError", "proximity resistance out of range", "CX023"),
)
_NOT_HOME = Fault("OtherError", "plug partly inserted", "CX020")
_LEAST_A = 6.0
_WARMTH_EVERY_S = 60.0
_PULLED_S = 5.0  # a plug that has left the vehicle is soon hung up
_STARTED_WH = 5.0  # a driver who sees less than this on the display concludes that it does not charge


class Desk(Protocol):
    """What a bay needs of its station."""

    rng: random.Random
    dialect: Dialect
    speech: Speech
    habits: Habits
    population: Population
    meter_interval_s: float
    limits: Limits
    cabinet: Cabinet

    @property
    def powered(self) -> bool: ...
    @property
    def online(self) -> bool: ...
    def after(self, delay_s: float, now_s: float, action: Later) -> None: ...
    def clock(self, now_s: float) -> float: ...
    def name_transaction(self) -> str: ...
    def ask(self, action: str, payload: dict[str, Any]) -> None: ...
    def say(
        self, message: Message, now_s: float, *, on_reply: OnReply | None = None, urgent: bool = False
    ) -> None: ...


class Bay:
    """One connector of a station."""

    def __init__(self, desk: Desk, circuit: Circuit) -> None:
        self.desk = desk
        self.circuit = circuit
        self.connector_id = circuit.spec.connector_id
        self.status = ConnectorState.AVAILABLE
        self.fault: Fault | None = None
        self.warning: Fault | None = None  # said while it goes on charging
        self.flaws = Flaws()
        self._stuck = False  # in this status
        circuit.tells_derating = desk.limits.tells_derating
        self.operative = True
        self.visit: Visit | None = None
        self.transaction: Transaction | None = None
        self.events = 0  # NotifyEvent counts them (2.x)
        self.guest: Callable[[Visit], Visit] | None = None  # makes of a usual visit an unusual one
        self.begun: Callable[[Bay, Visit, float], None] | None = None  # what is unusual about charging
        self._borrowed: Driver | None = None  # the one who came, whoever stands for that driver
        self._pause_told = True
        self._warmth_at_s = 0.0
        self._began_wh = 0.0
        self._limit_a = circuit.spec.max_current_a  # that charging profiles leave
        self._phase_limit: int | None = None

    # Drivers come and go.

    def open(self, now_s: float) -> None:
        """The fleet begins: the first driver is on the way."""
        self._await(drivers.first_gap_s, now_s)

    def _await_next(self, now_s: float) -> None:
        self._await(drivers.next_gap_s, now_s)

    def _await(self, gap_s: Callable[..., float], now_s: float) -> None:
        desk, offset_h = self.desk, self.circuit.place.utc_offset_h
        delay_s = gap_s(desk.rng, desk.habits, now_s, utc_offset_h=offset_h, kind=self._kind)
        desk.after(delay_s, now_s, self._arrive)

    @property
    def _kind(self) -> SiteKind:
        return self.circuit.site.kind(dc=self.circuit.dc)

    def _arrive(self, now_s: float) -> None:
        if self.visit is not None:
            return
        free = self.desk.powered and self.status is ConnectorState.AVAILABLE and not self._puts_off()
        driver = self._driver(now_s) if free else None
        if driver is None:
            self._await_next(now_s)
            return
        self._borrowed = driver
        visit = drivers.plan_visit(self.desk.rng, driver, self.desk.habits, dc=self.circuit.dc, kind=self._kind)
        self._plug_in(self.guest(visit) if self.guest else visit, now_s)

    def _driver(self, now_s: float) -> Driver | None:
        """Who comes now; nobody when the site is closed, or quieter than it uses to be."""
        site, rng = self.circuit.site, self.desk.rng
        if site.closed or (site.quiet < 1 and rng.random() > site.quiet):
            return None
        hour = local_hour(now_s, site.place.utc_offset_h)
        return self.desk.population.borrow(rng, dc=self.circuit.dc, site=site.site_id, hour=hour)

    def _puts_off(self) -> bool:
        return self.flaws.cable_gone or self._happens(self.flaws.turned_away)

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self.desk.rng.random() < chance

    def _plug_in(self, visit: Visit, now_s: float) -> None:
        self.visit = visit
        self.circuit.advance(now_s)
        self.circuit.plug_in(visit.driver.vehicle, visit.soc, visit.target_soc)
        self._set_status(ConnectorState.PREPARING, now_s)
        if self._happens(self.flaws.pilot_fails):
            self._fail(self.desk.rng.choice(_PILOT_FAULTS), self.desk.rng.uniform(30, 90), now_s)
            return
        if self._happens(visit.driver.clumsy):
            self._fail(_NOT_HOME, self.desk.rng.uniform(5, 30), now_s)
            return
        self.desk.after(visit.card_after_s, now_s, lambda now: self._present_card(visit, now))

    def _unplug(self, visit: Visit, now_s: float, *, retry: bool = False) -> None:
        if self.visit is not visit:
            return
        self.circuit.advance(now_s)
        soc = self.circuit.soc
        self.circuit.unplug()
        self.visit = None
        if self.status is not ConnectorState.FAULTED:
            self._set_status(self.idle_status, now_s)
        next_try = drivers.again(self.desk.rng, visit) if retry else None
        if next_try is not None:
            self.desk.after(self.desk.rng.uniform(4, 20), now_s, lambda now: self._retry(next_try, soc, now))
            return
        self._leave(now_s)

    def _leave(self, now_s: float) -> None:
        if self._borrowed is not None:
            self.desk.population.give_back(self._borrowed)
            self._borrowed = None
        self._await_next(now_s)

    def _retry(self, visit: Visit, soc: float, now_s: float) -> None:
        if self.visit is None and self.desk.powered and self.status is ConnectorState.AVAILABLE:
            self._plug_in(visit._replace(soc=soc), now_s)
            return
        self._leave(now_s)

    # A transaction from card to stop.

    def _present_card(self, visit: Visit, now_s: float) -> None:
        if self.visit is not visit or self.transaction is not None or self.status is not ConnectorState.PREPARING:
            return
        if self.circuit.conducting and self._happens(_FREE_RIDERS):
            # It charges already; not everybody shows a card then.
            self.desk.after(visit.dwell_s, now_s, lambda now: self._unplug(visit, now))
            return
        if visit.by_app:
            tag, protocol = visit.driver.id_tag, self.desk.speech.protocol
            self.desk.ask(*start_request(protocol, self.connector_id, tag, int(now_s) % 2**31))
            return
        pays = visit.driver.pays and has_terminal(self.desk.speech.protocol)
        unread = self.flaws.terminal_dead if pays else 0.0 if visit.driver.autocharge else self.flaws.reader_dead
        if self._happens(unread):
            self.desk.after(visit.unplug_after_s + 40, now_s, lambda now: self._unplug(visit, now, retry=True))
            return
        if pays:
            self.begin(visit, now_s, f"PAY{self.desk.rng.getrandbits(48):012X}", card=True)
            return
        if visit.driver.autocharge or not self.desk.online:
            self.begin(visit, now_s)
            return
        request = self.desk.speech.authorize(visit.driver.id_tag)
        self.desk.say(request, now_s, on_reply=lambda reply, now: self._authorised(visit, reply, now))

    def _authorised(self, visit: Visit, reply: dict[str, Any] | None, now_s: float) -> None:
        if self.visit is not visit or self.transaction is not None or self.status is not ConnectorState.PREPARING:
            return
        # Without an answer the station trusts its local list (LocalAuthorizeOffline).
        if reply is None or self.desk.speech.accepted(reply):
            self.begin(visit, now_s)
            return
        self.desk.after(visit.unplug_after_s, now_s, lambda now: self._unplug(visit, now))

    def begin(
        self,
        visit: Visit,
        now_s: float,
        id_tag: str | None = None,
        *,
        remote_start_id: int | None = None,
        card: bool = False,
    ) -> None:
        """The station starts a transaction and closes its contactor."""
        desk, circuit = self.desk, self.circuit
        circuit.advance(now_s)
        if not self._ready(visit, now_s):
            return
        transaction = Transaction(
            self.connector_id,
            id_tag or visit.driver.id_tag,
            circuit.metered_wh(desk.dialect.register_step_wh),
            name=desk.name_transaction(),
            begin_value=messages.edge_value(circuit, desk.dialect, desk.clock(now_s), "Transaction.Begin"),
            remote_start_id=remote_start_id,
            card=card,
        )
        self.transaction = transaction
        self._began_wh = circuit.energy_wh
        desk.say(
            desk.speech.start(self, transaction, desk.clock(now_s)),
            now_s,
            on_reply=lambda reply, now: self._started(transaction, reply, now),
        )
        if self._happens(self.flaws.start_fails):
            desk.after(desk.rng.uniform(8, 40), now_s, lambda now: self._start_failed(transaction, now))
            return
        circuit.offered_a = self._limit_a
        circuit.phase_limit = self._phase_limit
        circuit.close()
        circuit.paused, self._pause_told = self._happens(self.flaws.refused), True
        self._set_status(ConnectorState.CHARGING, now_s)
        desk.after(_FIRST_LOOK_S, now_s, lambda now: self._first_look(transaction, now))
        if self._happens(self.flaws.withholds):
            desk.after(desk.rng.uniform(60, 900), now_s, lambda now: self._withhold(transaction, now))
        desk.after(desk.meter_interval_s, now_s, lambda now: self._sample(transaction, now))
        desk.after(visit.dwell_s, now_s, lambda now: self._driver_back(visit, now))
        if visit.patience_s < visit.dwell_s:
            desk.after(visit.patience_s, now_s, lambda now: self._look(visit, transaction, now))
        self._plan_pause(transaction, visit, now_s)
        if self.begun is not None:
            self.begun(self, visit, now_s)

    def _ready(self, visit: Visit, now_s: float) -> bool:
        """What can keep a station from starting although the driver may charge."""
        if self._stuck and self.status is ConnectorState.PREPARING:
            self.desk.after(self.desk.rng.uniform(300, 1500), now_s, lambda now: self._unplug(visit, now))
            return False
        if self._happens(self.flaws.lock_fails):
            lock = Fault("ConnectorLockFailure", "lock motor end position not reached", "CX001")
            self._fail(lock, self.desk.rng.uniform(30, 90), now_s)
            return False
        return self._guarded(now_s)

    def _start_failed(self, transaction: Transaction, now_s: float) -> None:
        if self.transaction is not transaction:
            return
        code = self.flaws.start_code
        if code:
            self._fail(Fault("OtherError", "charging could not be started", code), 20.0, now_s)
        else:
            self.stop("Other", now_s, retry=True)

    def _first_look(self, transaction: Transaction, now_s: float) -> None:
        if self.transaction is transaction:
            self.circuit.advance(now_s)
            if self._guarded(now_s):
                self._follow(now_s)

    def _withhold(self, transaction: Transaction, now_s: float) -> None:
        if self.transaction is transaction:
            self.circuit.advance(now_s)
            self.circuit.withheld = True
            self._follow(now_s)

    def _started(self, transaction: Transaction, reply: dict[str, Any] | None, now_s: float) -> None:
        if reply is None:
            return
        self.desk.speech.started(transaction, reply)
        if self.transaction is transaction and not self.desk.speech.accepted(reply):
            self.stop("DeAuthorized", now_s)

    def stop(self, reason: str, now_s: float, *, retry: bool = False) -> None:
        """Ends the transaction; the plug stays in until the driver pulls it, perhaps to try again."""
        transaction, visit = self.transaction, self.visit
        if transaction is None:
            return
        desk, circuit = self.desk, self.circuit
        circuit.advance(now_s)
        request = desk.speech.stop(self, transaction, reason, desk.clock(now_s))
        circuit.interrupt()
        self.transaction = None
        desk.say(request, now_s)
        self._warn(None, now_s)
        if self.status is not ConnectorState.FAULTED:
            self._set_status(ConnectorState.FINISHING, now_s)
        if visit is not None:
            away_s = min(visit.unplug_after_s, _PULLED_S) if reason == "EVDisconnected" else visit.unplug_after_s
            self.desk.after(away_s, now_s, lambda now: self._unplug(visit, now, retry=retry))

    def _driver_back(self, visit: Visit, now_s: float) -> None:
        if self.visit is not visit or self.transaction is None:
            return
        self.stop("EVDisconnected" if self.desk.rng.random() < 0.3 else "Local", now_s)

    def _look(self, visit: Visit, transaction: Transaction, now_s: float) -> None:
        """The driver sees that nothing is charged, gives up, and perhaps tries again."""
        if self.visit is not visit or self.transaction is not transaction:
            return
        self.circuit.advance(now_s)
        if self.status is ConnectorState.CHARGING and self.circuit.energy_wh - self._began_wh < _STARTED_WH:
            self.stop("Local", now_s, retry=True)

    # While it lasts.

    def _sample(self, transaction: Transaction, now_s: float) -> None:
        if self.transaction is not transaction:
            return
        self.circuit.advance(now_s)
        self.send_meter_values(now_s)
        if self._guarded(now_s):
            self._follow(now_s)
        if self.transaction is transaction:
            self.desk.after(self.desk.meter_interval_s, now_s, lambda now: self._sample(transaction, now))

    def send_meter_values(self, now_s: float, context: str = "Sample.Periodic") -> None:
        """What the meter shows now, with the transaction where there is one."""
        self.desk.cabinet.advance(now_s)
        desk = self.desk
        desk.say(desk.speech.values(self, self.transaction, context, desk.clock(now_s)), now_s)
        if desk.dialect.temperature and now_s - self._warmth_at_s >= _WARMTH_EVERY_S:
            self._warmth_at_s = now_s
            for message in desk.speech.warmth(self, desk.clock(now_s)):
                desk.say(message, now_s)

    def _follow(self, now_s: float) -> None:
        """The status that the control pilot tells the station: who is holding back?"""
        circuit = self.circuit
        if circuit.full and circuit.dc:
            self.stop("Local", now_s)
        elif circuit.offered_a <= 0 or circuit.withheld:
            self._set_status(ConnectorState.SUSPENDED_EVSE, now_s)
        elif (circuit.paused and self._pause_told) or circuit.full:
            self._set_status(ConnectorState.SUSPENDED_EV, now_s)
        else:
            self._set_status(ConnectorState.CHARGING, now_s)

    def limit(self, limit_a: float, phases: int | None, now_s: float) -> None:
        """Charging profiles allow this much; less than the least current (IEC 61851-1: 6 A) is nothing."""
        self.circuit.advance(now_s)
        most_a = min(limit_a, self.circuit.spec.max_current_a)
        self._limit_a = most_a if self.circuit.dc or most_a >= _LEAST_A else 0.0
        self._phase_limit = phases
        if self.transaction is not None:
            if self._limit_a < self.circuit.offered_a:
                self.circuit.lowered_at_s = now_s
            self.circuit.offered_a = self._limit_a
            self.circuit.phase_limit = phases
            self._follow(now_s)

    def _plan_pause(self, transaction: Transaction, visit: Visit, now_s: float) -> None:
        """Now and then a vehicle takes a break, or the site's load management does: no fault in either."""
        rng = self.desk.rng
        kind = rng.random()
        if self.circuit.dc or kind > 0.06 or visit.dwell_s < 900:
            return
        at_s = rng.uniform(0.1, 0.6) * visit.dwell_s
        length_s = rng.uniform(120, 600)

        def switch(now: float, *, on: bool) -> None:
            if self.transaction is not transaction:
                return
            self.circuit.advance(now)
            self.circuit.offered_a = 0.0 if on else self._limit_a
            self._follow(now)

        if kind < 0.03:
            self.pause(at_s, length_s, now_s)
            return
        self.desk.after(at_s, now_s, lambda now: switch(now, on=True))
        self.desk.after(at_s + length_s, now_s, lambda now: switch(now, on=False))

    def pause(self, after_s: float, length_s: float, now_s: float, *, told: bool = True) -> None:
        """The vehicle will take nothing for a while. Not every vehicle lets the station know (`told`)."""
        transaction = self.transaction

        def switch(now: float, *, on: bool) -> None:
            if transaction is None or self.transaction is not transaction:
                return
            self.circuit.advance(now)
            self.circuit.paused, self._pause_told = on, told
            self._follow(now)

        self.desk.after(after_s, now_s, lambda now: switch(now, on=True))
        self.desk.after(after_s + length_s, now_s, lambda now: switch(now, on=False))

    # What the station says of itself.

    @property
    def idle_status(self) -> ConnectorState:
        if self.fault is not None:
            return ConnectorState.FAULTED
        return ConnectorState.AVAILABLE if self.operative else ConnectorState.UNAVAILABLE

    @property
    def trouble(self) -> Fault | None:
        """What it complains of now."""
        return self.fault or self.warning

    def raise_fault(self, fault: Fault, now_s: float, *, reason: str = "Other", retry: bool = False) -> None:
        """The station finds a fault in itself: Faulted, and no more charging here."""
        self.fault = fault
        self._stuck = False
        self._set_status(ConnectorState.FAULTED, now_s)
        if self.transaction is not None:
            self.stop(reason, now_s, retry=retry)
        elif self.visit is not None:
            visit = self.visit
            self.desk.after(visit.unplug_after_s, now_s, lambda now: self._unplug(visit, now, retry=retry))

    def clear_fault(self, now_s: float) -> None:
        if self.fault is None:
            return
        fault, self.fault = self.fault, None
        self._cleared(fault, now_s)
        self._set_status(ConnectorState.PREPARING if self.visit else self.idle_status, now_s)
        if self.visit is not None:
            visit = self.visit
            self.desk.after(self.desk.rng.uniform(10, 60), now_s, lambda now: self._unplug(visit, now))

    def _cleared(self, fault: Fault, now_s: float) -> None:
        for message in self.desk.speech.cleared(self, fault, self.desk.clock(now_s)):
            self.desk.say(message, now_s)

    def _fail(self, fault: Fault, hold_s: float, now_s: float) -> None:
        """A fault that goes by itself: the driver may try again."""
        self.raise_fault(fault, now_s, retry=True)
        self.desk.after(hold_s, now_s, lambda now: self.clear_fault(now) if self.fault is fault else None)

    def _guarded(self, now_s: float) -> bool:
        """The firmware looks after itself; whether charging may go on."""
        senses = self._senses(now_s)
        guard = firmware.tripped(senses)
        if guard is not None:
            if self.fault is None:
                self.raise_fault(guard.fault, now_s, retry=True)
                self.desk.after(guard.hold_s, now_s, lambda now: self._let_go(guard, now))
            return False
        self.circuit.derate, warning = firmware.derating(senses, self.circuit.derate)
        self._warn(warning, now_s)
        return True

    def _let_go(self, guard: Guard, now_s: float) -> None:
        if self.fault is not guard.fault:
            return
        self.circuit.advance(now_s)
        if guard.clears(self._senses(now_s)):
            self.clear_fault(now_s)
        else:
            self.desk.after(60.0, now_s, lambda now: self._let_go(guard, now))

    def _senses(self, now_s: float) -> firmware.Senses:
        self.desk.cabinet.advance(now_s)
        return firmware.Senses(self.circuit, self.desk.cabinet.temperature_c, self.desk.limits, self.desk.rng)

    def _warn(self, warning: Fault | None, now_s: float) -> None:
        before, self.warning = self.warning, warning
        if before is warning:
            return
        if before is not None:
            self._cleared(before, now_s)
        self.report(now_s)

    def unstick(self, now_s: float) -> None:
        """Whatever status it was stuck in, it says again how it is."""
        if self._stuck:
            self._stuck = False
            if self.visit is None and self.fault is None:
                self._set_status(self.idle_status, now_s)

    def power_lost(self, now_s: float) -> None:
        """Dark: the transaction ends here; its stop is told after the next boot. The driver pulls the plug."""
        self.stop("PowerLoss", now_s)
        if self.visit is not None:
            self._unplug(self.visit, now_s)
        self._stuck = False
        if self.fault is not None and self.fault.hung:
            self.fault = None
        self.status = self.idle_status

    def set_operative(self, operative: bool, now_s: float) -> bool:
        """ChangeAvailability; returns whether it takes effect now rather than after the transaction."""
        self.operative = operative
        if self.visit is not None or self.transaction is not None:
            return False
        if self.status is not ConnectorState.FAULTED:
            self._set_status(self.idle_status, now_s)
        return True

    def _set_status(self, status: ConnectorState, now_s: float) -> None:
        if self.status is status or self._stuck:
            return
        before, self.status = self.status, status
        self._stuck = self._happens(self.flaws.sticks.get(status.value, 0.0))
        if self._stuck and self.flaws.stuck_s < math.inf:
            self.desk.after(self.flaws.stuck_s * self.desk.rng.uniform(0.6, 1.4), now_s, self.unstick)
        self.report(now_s)
        if self.transaction is not None and before in _IN_TRANSACTION and status in _IN_TRANSACTION:
            changed = self.desk.speech.charging_state(self, self.transaction, self.desk.clock(now_s))
            if changed is not None:
                self.desk.say(changed, now_s)

    def report(self, now_s: float, *, urgent: bool = False) -> None:
        """How the connector is."""
        for message in self.desk.speech.status(self, self.desk.clock(now_s)):
            self.desk.say(message, now_s, urgent=urgent)
