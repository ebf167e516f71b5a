"""What every protocol version can say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from simulator.firmware import Fault
from simulator.outbox import Transaction
from simulator.spec import StationSpec

if TYPE_CHECKING:
    from simulator.bay import Bay

Payload = dict[str, Any]


class Message(NamedTuple):
    """A request. `kept`: it waits while the station is offline, for it belongs to a transaction. `numbered`: the
    transaction whose id, once the central system has given it, belongs into the payload (OCPP 1.6)."""

    action: str
    payload: Payload
    kept: bool = False
    numbered: Transaction | None = None


class Speech(Protocol):
    """Times are UTC seconds."""

    protocol: str

    def boot(self, spec: StationSpec, reason: str) -> Message: ...
    def whole_station(self, now_s: float) -> Message | None: ...
    def status(self, bay: Bay, now_s: float) -> list[Message]: ...
    def cleared(self, bay: Bay, fault: Fault, now_s: float) -> list[Message]: ...
    def charging_state(self, bay: Bay, transaction: Transaction, now_s: float) -> Message | None: ...
    def authorize(self, id_tag: str) -> Message: ...
    def accepted(self, reply: Payload) -> bool: ...  # whether the driver may charge
    def start(self, bay: Bay, transaction: Transaction, now_s: float) -> Message: ...
    def started(self, transaction: Transaction, reply: Payload) -> None: ...  # the answer to `start`
    def values(self, bay: Bay, transaction: Transaction | None, context: str, now_s: float) -> Message: ...
    def warmth(self, bay: Bay, now_s: float) -> list[Message]: ...  # where meter values carry no temperature
    def stop(self, bay: Bay, transaction: Transaction, reason: str, now_s: float) -> Message: ...
    def firmware(self, status: str, request: int) -> Message: ...
