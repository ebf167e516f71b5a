"""What transactions of OCPP 2.x cost so far, for the stations that this collector holds: told in the answers to
their events (2.0.1 part 2 section 1.60 TransactionEventResponse) and, where wanted, by CostUpdated (block I).

Prices are worked out behind the event log, so what is known here is a little old: it comes with the live feed.
Nothing is made up: what has not come, or is in doubt, is not told.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import NamedTuple

import msgspec

from collector.asking import is_deaf
from collector.calls import Calls
from collector.link import Link
from laddvakt.billing.currencies import minor_units
from laddvakt.domain.money import Money
from laddvakt.domain.sessions import Quality, SessionState

logger = logging.getLogger(__name__)

ACTOR = "collector"
_MOST = 20_000  # transactions; the oldest is forgotten first
_TICK_S = 1.0
_PER_TICK = 20  # CostUpdated to all stations together

Transaction = tuple[str, str]  # station, transactionId
Subscribe = Callable[[Callable[[str, bytes], None]], Awaitable[Callable[[], Awaitable[None]]]]


class _Price(msgspec.Struct):
    incl_vat: Money


class _Said(msgspec.Struct):
    """What of a session on the live feed matters here."""

    station_id: str
    transaction_id: str
    state: SessionState
    quality: Quality
    event_numbers: str | None = None  # None: not of OCPP 2.x
    cost: _Price | None = None


class _Known(NamedTuple):
    total: float
    ended: bool


class Costs:
    """`hear` takes the live feed, `total` answers, `run` serves until cancelled. `every_s` 0: no CostUpdated."""

    def __init__(self, calls: Calls, subscribe: Subscribe, every_s: float) -> None:
        self._calls = calls
        self._subscribe = subscribe
        self._every_s = every_s
        self._wanted = asyncio.Event()
        self._known: dict[Transaction, _Known] = {}
        self._told: dict[Transaction, tuple[float, float]] = {}  # when, in seconds; the total
        self._deaf: set[str] = set()
        self._decode = msgspec.json.Decoder(_Said).decode

    def watch(self, link: Link) -> None:
        """A station has connected. The feed is not listened to before one speaks OCPP 2.x."""
        if link.protocol != "ocpp1.6":
            self._wanted.set()

    def hear(self, kind: str, data: bytes) -> None:
        """A message of the live feed."""
        if kind != "session":
            return
        try:
            said = self._decode(data)
        except msgspec.MsgspecError as error:
            logger.warning("a session on the live feed cannot be read: %s", error)
            return
        if said.event_numbers is None or not self._calls.holds(said.station_id):
            return
        key = (said.station_id, said.transaction_id)
        if said.cost is None or said.quality is Quality.SUSPECT:
            self._forget(key)
            return
        while len(self._known) >= _MOST and key not in self._known:
            self._forget(next(iter(self._known)))
        self._known[key] = _Known(_total(said.cost.incl_vat), said.state is SessionState.ENDED)

    def total(self, station_id: str, transaction_id: str, ended: bool) -> float | None:
        """The total including VAT; of a transaction that has `ended` only the final one."""
        known = self._known.get((station_id, transaction_id))
        return known.total if known is not None and (known.ended or not ended) else None

    def due(self, now_s: float) -> list[tuple[str, str, float]]:
        """(station, transaction, total) of which the station should be told now; they count as told."""
        found = []
        for key, known in self._known.items():
            when, total = self._told.get(key, (-math.inf, None))
            fresh = not known.ended and known.total != total and now_s - when >= self._every_s
            if fresh and key[0] not in self._deaf and self._calls.holds(key[0]):
                found.append((*key, known.total))
            if len(found) == _PER_TICK:
                break
        self._told.update({(station, transaction): (now_s, total) for station, transaction, total in found})
        return found

    async def run(self) -> None:
        await self._wanted.wait()
        stop = await self._subscribe(self.hear)
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    for update in self.due(asyncio.get_running_loop().time()) if self._every_s else ():
                        group.create_task(self._tell(*update))
                    await asyncio.sleep(_TICK_S)
        finally:
            await stop()

    async def _tell(self, station_id: str, transaction_id: str, total: float) -> None:
        payload = {"totalCost": total, "transactionId": transaction_id}
        if is_deaf(await self._calls.send(station_id, "CostUpdated", payload, actor=ACTOR)):
            self._deaf.add(station_id)

    def _forget(self, key: Transaction) -> None:
        self._known.pop(key, None)
        self._told.pop(key, None)


def _total(money: Money) -> float:
    return float(round(Decimal(money.amount), minor_units(money.currency)))
