"""What is priced: the billable facts of one charging session."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Charge(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A session as far as its price goes.

    `until` is when it ended, or now. `charging_s` is the time charging (OCPI TIME) where it is known; None takes
    the whole duration for it. `final` is set once the session has ended: only then is `step_size` rounded up.
    """

    started_at: datetime
    until: datetime
    energy_wh: int
    charging_s: int | None = None
    final: bool = False

    @property
    def duration_s(self) -> int:
        """Whole seconds from start to end; 0 when the clock went backwards."""
        return max(0, int((self.until - self.started_at).total_seconds()))
