"""ENERGY: priced per kWh, stepped in Wh."""

from __future__ import annotations

from laddvakt.billing.charge import Charge
from laddvakt.billing.components.component import Component


def _amount(charge: Charge) -> int:
    return max(0, charge.energy_wh)


ENERGY = Component(dimension="ENERGY", unit="kWh", per_unit=1000, stepped=True, amount=_amount)
