"""How far a session's figures can be trusted: the reasons, and what is possible at all. Pure.

The reasons are texts for people, kept with the session; a reason goes when later messages put it right.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from laddvakt.domain.facts import NotObserved
from laddvakt.domain.sessions import Quality, Session, SessionState
from laddvakt.domain.times import rfc3339

# estimated: a part had to be worked out
START_UNHEARD = "the start of the transaction was never heard"
NO_START_REGISTER = "the start gave no register value"
NO_STOP_REGISTER = "the stop gave no register value"
CLOSED_WITHOUT_STOP = "the station never said that it stopped; closed from the last register value"
STOP_MATCHED = "the stop named no transaction known here; it fits this session alone"
CLOCK_UNSET = "the station's clock was not set: the times are those of receipt"
FELL = "the register fell during the session; that value is not used"
COUNTED_ANEW = "the register began anew during the session; counted on from there"
KWH_AS_WH = "values said to be Wh that can only be kWh; read as kWh"
NO_UNIT = "a register without a unit was read as kWh: in Wh it would have fallen"
MISSING = "events of the transaction never came: "
HOLE = "messages were not observed "

# suspect: something contradicts; held from invoicing until a person releases it
TOO_FAST = "the register rose faster than the station's rated power allows"
MISLABELLED = TOO_FAST + ": values said to be kWh that look like Wh"
STOP_BELOW_START = "the register at the stop is below the one at the start"
STOP_BELOW_READ = "the register at the stop is below one read during the session"
REFUSED = "started with a token that was refused: "
FAR_BELOW_POWER = "the register rose far less than the power that was said: kWh that are said to be Wh?"
METERS_DISAGREE = "the independent meter counted otherwise than the station"

_ESTIMATED = {
    START_UNHEARD,
    NO_START_REGISTER,
    NO_STOP_REGISTER,
    CLOSED_WITHOUT_STOP,
    STOP_MATCHED,
    CLOCK_UNSET,
    FELL,
    COUNTED_ANEW,
    KWH_AS_WH,
    NO_UNIT,
}
_MOST_HOLES = 5  # named; more are said to be so
_RANK = {Quality.CONFIRMED: 0, Quality.ESTIMATED: 1, Quality.SUSPECT: 2}

_CEILING_W = 400_000.0  # no rated power is known: more than today's strongest public stations in one outlet
_IMPLAUSIBLE_FACTOR = 1.2  # of rated power x time; beyond it a register is not believed
_IMPLAUSIBLE_SLACK_WH = 500  # a register of coarse resolution, or a rated power rounded down


def doubt(session: Session, quality: Quality, reason: str) -> Session:
    """The session with one more reason; quality only ever gets worse here."""
    if reason in session.quality_reasons:
        return session
    worse = max(session.quality, quality, key=_RANK.__getitem__)
    return replace(session, quality=worse, quality_reasons=(*session.quality_reasons, reason))


def forgive(session: Session, *reasons: str) -> Session:
    """The session without reasons that no longer hold. A quality that somebody else gave stays."""
    left = tuple(known for known in session.quality_reasons if known not in reasons)
    if len(left) == len(session.quality_reasons):
        return session
    quality = session.quality
    if all(known in _ESTIMATED or known.startswith((MISSING, HOLE)) for known in left):
        quality = Quality.ESTIMATED if left else Quality.CONFIRMED
    return replace(session, quality=quality, quality_reasons=left)


def with_hole(session: Session, fact: NotObserved) -> Session:
    """The session after a time in which its messages passed unseen: what was said then is not known."""
    since = f"from {rfc3339(fact.at)}"
    reason = HOLE + (f"{since} to {rfc3339(fact.until)}" if fact.until else f"{since} on: {fact.reason}")
    if sum(known.startswith(HOLE) for known in session.quality_reasons) >= _MOST_HOLES:
        reason = HOLE + "at other times too"
    return doubt(session, Quality.ESTIMATED, reason)


def possible(session: Session, rise_wh: float, at: datetime, max_power_w: float | None) -> bool:
    """Whether the register can have risen so far by `at`."""
    seconds = max((at - session.started_at).total_seconds(), 0.0)
    return rise_wh <= most_wh(seconds, max_power_w)


def most_wh(seconds: float, max_power_w: float | None) -> float:
    """The most energy that so many seconds can bring."""
    return _IMPLAUSIBLE_FACTOR * (max_power_w or _CEILING_W) * seconds / 3600 + _IMPLAUSIBLE_SLACK_WH


def closed_by_us(session: Session) -> bool:
    """Whether the session was ended by estimate, so that the station's own word still counts."""
    return session.state is SessionState.ENDED and CLOSED_WITHOUT_STOP in session.quality_reasons
