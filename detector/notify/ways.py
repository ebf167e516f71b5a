"""How a message leaves: the two outcomes that matter to whoever tries again."""

from __future__ import annotations

from laddvakt.domain.errors import LaddvaktError


class UndeliveredError(LaddvaktError):
    """Not delivered; the same message may be tried again."""


class RefusedError(LaddvaktError):
    """The receiver does not want it; trying again is useless."""
