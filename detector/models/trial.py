"""Which of two models is to judge: a new one runs beside the old one, on the same rows, before it replaces it."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec

from detector.features import Span

ENOUGH = {Span.WINDOW: 1000, Span.SESSION: 150, Span.DAY: 100}
"""Healthy rows before anything is decided."""
ENOUGH_SUSPECT = 20
WORSE = 0.8
"""A challenger that sees less than this share of what the champion sees on suspect rows is worse."""
BETTER = 1.25
TOO_OLD = timedelta(days=14)
"""A champion of this age gives way to any challenger that does not flag too often."""


class Outcome(StrEnum):
    """Why a challenger replaced the champion, or did not."""

    FIRST = "first"  # there was no champion
    UNDECIDED = "undecided"  # too few rows yet
    FEWER_FLAGS = "fewer_flags"  # flags fewer healthy rows, and sees as much
    SEPARATES_BETTER = "separates_better"  # tells suspect rows from healthy ones better
    AS_GOOD_AND_FRESHER = "as_good_and_fresher"  # no worse, and learnt from newer rows
    CHAMPION_TOO_OLD = "champion_too_old"  # the champion has been there too long
    FLAGS_TOO_OFTEN = "flags_too_often"  # more healthy rows than the champion, and than it should
    SEPARATES_WORSE = "separates_worse"  # tells suspect rows from healthy ones worse


PROMOTED = frozenset(
    {
        Outcome.FIRST,
        Outcome.FEWER_FLAGS,
        Outcome.SEPARATES_BETTER,
        Outcome.AS_GOOD_AND_FRESHER,
        Outcome.CHAMPION_TOO_OLD,
    }
)


class Seen(NamedTuple):
    """One row as both judge it."""

    champion_p: float
    challenger_p: float
    champion_flags: bool
    challenger_flags: bool


class Trial(msgspec.Struct, kw_only=True):
    """What both made of the same rows. Healthy: no finding stood on the station. The surprise of a row is
    -log10 p."""

    healthy: int = 0
    champion_flags: int = 0
    challenger_flags: int = 0
    both_flag: int = 0
    suspect: int = 0
    champion_surprise: float = 0.0  # summed over suspect rows
    challenger_surprise: float = 0.0

    def add(self, seen: Seen, *, suspect: bool) -> None:
        if suspect:
            self.suspect += 1
            self.champion_surprise += surprise(seen.champion_p)
            self.challenger_surprise += surprise(seen.challenger_p)
            return
        self.healthy += 1
        self.champion_flags += seen.champion_flags
        self.challenger_flags += seen.challenger_flags
        self.both_flag += seen.champion_flags and seen.challenger_flags

    @property
    def agreement(self) -> float:
        """Of the healthy rows that either flags, the share that both flag; 1 where neither flags any."""
        either = self.champion_flags + self.challenger_flags - self.both_flag
        return self.both_flag / either if either else 1.0

    def figures(self) -> dict[str, float]:
        """For the record: what the decision was made on."""
        n, m = max(self.healthy, 1), max(self.suspect, 1)
        return {
            "healthy_rows": self.healthy,
            "champion_flag_rate": self.champion_flags / n,
            "challenger_flag_rate": self.challenger_flags / n,
            "agreement": self.agreement,
            "suspect_rows": self.suspect,
            "champion_surprise": self.champion_surprise / m,
            "challenger_surprise": self.challenger_surprise / m,
        }


def surprise(p_value: float) -> float:
    return -math.log10(max(p_value, 1e-12))


def decide(
    trial: Trial, span: Span, *, flag_below: float, champion_trained_at: datetime, now: datetime
) -> Outcome:
    """`flag_below`: the challenger's, the share of healthy rows that it may flag."""
    if trial.healthy < ENOUGH[span]:
        return Outcome.UNDECIDED
    n = trial.healthy
    rate, other = trial.challenger_flags / n, trial.champion_flags / n
    slack = 2 * math.sqrt(max(rate, 1 / n) / n)
    if rate - slack > max(other, flag_below):
        return Outcome.FLAGS_TOO_OFTEN
    told = trial.suspect >= ENOUGH_SUSPECT and trial.champion_surprise > 0
    ratio = trial.challenger_surprise / trial.champion_surprise if told else 1.0
    if now - champion_trained_at >= TOO_OLD:
        return Outcome.CHAMPION_TOO_OLD
    if ratio < WORSE:
        return Outcome.SEPARATES_WORSE
    if ratio > BETTER:
        return Outcome.SEPARATES_BETTER
    return Outcome.FEWER_FLAGS if rate + slack < other else Outcome.AS_GOOD_AND_FRESHER
