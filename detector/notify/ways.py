"""What leaves, and the two outcomes that matter to whoever tries again."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from detector.notify.message import Message
from laddvakt.domain.errors import LaddvaktError
from laddvakt.domain.tickets import Ticket


class Letter(NamedTuple):
    """A message with what programs want to know of it. `key` is the idempotency key, the same in every try;
    `event` is that of its one ticket, or `digest`."""

    key: str
    event: str
    at: datetime
    message: Message
    tickets: tuple[Ticket, ...]
    acknowledge: str = ""


class UndeliveredError(LaddvaktError):
    """Not delivered; the same message may be tried again."""


class RefusedError(LaddvaktError):
    """The receiver does not want it; trying again is useless."""
