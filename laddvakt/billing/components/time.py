"""TIME: time charging, priced per hour, stepped in seconds.

`step_size` counts once for TIME and PARKING_TIME combined, on the one that ends the session (OCPI 2.2.1 section
10.3.1, CDR object, step_size). As long as PARKING_TIME is not priced, that is always TIME.
"""

from __future__ import annotations

from laddvakt.billing.charge import Charge
from laddvakt.billing.components.component import Component


def _amount(charge: Charge) -> int:
    return charge.duration_s if charge.charging_s is None else max(0, charge.charging_s)


TIME = Component(dimension="TIME", unit="h", per_unit=3600, stepped=True, amount=_amount)
