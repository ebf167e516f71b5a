"""Who comes to one connector: drivers plug in, show a card, look, come back, try again. Pure: `now` is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from laddvakt.domain.stations import ConnectorState
from simulator import drivers
from simulator.central import start_request
from simulator.demand import SiteKind
from simulator.drivers import Driver, Visit
from simulator.firmware import Fault
from simulator.outbox import Transaction
from simulator.physics import local_hour
from simulator.spec import has_terminal

if TYPE_CHECKING:
    from simulator.bay import Bay

_FREE_RIDERS = 0.5  # share of drivers who show no card where power flows without one
_PILOT_FAULTS = (
    Fault("OtherError", "pilot signal out of range", "CX014"),
    Fault("OtherError", "plug partly inserted", "CX020"),
    Fault("OtherError", "proximity resistance out of range", "CX023"),
)
_NOT_HOME = Fault("OtherError", "plug partly inserted", "CX020")
_JUST_COME = 0.5  # share of drivers who come without a look at who is there
_APP_S = 600.0  # until a driver gives up whose app could not start it
_OFFERED = frozenset({ConnectorState.CHARGING, ConnectorState.SUSPENDED_EV})  # a pause of the station's is told
_STARTED_WH = 5.0  # a driver who sees less than this on the display concludes that it does not charge


class Visitors:
    """The drivers of one bay, one at a time."""

    def __init__(self, bay: Bay) -> None:
        self._bay = bay
        self._desk = bay.desk
        self._circuit = bay.circuit
        self._borrowed: Driver | None = None  # the one who came, whoever stands for that driver

    def open(self, now_s: float) -> None:
        """The fleet begins: the first driver is on the way."""
        self._await(drivers.first_gap_s, now_s)

    def _await_next(self, now_s: float) -> None:
        self._await(drivers.next_gap_s, now_s)

    def _await(self, gap_s: Callable[..., float], now_s: float) -> None:
        offset_h = self._circuit.place.utc_offset_h
        delay_s = gap_s(self._desk.rng, self._desk.habits, now_s, utc_offset_h=offset_h, kind=self._kind)
        self._desk.after(delay_s, now_s, self._arrive)

    @property
    def _kind(self) -> SiteKind:
        return self._circuit.site.kind(dc=self._circuit.dc)

    def _arrive(self, now_s: float) -> None:
        if self._bay.visit is not None:
            return
        driver = self._driver(now_s) if self._free and not self._puts_off() else None
        if driver is None:
            self._await_next(now_s)
            return
        self._borrowed = driver
        desk, dc = self._desk, self._circuit.dc
        visit = drivers.plan_visit(desk.rng, driver, desk.habits, dc=dc, kind=self._kind)
        self._plug_in(self._bay.guest(visit) if self._bay.guest else visit, now_s)

    @property
    def _free(self) -> bool:
        """Who has seen that it is said to be occupied stays away; others see that nobody stands there."""
        if not self._desk.powered:
            return False
        bay = self._bay
        return bay.status is ConnectorState.AVAILABLE or (bay.hangs and self._desk.rng.random() < _JUST_COME)

    def _driver(self, now_s: float) -> Driver | None:
        """Who comes now; nobody when the site is closed, or quieter than it uses to be."""
        site, rng = self._circuit.site, self._desk.rng
        if site.closed or (site.quiet < 1 and rng.random() > site.quiet):
            return None
        hour = local_hour(now_s, site.place.utc_offset_h)
        return self._desk.population.borrow(rng, dc=self._circuit.dc, site=site.site_id, hour=hour)

    def _puts_off(self) -> bool:
        return self._bay.flaws.cable_gone or self._bay.happens(self._bay.flaws.turned_away)

    def _plug_in(self, visit: Visit, now_s: float) -> None:
        self._bay.visit = visit
        self._circuit.advance(now_s)
        self._circuit.plug_in(visit.driver.vehicle, visit.soc, visit.target_soc)
        self._bay.set_status(ConnectorState.PREPARING, now_s)
        if self._bay.happens(self._bay.flaws.pilot_fails):
            self._bay.fail(self._desk.rng.choice(_PILOT_FAULTS), self._desk.rng.uniform(30, 90), now_s)
            return
        if self._bay.happens(visit.driver.clumsy):
            self._bay.fail(_NOT_HOME, self._desk.rng.uniform(5, 30), now_s)
            return
        self._desk.after(visit.card_after_s, now_s, lambda now: self._present_card(visit, now))

    def unplug(self, visit: Visit, now_s: float, *, retry: bool = False) -> None:
        """The driver of this visit pulls the plug, perhaps to try again."""
        if self._bay.visit is not visit:
            return
        self._circuit.advance(now_s)
        soc = self._circuit.soc
        self._circuit.unplug()
        self._bay.visit = None
        if self._bay.status is not ConnectorState.FAULTED:
            self._bay.set_status(self._bay.idle_status, now_s)
        next_try = drivers.again(self._desk.rng, visit) if retry else None
        if next_try is not None:
            after_s = self._desk.rng.uniform(4, 20)
            self._desk.after(after_s, now_s, lambda now: self._retry(next_try, soc, now))
            return
        self._leave(now_s)

    def _leave(self, now_s: float) -> None:
        if self._borrowed is not None:
            self._desk.population.give_back(self._borrowed)
            self._borrowed = None
        self._await_next(now_s)

    def _retry(self, visit: Visit, soc: float, now_s: float) -> None:
        if self._bay.visit is None and self._free:
            self._plug_in(visit._replace(soc=soc), now_s)
            return
        self._leave(now_s)

    def _waits_to_start(self, visit: Visit) -> bool:
        bay = self._bay
        return bay.visit is visit and bay.transaction is None and bay.status is ConnectorState.PREPARING

    def _present_card(self, visit: Visit, now_s: float) -> None:
        if self._bay.hangs and self._bay.visit is visit:
            self._in_vain(visit, now_s)
        if not self._waits_to_start(visit):
            return
        if self._circuit.conducting and self._bay.happens(_FREE_RIDERS):
            # It charges already; not everybody shows a card then.
            self._desk.after(visit.dwell_s, now_s, lambda now: self.unplug(visit, now))
            return
        if visit.by_app:
            tag, protocol = visit.driver.id_tag, self._desk.speech.protocol
            self._desk.ask(*start_request(protocol, self._bay.connector_id, tag, int(now_s) % 2**31))
            self._desk.after(_APP_S, now_s, lambda now: self._app_failed(visit, now))
            return
        pays = visit.driver.pays and has_terminal(self._desk.speech.protocol)
        flaws = self._bay.flaws
        unread = flaws.terminal_dead if pays else 0.0 if visit.driver.autocharge else flaws.reader_dead
        if self._bay.happens(unread):
            self._desk.after(visit.unplug_after_s + 40, now_s, lambda now: self.unplug(visit, now, retry=True))
            return
        if pays:
            self._bay.begin(visit, now_s, f"PAY{self._desk.rng.getrandbits(48):012X}", card=True)
            return
        if visit.driver.autocharge or not self._desk.online:
            self._bay.begin(visit, now_s)
            return
        request = self._desk.speech.authorize(visit.driver.id_tag)
        self._desk.say(request, now_s, on_reply=lambda reply, now: self._authorised(visit, reply, now))

    def _app_failed(self, visit: Visit, now_s: float) -> None:
        """The app's start reached no station: nobody waits there for days."""
        if self._waits_to_start(visit):
            self.unplug(visit, now_s)

    def _in_vain(self, visit: Visit, now_s: float) -> None:
        """The card is read, and nothing comes of it: for the station the session before is not over."""
        if not (visit.by_app or visit.driver.autocharge or self._bay.happens(self._bay.flaws.reader_dead)):
            self._desk.say(self._desk.speech.authorize(visit.driver.id_tag), now_s)
        self._desk.after(visit.unplug_after_s + 40, now_s, lambda now: self.unplug(visit, now))

    def _authorised(self, visit: Visit, reply: dict[str, Any] | None, now_s: float) -> None:
        if not self._waits_to_start(visit):
            return
        # Without an answer the station trusts its local list (LocalAuthorizeOffline).
        if reply is None or self._desk.speech.accepted(reply):
            self._bay.begin(visit, now_s)
            return
        self._desk.after(visit.unplug_after_s, now_s, lambda now: self.unplug(visit, now))

    def back(self, visit: Visit, now_s: float) -> None:
        """The driver has what was wanted."""
        if self._bay.visit is not visit or self._bay.transaction is None:
            return
        self._bay.stop("EVDisconnected" if self._desk.rng.random() < 0.3 else "Local", now_s)

    def look(self, visit: Visit, transaction: Transaction, now_s: float) -> None:
        """The driver sees that nothing is charged, gives up, and perhaps tries again: whether the station gives
        nothing or the vehicle takes nothing, the display says the same."""
        bay = self._bay
        if bay.visit is not visit or bay.transaction is not transaction:
            return
        self._circuit.advance(now_s)
        if bay.status in _OFFERED and self._circuit.energy_wh - bay.began_wh < _STARTED_WH:
            bay.stop("Local", now_s, retry=True)
