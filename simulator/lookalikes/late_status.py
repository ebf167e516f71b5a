"""The station tells its statuses late (`status`), or all that belongs to a session (`session`): it looks into its
queue now and then only. The times are those at which it happened. Its meter and devices speak at once.

Strength is how seldom it looks, each 20 seconds to each two minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan, between
from simulator.lookalikes.base import of_station, switched
from simulator.speech import Message

if TYPE_CHECKING:
    from simulator.station import Station

_SESSION = frozenset({"StartTransaction", "StopTransaction", "TransactionEvent", "StatusNotification"})


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    actions = frozenset({"StatusNotification"}) if plan.detail == "status" else _SESSION
    every_s = between(20, 120, plan.strength)

    def delay(message: Message, now_s: float) -> float:
        return every_s - now_s % every_s if message.action in actions else 0.0

    station.delay = delay if on else None


KIND = of_station("late_status", switched(_apply), days=3, details=("status", "session"))
