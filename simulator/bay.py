"""One connector as its station runs it: transactions, status, faults, limits. Pure: time is handed in."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from laddvakt.domain.stations import ConnectorState
from simulator import firmware, messages
from simulator.circuit import Circuit
from simulator.defects import Flaws
from simulator.desk import Desk
from simulator.drivers import Visit
from simulator.firmware import Fault, Guard
from simulator.outbox import Transaction
from simulator.visitors import Visitors

_IN_TRANSACTION = {ConnectorState.CHARGING, ConnectorState.SUSPENDED_EV, ConnectorState.SUSPENDED_EVSE}
_FIRST_LOOK_S = 8.0
_LEAST_A = 6.0
_WARMTH_EVERY_S = 60.0
_PULLED_S = 5.0  # a plug that has left the vehicle is soon hung up


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
        self._pause_told = True
        self._warmth_at_s = 0.0
        self.began_wh = 0.0
        self._limit_a = circuit.spec.max_current_a  # that charging profiles leave
        self._phase_limit: int | None = None
        self._visitors = Visitors(self)

    def open(self, now_s: float) -> None:
        """The fleet begins: the first driver is on the way."""
        self._visitors.open(now_s)

    def happens(self, chance: float) -> bool:
        return chance > 0 and self.desk.rng.random() < chance

    # A transaction.

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
        self.began_wh = circuit.energy_wh
        desk.say(
            desk.speech.start(self, transaction, desk.clock(now_s)),
            now_s,
            on_reply=lambda reply, now: self._started(transaction, reply, now),
        )
        if self.happens(self.flaws.start_fails):
            desk.after(desk.rng.uniform(8, 40), now_s, lambda now: self._start_failed(transaction, now))
            return
        circuit.offered_a = self._limit_a
        circuit.phase_limit = self._phase_limit
        circuit.close()
        circuit.paused, self._pause_told = self.happens(self.flaws.refused), True
        self.set_status(ConnectorState.CHARGING, now_s)
        desk.after(_FIRST_LOOK_S, now_s, lambda now: self._first_look(transaction, now))
        if self.happens(self.flaws.withholds):
            desk.after(desk.rng.uniform(60, 900), now_s, lambda now: self._withhold(transaction, now))
        desk.after(desk.meter_interval_s, now_s, lambda now: self._sample(transaction, now))
        desk.after(visit.dwell_s, now_s, lambda now: self._visitors.back(visit, now))
        if visit.patience_s < visit.dwell_s:
            desk.after(visit.patience_s, now_s, lambda now: self._visitors.look(visit, transaction, now))
        self._plan_pause(transaction, visit, now_s)
        if self.begun is not None:
            self.begun(self, visit, now_s)

    def _ready(self, visit: Visit, now_s: float) -> bool:
        """What can keep a station from starting although the driver may charge."""
        if self._stuck and self.status is ConnectorState.PREPARING:
            self.desk.after(self.desk.rng.uniform(300, 1500), now_s, lambda now: self._visitors.unplug(visit, now))
            return False
        if self.happens(self.flaws.lock_fails):
            lock = Fault("ConnectorLockFailure", "lock motor end position not reached", "CX001")
            self.fail(lock, self.desk.rng.uniform(30, 90), now_s)
            return False
        return self._guarded(now_s)

    def _start_failed(self, transaction: Transaction, now_s: float) -> None:
        if self.transaction is not transaction:
            return
        code = self.flaws.start_code
        if code:
            self.fail(Fault("OtherError", "charging could not be started", code), 20.0, now_s)
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
            self.set_status(ConnectorState.FINISHING, now_s)
        if visit is not None:
            away_s = min(visit.unplug_after_s, _PULLED_S) if reason == "EVDisconnected" else visit.unplug_after_s
            self.desk.after(away_s, now_s, lambda now: self._visitors.unplug(visit, now, retry=retry))

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
            self.set_status(ConnectorState.SUSPENDED_EVSE, now_s)
        elif (circuit.paused and self._pause_told) or circuit.full:
            self.set_status(ConnectorState.SUSPENDED_EV, now_s)
        else:
            self.set_status(ConnectorState.CHARGING, now_s)

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
        self.set_status(ConnectorState.FAULTED, now_s)
        if self.transaction is not None:
            self.stop(reason, now_s, retry=retry)
        elif self.visit is not None:
            visit = self.visit
            self.desk.after(
                visit.unplug_after_s, now_s, lambda now: self._visitors.unplug(visit, now, retry=retry)
            )

    def clear_fault(self, now_s: float) -> None:
        if self.fault is None:
            return
        fault, self.fault = self.fault, None
        self._cleared(fault, now_s)
        self.set_status(ConnectorState.PREPARING if self.visit else self.idle_status, now_s)
        if self.visit is not None:
            visit = self.visit
            self.desk.after(self.desk.rng.uniform(10, 60), now_s, lambda now: self._visitors.unplug(visit, now))

    def _cleared(self, fault: Fault, now_s: float) -> None:
        for message in self.desk.speech.cleared(self, fault, self.desk.clock(now_s)):
            self.desk.say(message, now_s)

    def fail(self, fault: Fault, hold_s: float, now_s: float) -> None:
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

    @property
    def hangs(self) -> bool:
        """It holds that a session that is over is not."""
        return self._stuck and self.status is ConnectorState.FINISHING

    def unstick(self, now_s: float) -> None:
        """Whatever status it was stuck in, it says again how it is."""
        if self._stuck:
            self._stuck = False
            if self.visit is None and self.fault is None:
                self.set_status(self.idle_status, now_s)

    def power_lost(self, now_s: float) -> None:
        """Dark: the transaction ends here; its stop is told after the next boot. The driver pulls the plug."""
        self.stop("PowerLoss", now_s)
        if self.visit is not None:
            self._visitors.unplug(self.visit, now_s)
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
            self.set_status(self.idle_status, now_s)
        return True

    def set_status(self, status: ConnectorState, now_s: float) -> None:
        """How it is from now on; said, unless it is stuck."""
        if self.status is status or self._stuck:
            return
        before, self.status = self.status, status
        self._stuck = self.happens(self.flaws.sticks.get(status.value, 0.0))
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
