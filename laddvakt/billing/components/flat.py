"""FLAT: a fee per session, without a unit for `step_size`."""

from __future__ import annotations

from laddvakt.billing.charge import Charge
from laddvakt.billing.components.component import Component


def _amount(charge: Charge) -> int:
    return 1


FLAT = Component(dimension="FLAT", unit="session", per_unit=1, stepped=False, amount=_amount)
