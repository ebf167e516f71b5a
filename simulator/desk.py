"""What a bay needs of the station that it belongs to."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Protocol

from simulator.cabinet import Cabinet
from simulator.drivers import Habits, Population
from simulator.firmware import Limits
from simulator.outbox import OnReply
from simulator.spec import Dialect
from simulator.speech import Message, Speech

Later = Callable[[float], None]


class Desk(Protocol):
    """A station, as its bays see it."""

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
