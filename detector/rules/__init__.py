"""The table of rules. To add one: a file here with its `RULE`, a line in `RULES`, and its test."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from detector.rules import (
    anomaly,
    clock_drift,
    cut_cable,
    emergency_stop,
    failed_starts,
    flapping,
    isolation,
    lock,
    meter_drift,
    meter_frozen,
    meter_jump,
    meter_rollback,
    module_loss,
    no_energy_sessions,
    no_power,
    non_conforming,
    offline,
    overcurrent,
    payment_fault,
    phase_imbalance,
    phase_loss,
    pilot_proximity,
    plug_overheat,
    plug_resistance,
    power_mismatch,
    rcd_trip,
    reader_fault,
    reported_fault,
    silent_station,
    site_outage,
    site_voltage,
    stuck_finishing,
    stuck_preparing,
    stuck_suspended_evse,
    supply_resistance,
    thermal_derate,
    voltage_range,
    welded_contactor,
)
from detector.rules.base import Rule
from laddvakt.domain.errors import SettingsError

RULES: tuple[Rule, ...] = (
    site_outage.RULE,
    site_voltage.RULE,
    offline.RULE,  # stations before connectors: it holds the others back
    flapping.RULE,
    cut_cable.RULE,
    emergency_stop.RULE,
    rcd_trip.RULE,  # these before the report as such, which they put under them
    isolation.RULE,
    pilot_proximity.RULE,
    lock.RULE,
    welded_contactor.RULE,
    overcurrent.RULE,
    plug_overheat.RULE,
    thermal_derate.RULE,
    voltage_range.RULE,
    reported_fault.RULE,
    phase_loss.RULE,
    phase_imbalance.RULE,
    supply_resistance.RULE,
    no_power.RULE,
    failed_starts.RULE,
    no_energy_sessions.RULE,
    clock_drift.RULE,
    non_conforming.RULE,
    stuck_preparing.RULE,
    stuck_suspended_evse.RULE,
    stuck_finishing.RULE,
    silent_station.RULE,
    reader_fault.RULE,
    payment_fault.RULE,
    meter_rollback.RULE,
    meter_frozen.RULE,
    meter_jump.RULE,
    meter_drift.RULE,
    power_mismatch.RULE,
    plug_resistance.RULE,
    module_loss.RULE,
    anomaly.RULE,  # last: what a rule names, no model need name
)


Limits = Mapping[str, Mapping[str, float]]


def rules_but(off: Collection[str], rules: tuple[Rule, ...] = RULES) -> tuple[Rule, ...]:
    """The rules without those that the operator switched off. Raises SettingsError for one that does not exist."""
    unknown = set(off) - {rule.code for rule in rules}
    if unknown:
        raise SettingsError(
            f"detector.rules_off: there is no rule {', '.join(sorted(unknown))}.",
            mend=f"Rules are {', '.join(sorted(rule.code for rule in rules))}.",
        )
    return tuple(rule for rule in rules if rule.code not in off)


class LocalLimits:
    """Thresholds by place: a model's on top of the fleet's, a site's on top of both. Raises SettingsError as
    `thresholds_for` does."""

    def __init__(
        self,
        fleet: Limits,
        sites: Mapping[str, Limits],
        models: Mapping[str, Limits],
        rules: tuple[Rule, ...] = RULES,
    ) -> None:
        for limits in (*sites.values(), *models.values()):
            thresholds_for(limits, rules)
        self._fleet, self._sites, self._models = fleet, sites, models
        self._known: dict[tuple[str | None, str], Limits] = {}

    def __call__(self, site_id: str | None, model: str) -> Limits:
        """All rules' thresholds at a site for a model (vendor and model, as the station says them)."""
        at_site, of_model = self._sites.get(site_id or ""), self._models.get(model)
        if at_site is None and of_model is None:
            return self._fleet
        key = (site_id if at_site is not None else None, model if of_model is not None else "")
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = {
                code: {**numbers, **(of_model or {}).get(code, {}), **(at_site or {}).get(code, {})}
                for code, numbers in self._fleet.items()
            }
        return found


def thresholds_for(
    overrides: Mapping[str, Mapping[str, float]], rules: tuple[Rule, ...] = RULES
) -> dict[str, dict[str, float]]:
    """Each rule's thresholds, the operator's numbers on top (`detector.rules.<code>.<name>`).

    Raises SettingsError for a rule or a threshold that does not exist, or a number that is not one.
    """
    found = {rule.code: rule.defaults() for rule in rules}
    for code, numbers in overrides.items():
        if code not in found:
            raise SettingsError(
                f"detector.rules.{code}: there is no such rule.", mend=f"Rules are {', '.join(sorted(found))}."
            )
        for name, number in numbers.items():
            if name not in found[code]:
                raise SettingsError(
                    f"detector.rules.{code}.{name}: the rule has no such threshold.",
                    mend=f"It has {', '.join(sorted(found[code]))}.",
                )
            if not math.isfinite(number) or number < 0:
                raise SettingsError(
                    f"detector.rules.{code}.{name} = {number}: not a usable number.", mend="Give one of 0 or more."
                )
            found[code][name] = float(number)
    return found
