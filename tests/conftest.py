"""What all tests share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Time limits per example measure the machine, not the code; a fixed seed makes a failure repeatable.
settings.register_profile(
    "laddvakt", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("laddvakt")
