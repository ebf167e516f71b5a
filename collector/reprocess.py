"""A message that was set aside, read again by the present code. It goes through the event log like any other, as
an entry that says what it reads again, so that a rebuilt store knows it too."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from collector.link import Link
from collector.mqtt.facts import raw_bytes
from collector.mqtt.mappings import Mapping, Reader
from collector.ocpp.action import Policy
from laddvakt.domain.entries import Entry, EntryKind, Reprocessing
from laddvakt.domain.errors import EventLogError
from laddvakt.domain.facts import Quarantined, QuarantineReason
from laddvakt.domain.quarantine import ReprocessReply, ReprocessRequest
from laddvakt.eventlog.appender import Appender

_DEFAULT_PROTOCOL = "ocpp1.6"


def read_again(request: ReprocessRequest, policy: Policy, mappings: Sequence[Mapping] = ()) -> Entry:
    """The entry that the message makes now: facts at its own time, or why it is still set aside."""
    again = Reprocessing(item_id=request.item_id, by=request.by, at=request.at)
    return replace(_read(request, policy, mappings), reply=None, reprocessing=again)


def _read(request: ReprocessRequest, policy: Policy, mappings: Sequence[Mapping]) -> Entry:
    if request.reason is QuarantineReason.UNANSWERED_START:
        return _refused(
            request, "no central system has given this start a transaction id, and ours would be another"
        )
    if request.kind is EntryKind.OCPP_IN:
        link = Link(request.station_id, request.protocol or _DEFAULT_PROTOCOL, policy)
        return link.receive(request.raw, request.received_at).entry
    if request.kind is not EntryKind.MQTT or not request.topic:
        return _refused(request, "it is kept without what it takes to read it again")
    # A reader of its own: what Sparkplug nodes said since must not explain, or be changed by, an old message.
    entry = Reader(mappings).read(request.topic, raw_bytes(request.raw), request.received_at)
    return entry or _refused(request, f"no mapping reads the topic {request.topic}")


def _refused(request: ReprocessRequest, detail: str) -> Entry:
    return Entry(
        station_id=request.station_id,
        kind=request.kind,
        received_at=request.received_at,
        raw=request.raw,
        protocol=request.protocol,
        topic=request.topic,
        facts=(Quarantined(at=request.received_at, reason=request.reason, detail=detail),),
    )


class Rereader:
    """Does it for whoever asks."""

    def __init__(
        self,
        appender: Appender,
        registration_of: Callable[[str], str],
        mappings: Sequence[Mapping],
    ) -> None:
        self._appender = appender
        self._registration_of = registration_of
        self._mappings = mappings

    async def handle(self, request: ReprocessRequest) -> ReprocessReply:
        policy = Policy(registration=self._registration_of(request.station_id))
        entry = read_again(request, policy, self._mappings)
        try:
            await self._appender.append(entry)
        except EventLogError as error:
            return ReprocessReply(item_id=request.item_id, error=str(error))
        return ReprocessReply(item_id=request.item_id)
