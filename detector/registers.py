"""What an energy register's readings tell of itself. Pure."""

from __future__ import annotations

COARSEST_WH = 1000


def step_of(wh: float) -> int:
    """The coarsest step, of 1, 10, 100 and 1000 Wh, that a register which reads so may have."""
    for step in (COARSEST_WH, 100, 10):
        if wh % step == 0:
            return step
    return 1
