"""What a quirk profile declares: which stations, and per action what they mean. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from collector.ocpp.action import Policy

Payload = dict[str, Any]
Mend = Callable[[Payload, Policy], Payload]

MAIN_REGISTER = "Energy.Active.Import.Register"  # also the measurand where none is said (OCPP 1.6 section 7.43)


class Profile(NamedTuple):
    """Stations whose vendor, model and firmware match, and a function per action from a payload that conforms to
    its schema to the payload as it is meant. The message itself is kept as it was said."""

    name: str
    title: str  # which stations, for people
    about: str  # what they do, and what it is read as
    source: str  # where that is on public record
    vendor: str  # regular expressions, found anywhere, in any case
    mends: Mapping[str, Mend]
    model: str = ""
    firmware: str = ""

    def fits(self, vendor: str, model: str, firmware: str) -> bool:
        def found(pattern: str, said: str) -> bool:
            return re.search(pattern, said, re.IGNORECASE) is not None

        return found(self.vendor, vendor) and found(self.model, model) and found(self.firmware, firmware)

    def mend(self, action: str, payload: Payload, policy: Policy) -> Payload:
        """The payload as it is meant; itself where the profile has nothing to say."""
        mend = self.mends.get(action)
        return payload if mend is None else mend(payload, policy)


def with_samples(payload: Payload, key: str, change: Callable[[Payload], Payload]) -> Payload:
    """The payload with every sampled value of its meter values (under `key`) changed."""
    if not payload.get(key):
        return payload
    values = [{**value, "sampledValue": [change(s) for s in value["sampledValue"]]} for value in payload[key]]
    return {**payload, key: values}


def samples_of(payload: Payload, key: str) -> Iterator[Payload]:
    """Every sampled value of a payload's meter values."""
    for value in payload.get(key) or ():
        yield from value["sampledValue"]


def is_register(sample: Payload) -> bool:
    """Whether a sampled value is the energy register."""
    return bool(sample.get("measurand", MAIN_REGISTER) == MAIN_REGISTER)
