"""Factories for collector tests: one station, plain messages, plain entries."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from collector.link import Link, Outcome
from collector.ocpp.action import Policy
from collector.ocpp.commands import Command
from laddvakt.domain.entries import Entry

T0 = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def stamp(seconds: float) -> str:
    return at(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Speaker:
    """A station that says things to a Link; collects the entries in `said`."""

    def __init__(self, station_id: str = "SE-1", policy: Policy | None = None, protocol: str = "ocpp1.6") -> None:
        self.link = Link(station_id, protocol, policy or Policy())
        self.said: list[Entry] = []
        self._ids = itertools.count(1)

    def text(self, message: str | bytes, seconds: float = 0) -> Outcome:
        outcome = self.link.receive(message, at(seconds))
        self.said.append(outcome.entry)
        return outcome

    def call(self, action: str, payload: dict[str, Any], seconds: float = 0) -> Any:
        """The reply, decoded: [3, id, payload] or [4, id, code, description, {}]."""
        outcome = self.text(json.dumps([2, str(next(self._ids)), action, payload]), seconds)
        assert outcome.reply is not None
        return json.loads(outcome.reply)

    def command(
        self, action: str, payload: dict[str, Any], seconds: float = 0, answer: dict[str, Any] | None = None
    ) -> str:
        """A command of ours and, unless there is none, the station's answer; its id."""
        command = Command(f"c{next(self._ids)}", action, payload, "anna")
        self.link.outbox.submit(command)
        sent = self.link.outbox.next()
        assert sent == command
        self.said.append(self.link.calling(command, at(seconds)))
        if answer is not None:
            self.text(json.dumps([3, command.command_id, answer]), seconds)
        return command.command_id

    def up(self, seconds: float = 0) -> None:
        self.said.append(self.link.connected(at(seconds)))

    def down(self, seconds: float = 0, reason: str = "") -> None:
        self.said.append(self.link.disconnected(at(seconds), reason))

    def boot(self, seconds: float = 0) -> Any:
        return self.call("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"}, seconds)

    def status(self, status: str, seconds: float = 0, connector: int = 1, **more: Any) -> Any:
        payload = {"connectorId": connector, "errorCode": "NoError", "status": status, "timestamp": stamp(seconds)}
        return self.call("StatusNotification", {**payload, **more}, seconds)

    def start(self, seconds: float = 0, meter: int = 1000, connector: int = 1, tag: str = "TAG1") -> int:
        payload = {"connectorId": connector, "idTag": tag, "meterStart": meter, "timestamp": stamp(seconds)}
        number: int = self.call("StartTransaction", payload, seconds)[2]["transactionId"]
        return number

    def energy(
        self, transaction: int | None, wh: float, seconds: float, connector: int = 1, **samples: str
    ) -> Any:
        """An energy register, and other measurands as `Power_Active_Import="11000"`."""
        values = [{"value": str(wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"}]
        values += [{"value": value, "measurand": name.replace("_", ".")} for name, value in samples.items()]
        payload: dict[str, Any] = {
            "connectorId": connector,
            "meterValue": [{"timestamp": stamp(seconds), "sampledValue": values}],
        }
        if transaction is not None:
            payload["transactionId"] = transaction
        return self.call("MeterValues", payload, seconds)

    def stop(self, transaction: int, meter: int, seconds: float, **more: Any) -> Any:
        payload = {"transactionId": transaction, "meterStop": meter, "timestamp": stamp(seconds), **more}
        return self.call("StopTransaction", payload, seconds)
