"""A station's outgoing calls: one at a time, and none lost that belongs to a transaction.

Transaction-related messages (StartTransaction, MeterValues, StopTransaction) wait while the station is offline
and are sent again, as they were written, until answered (OCPP 1.6 section 4.6 and 3.7, OCPP-J 1.6 section 4.1.1).
Everything else is only worth saying now: it is dropped when it cannot be sent.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any

OnReply = Callable[[dict[str, Any] | None, float], None]
"""Called with the reply's payload, or None when there will be none, and the time."""

CALL_TIMEOUT_S = 30.0
MAX_ATTEMPTS = 3  # TransactionMessageAttempts
RETRY_INTERVAL_S = 10.0  # TransactionMessageRetryInterval, times the number of attempts
MAX_QUEUED = 5000  # beyond this, intermediate meter values are left out (section 4.7, 2.0.1 part 2 E04, allow it)
_VERSION_4 = 4 << 76 | 0b10 << 62  # and the variant of RFC 9562 section 4.1
_RANDOM = ~(0xF << 76 | 0b11 << 62)


class Transaction:
    """A transaction as the station knows it. `id` is what the central system answered (OCPP 1.6); `name` is the
    station's own, and `seq_no` the number of its next event (2.x)."""

    __slots__ = (
        "begin_value",
        "card",
        "connector_id",
        "id",
        "id_tag",
        "meter_start_wh",
        "name",
        "remote_start_id",
        "seq_no",
    )

    def __init__(
        self,
        connector_id: int,
        id_tag: str,
        meter_start_wh: int,
        *,
        name: str = "",
        begin_value: dict[str, Any] | None = None,
        remote_start_id: int | None = None,
        card: bool = False,
    ) -> None:
        self.connector_id = connector_id
        self.id_tag = id_tag
        self.meter_start_wh = meter_start_wh
        self.name = name
        self.begin_value = begin_value  # the register at the begin, a MeterValue of OCPP 1.6
        self.remote_start_id = remote_start_id
        self.card = card  # paid at the station's terminal
        self.seq_no = 0
        self.id: int | None = None


class Call:
    """A call that waits or is under way. `transaction` is filled into the payload when it is sent, for the id is
    known only once the start was answered."""

    __slots__ = ("action", "attempts", "kept", "not_before_s", "on_reply", "payload", "transaction", "unique_id")

    def __init__(
        self,
        unique_id: str,
        action: str,
        payload: dict[str, Any],
        *,
        kept: bool,
        transaction: Transaction | None,
        on_reply: OnReply | None,
    ) -> None:
        self.unique_id = unique_id
        self.action = action
        self.payload = payload
        self.kept = kept
        self.transaction = transaction
        self.on_reply = on_reply
        self.attempts = 0
        self.not_before_s = 0.0

    def frame(self) -> list[Any]:
        if self.transaction is not None:
            # -1 is what stations send for a transaction whose start was refused for good.
            number = self.transaction.id if self.transaction.id is not None else -1
            self.payload["transactionId"] = number
        return [2, self.unique_id, self.action, self.payload]


def _between(action: str, payload: dict[str, Any]) -> bool:
    """Whether a request is neither a transaction's start nor its end."""
    return action == "MeterValues" or (action == "TransactionEvent" and payload.get("eventType") == "Updated")


class Outbox:
    """The queue. `online` is set by connected/disconnected; `accepted` by the answer to BootNotification."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._waiting: deque[Call] = deque()
        self._under_way: Call | None = None
        self._deadline_s = float("inf")
        self.online = False
        self.accepted = False

    def __len__(self) -> int:
        return len(self._waiting) + (self._under_way is not None)

    def push(
        self,
        action: str,
        payload: dict[str, Any],
        now_s: float,
        *,
        kept: bool = False,
        transaction: Transaction | None = None,
        on_reply: OnReply | None = None,
        urgent: bool = False,
    ) -> None:
        """Queues a call; one that is not kept is dropped at once while offline or not yet accepted."""
        sayable = self.online and (self.accepted or action == "BootNotification")
        if not sayable and not kept:
            if on_reply:
                on_reply(None, now_s)
            return
        if len(self._waiting) >= MAX_QUEUED and _between(action, payload):
            return
        unique_id = self.fresh_id()
        call = Call(unique_id, action, payload, kept=kept, transaction=transaction, on_reply=on_reply)
        self._waiting.appendleft(call) if urgent else self._waiting.append(call)

    def fresh_id(self) -> str:
        """A UUID, as stations name messages and transactions. Each message has one, so it is written by hand:
        `uuid` takes several times as long."""
        digits = f"{self._rng.getrandbits(128) & _RANDOM | _VERSION_4:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def next_frame(self, now_s: float) -> list[Any] | None:
        """The frame to send now, if any; the call is then under way."""
        if not self.online or self._under_way is not None:
            return None
        call = self._sendable(now_s)
        if call is None:
            return None
        self._waiting.remove(call)
        self._under_way = call
        self._deadline_s = now_s + CALL_TIMEOUT_S
        return call.frame()

    def _sendable(self, now_s: float) -> Call | None:
        blocked = False  # the first kept call waits for its retry: those behind it must not overtake it
        for call in self._waiting:
            if not self.accepted and call.action != "BootNotification":
                continue
            if not call.kept:
                return call
            if not blocked and call.not_before_s <= now_s:
                return call
            blocked = True
        return None

    def answered(self, unique_id: str, payload: dict[str, Any], now_s: float) -> Call | None:
        """The call that this CALLRESULT answers, or None when it answers nothing that is under way."""
        call = self._under_way
        if call is None or call.unique_id != unique_id:
            return None
        self._clear()
        if call.on_reply:
            call.on_reply(payload, now_s)
        return call

    def refused(self, unique_id: str, now_s: float) -> None:
        """A CALLERROR came: calls of a transaction are tried again a few times, then given up."""
        call = self._under_way
        if call is None or call.unique_id != unique_id:
            return
        self._clear()
        call.attempts += 1
        if call.kept and call.attempts < MAX_ATTEMPTS:
            call.not_before_s = now_s + RETRY_INTERVAL_S * call.attempts
            self._waiting.appendleft(call)
        elif call.on_reply:
            call.on_reply(None, now_s)

    def expire(self, now_s: float) -> None:
        """No answer in time: kept calls are sent again, unchanged, others dropped."""
        call = self._under_way
        if call is None or now_s < self._deadline_s:
            return
        self._clear()
        if call.kept:
            self._waiting.appendleft(call)
        elif call.on_reply:
            call.on_reply(None, now_s)

    def connected(self) -> None:
        self.online = True

    def disconnected(self, now_s: float) -> None:
        """The link is gone: what is kept goes back to its place, the rest is dropped."""
        self.online = False
        call = self._under_way
        self._clear()
        if call is not None:
            self._waiting.appendleft(call)
        dropped = [item for item in self._waiting if not item.kept]
        self._waiting = deque(item for item in self._waiting if item.kept)
        for item in dropped:
            if item.on_reply:
                item.on_reply(None, now_s)

    def _clear(self) -> None:
        self._under_way = None
        self._deadline_s = float("inf")

    @property
    def next_at_s(self) -> float:
        """When the queue wants attention again: a deadline passes or a retry falls due."""
        if self._under_way is not None:
            return self._deadline_s
        if not self.online or not self.accepted:
            return float("inf")
        first = next((call for call in self._waiting if call.kept), None)
        return first.not_before_s if first else float("inf")
