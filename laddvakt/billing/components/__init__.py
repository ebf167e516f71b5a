"""Price components, one file each. To add one: write its file, add it to the table, test it."""

from __future__ import annotations

from laddvakt.billing.components.component import Component
from laddvakt.billing.components.energy import ENERGY
from laddvakt.billing.components.flat import FLAT
from laddvakt.billing.components.time import TIME

__all__ = ["COMPONENTS", "Component"]

COMPONENTS: dict[str, Component] = {component.dimension: component for component in (ENERGY, TIME, FLAT)}
"""By OCPI TariffDimensionType. What is not here is refused, never priced as something else."""
