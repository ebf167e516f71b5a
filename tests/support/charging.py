"""A small fleet's charging as windows of features: seeded, with the spread that healthy equipment has."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from detector.features import WINDOW, Context, Window
from detector.features.sample import current_bin
from tests.support.detector import START

Bend = Callable[[Window], dict[str, float]]


class Fleet:
    """Connectors of three models, each with its own habits; sessions of random vehicles."""

    def __init__(self, *, connectors: int = 24, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.connectors = [
            {
                "station": f"SE-{number:03}",
                "model": f"Acme {number % 3}",
                "heat": 24 + 4 * (number % 3) + self.random.gauss(0, 1.5),
                "supply": self.random.uniform(0.03, 0.16),
            }
            for number in range(connectors)
        ]

    def days(
        self,
        days: float,
        *,
        since: datetime = START,
        sessions_a_day: int = 3,
        bend: Bend | None = None,
        only: int | None = None,
    ) -> list[Window]:
        """Windows of all connectors (or only of one), oldest first."""
        chosen = self.connectors if only is None else [self.connectors[only]]
        found = []
        for connector in chosen:
            for session in range(round(days * sessions_a_day)):
                begun = since + timedelta(days=session / sessions_a_day, minutes=self.random.randrange(120))
                found += self._session(connector, begun, bend)
        return sorted(found, key=lambda window: (window.start, window.connector))

    def _session(self, connector: dict[str, object], begun: datetime, bend: Bend | None) -> list[Window]:
        draw = self.random.gauss
        phases = self.random.choice([1, 1, 3, 3, 3])
        current_a = self.random.choice([6.0, 10.0, 13.0, 16.0, 16.0, 28.0, 32.0])
        vehicle = f"tok_{self.random.randrange(500)}"
        factor = self.random.gauss(0.985, 0.004)
        transaction = f"{connector['station']}-{begun.isoformat()}"
        made = []
        for number in range(self.random.randrange(6, 30)):
            amperes = current_a * draw(1, 0.004)
            volts = 232 + draw(0, 1.2) - amperes * float(str(connector["supply"]))
            values = {
                "watts_per_amp": volts * factor * draw(1, 0.002),
                "power_balance": factor * draw(1, 0.002),
                "power_ripple": abs(draw(0.4, 0.1)),
                "current_ripple": abs(draw(0.4, 0.1)),
                "register_balance": draw(1, 0.004),
                "voltage_level": volts,
                "voltage_unbalance": abs(draw(0.3, 0.08)),
                "plug_heat": float(str(connector["heat"])) * draw(1, 0.05),
                "cabinet_rise": 6 + 0.2 * amperes + draw(0, 0.6),
            }
            if phases > 1:
                values["current_unbalance"] = abs(draw(0.5, 0.12))
            window = Window(
                station_id=str(connector["station"]),
                connector_id=1,
                transaction_id=transaction,
                vehicle=vehicle,
                start=begun + number * WINDOW,
                kind="AC",
                model=str(connector["model"]),
                context=Context(current_bin(amperes), -1, phases),
                current_a=amperes,
                values=values,
            )
            made.append(msgspec.structs.replace(window, values=values | bend(window)) if bend else window)
        return made
