"""What the detector keeps of a station between restarts: its view, and where each rule stands with it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from detector.features import Gathered, OpenWindow, Window
from detector.rules.base import Rule
from detector.view import Sample, StationView
from laddvakt.domain.tickets import Finding

logger = logging.getLogger(__name__)

SITE = "~site/"
"""The key of a site's state begins so; no station id does."""

PACE = timedelta(minutes=5)
"""So long a sample waits at most for the rules whose evidence takes longer."""
MOST_ASIDE = 60
"""Samples of a station that wait; with more, the rules are asked at once."""

VERSION = 4
"""Of the encoding. A state of another version is left unused: the station begins anew."""


class Slot(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where one rule stands with one connector (or station)."""

    memory: Any = None  # of the rule's own type
    reason: str = ""  # of the last verdict
    variant: str = ""
    pending_since: datetime | None = None  # the condition is met since
    clearing_since: datetime | None = None  # a raised finding's condition is gone since
    raised: Finding | None = None  # stands now
    described_at: datetime | None = None
    check_at: datetime | None = None  # when the verdict may change without a message
    spent: bool = False  # what is pending was held back by what accounts for it (`Rule.spent_by`)

    @property
    def at_rest(self) -> bool:
        return self.raised is None and self.pending_since is None and self.check_at is None


class Aside(msgspec.Struct):
    """Samples that slow rules were not given yet, by connector, in the order they came."""

    since: datetime | None = None
    samples: list[tuple[int, Sample]] = []

    def put(self, samples: Mapping[int, Sequence[Sample]], at: datetime) -> None:
        self.since = self.since or at
        for connector_id, taken in samples.items():
            for sample in taken:
                self.samples.append((connector_id, sample))

    def full(self, at: datetime) -> bool:
        """Whether the first has waited long enough, or there are too many to keep."""
        return len(self.samples) >= MOST_ASIDE or (self.since is not None and at - self.since >= PACE)

    def take(self) -> list[tuple[int, Sample]]:
        taken, self.samples, self.since = self.samples, [], None
        return taken


SlotKey = tuple[str, int | None]  # rule code, connector


class StationState(msgspec.Struct, kw_only=True):
    """One station in the detector's memory."""

    view: StationView
    partition: int = 0  # of the log; not stored
    slots: dict[SlotKey, Slot] = msgspec.field(default_factory=dict)
    check_at: datetime | None = None  # when something may change without a message
    opened: dict[int, OpenWindow] = msgspec.field(default_factory=dict)  # windows being gathered, by connector
    gathered: Gathered = msgspec.field(default_factory=Gathered)  # sessions and days being gathered
    unscored: list[Window] = msgspec.field(default_factory=list)  # complete, and not yet judged by the models
    score_at: datetime | None = None  # when they will be
    aside: Aside = msgspec.field(default_factory=Aside)  # not stored

    @property
    def site_id(self) -> str | None:
        """Of a site's state: which site."""
        return self.view.station_id.removeprefix(SITE) if self.view.station_id.startswith(SITE) else None

    def met_since(self, code: str) -> datetime | None:
        """Since when the rule's condition is met on the station or any of its connectors."""
        found = [self.slots.get((code, connector_id)) for connector_id in (None, *self.view.connectors)]
        return min((s.pending_since for s in found if s is not None and s.pending_since is not None), default=None)

    def standing(self) -> list[Finding]:
        """The findings that stand."""
        return [slot.raised for slot in self.slots.values() if slot.raised is not None]


class _WireSlot(msgspec.Struct, kw_only=True, omit_defaults=True):
    rule: str
    connector_id: int | None = None
    memory: bytes = b""
    slot: Slot


class _WireState(msgspec.Struct, kw_only=True):
    version: int = VERSION
    view: StationView
    slots: list[_WireSlot]
    check_at: datetime | None = None
    opened: dict[int, OpenWindow] = {}
    gathered: Gathered = msgspec.field(default_factory=Gathered)
    unscored: list[Window] = []
    score_at: datetime | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_WireState)


def encode(state: StationState) -> bytes:
    """MessagePack. Memories are encoded apart, so that each is read back as its rule's own type."""
    slots = [
        _WireSlot(
            rule=code,
            connector_id=connector_id,
            memory=_encoder.encode(slot.memory) if slot.memory is not None else b"",
            slot=msgspec.structs.replace(slot, memory=None),
        )
        for (code, connector_id), slot in state.slots.items()
        if slot.memory is not None or not slot.at_rest
    ]
    return _encoder.encode(
        _WireState(
            view=state.view,
            slots=slots,
            check_at=state.check_at,
            opened=state.opened,
            gathered=state.gathered,
            unscored=state.unscored,
            score_at=state.score_at,
        )
    )


def decode(data: bytes, rules: dict[str, Rule]) -> StationState | None:
    """A state as it was encoded, or None when it cannot be read: the station then begins anew. Slots of rules
    that are no more are dropped."""
    try:
        wire = _decoder.decode(data)
        if wire.version != VERSION:
            logger.warning("a station's state has version %d, not %d: it begins anew", wire.version, VERSION)
            return None
        slots: dict[SlotKey, Slot] = {}
        for item in wire.slots:
            rule = rules.get(item.rule)
            if rule is None:
                continue
            memory: Any = None
            if rule.memory is not None and item.memory:
                memory = msgspec.msgpack.decode(item.memory, type=rule.memory)
            slots[(item.rule, item.connector_id)] = msgspec.structs.replace(item.slot, memory=memory)
    except msgspec.MsgspecError as error:
        logger.warning("a station's state cannot be read, so it begins anew: %s", error)
        return None
    return StationState(
        view=wire.view,
        slots=slots,
        check_at=wire.check_at,
        opened=wire.opened,
        gathered=wire.gathered,
        unscored=wire.unscored,
        score_at=wire.score_at,
    )
