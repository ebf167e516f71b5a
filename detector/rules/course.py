"""Weak but steady deviations of one connector, added up: a cumulative sum (Page, 1954) per feature and side.

Each session (or day) adds the evidence of a feature (-ln p, at most 8 nats) less an allowance of 2.5; one that is
usual takes the allowance away, one that is off to the other side more; at nothing the sum is forgotten. What one
vehicle brought does not count: a sum weighs what is left without the vehicle that brought most.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from detector.features import FEATURES
from detector.view import Cause, Lean, ScoredWindow

ALLOWANCE = 2.5
"""Evidence that health brings often: one row in twelve."""
MOST = 8.0
"""What one session can bring at most, however odd it is."""
_KEPT = 8
_VEHICLES_KEPT = 6
_FULL = 20.0
"""Sums grow no further, so that a few usual sessions wear down any."""


class Course(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What has added up of one feature on one side. `of`: what each vehicle (or day) brought of it."""

    feature: str
    above: bool
    since: datetime
    total: float = 0.0
    seen: int = 0  # rows that brought something
    of: dict[str, float] = {}
    cause: Cause | None = None  # of the row that brought most
    most: float = 0.0
    grown_at: datetime | None = None  # the start of the last row that brought something

    @property
    def weight(self) -> float:
        """Without the vehicle that brought most."""
        return self.total - max(self.of.values(), default=0.0)


def carried_on(courses: Iterable[Course], row: ScoredWindow, whose: str) -> tuple[Course, ...]:
    """With one more session or day. Features that it does not tell of stay as they are."""
    known = {(course.feature, course.above): course for course in courses}
    for lean in row.leans:
        if not FEATURES[lean.feature].adds:
            continue
        for above in (True, False):
            key = (lean.feature, above)
            brought = min(lean.evidence if above else -lean.evidence, MOST) - ALLOWANCE
            before = known.pop(key, None)
            if before is None and brought <= 0:
                continue
            after = _added(before or Course(lean.feature, above, row.start), lean, brought, whose, row.start)
            if after.total > 0:
                known[key] = after
    return tuple(sorted(known.values(), key=lambda course: -course.total)[:_KEPT])


def _added(course: Course, lean: Lean, brought: float, whose: str, at: datetime) -> Course:
    total = course.total + brought
    if brought <= 0:
        return msgspec.structs.replace(course, total=round(total, 2))
    of = course.of | {whose: course.of.get(whose, 0.0) + brought}
    kept = sorted(of.items(), key=lambda item: -item[1])[:_VEHICLES_KEPT]
    fits = min(1.0, _FULL / total)
    more = brought > course.most
    return msgspec.structs.replace(
        course,
        total=round(fits * total, 2),
        seen=course.seen + 1,
        of={vehicle: round(fits * part, 2) for vehicle, part in kept},
        cause=lean.cause if more else course.cause,
        most=max(brought, course.most),
        grown_at=at,
    )


def strongest(courses: Iterable[Course]) -> Course | None:
    """The one that weighs most."""
    return max(courses, key=lambda course: course.weight, default=None)
