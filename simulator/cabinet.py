"""The inside of a station: losses warm it, fans and the air cool it."""

from __future__ import annotations

from collections.abc import Sequence

from simulator import physics
from simulator.circuit import Circuit
from simulator.site import Site
from simulator.spec import StationSpec, is_dc

_TIME_CONSTANT_S = 1500.0
_STEP_S = 300.0


class Cabinet:
    """One per station. A fault sets `extra_heat` and `fan_share`."""

    def __init__(self, spec: StationSpec, site: Site, circuits: Sequence[Circuit], now_s: float) -> None:
        self._rated_w = spec.max_power_w
        self._dc = is_dc(spec)
        self._site = site
        self._circuits = circuits
        self._at_s = now_s
        self.extra_heat = 0.0  # rise over the air, as a share of the healthy one that comes on top
        self.fan_share = 1.0  # of the speed that the fans should have
        self.temperature_c = site.air_c(now_s) + 5

    def advance(self, now_s: float) -> None:
        """Lets time pass; the circuits have been advanced before."""
        power_w = sum(circuit.power_w for circuit in self._circuits)
        while self._at_s < now_s:
            step_s = min(_STEP_S, now_s - self._at_s)
            self._at_s += step_s
            air_c = self._site.air_c(self._at_s)
            target_c = physics.cabinet_target_c(air_c, power_w, self._rated_w, dc=self._dc)
            heated_c = air_c + (target_c - air_c) * (1 + self.extra_heat)
            self.temperature_c = physics.approach(self.temperature_c, heated_c, step_s, _TIME_CONSTANT_S)

    @property
    def fan_rpm(self) -> float:
        return physics.fan_rpm(self.temperature_c, dc=self._dc) * self.fan_share
