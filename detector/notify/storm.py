"""Many tickets at once: which of the waiting messages leave now, and which together. Pure.

The first few are told one by one, at once. When more come within minutes, they wait for each other and come as one
message; what concerns safety waits a few seconds at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from detector.notify.plan import Telling

ONE_BY_ONE = 3
"""Messages to one address within WITHIN; beyond them it is a storm."""
WITHIN = timedelta(minutes=5)
PAUSE = timedelta(minutes=1)
"""Between the messages of a storm."""
PAUSE_URGENT = timedelta(seconds=3)
"""With safety among them: it has to be there within five seconds, detection and delivery included."""


class Gathered(NamedTuple):
    """What leaves now, as one message; nothing: look again after `wait`, or when more comes."""

    now: tuple[Telling, ...] = ()
    wait: timedelta | None = None


def gather(waiting: Sequence[Telling], sent: Sequence[datetime], now: datetime) -> Gathered:
    """`waiting` for one address, in the order in which they came; `sent`: when messages left for it, oldest
    first."""
    if not waiting:
        return Gathered()
    recent = [at for at in sent if now - at < WITHIN]
    held = [telling for telling in waiting if telling.held]
    tickets = {telling.ticket_id for telling in waiting}
    if len(tickets) == 1 or held:
        together = tuple(held or waiting)
    elif len(tickets) <= ONE_BY_ONE:
        together = tuple(one for one in waiting if one.ticket_id == waiting[0].ticket_id)
    else:
        together = tuple(waiting)
    if len(recent) < ONE_BY_ONE:
        return Gathered(together)
    pause = PAUSE_URGENT if any(one.urgent for one in waiting) else PAUSE
    left = recent[-1] + pause - now
    return Gathered(wait=left) if left > timedelta(0) else Gathered(tuple(waiting))
