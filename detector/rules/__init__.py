"""The table of rules. To add one: a file here with its `RULE`, a line in `RULES`, and its test."""

from __future__ import annotations

import math
from collections.abc import Mapping

from detector.rules import anomaly, meter_rollback, no_power, offline, reported_fault
from detector.rules.base import Rule
from laddvakt.domain.errors import SettingsError

RULES: tuple[Rule, ...] = (
    offline.RULE,  # stations before connectors: it holds the others back
    reported_fault.RULE,
    no_power.RULE,
    meter_rollback.RULE,
    anomaly.RULE,  # last: what a rule names, no model need name
)


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
