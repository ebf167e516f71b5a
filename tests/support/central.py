"""A central system of few words, in virtual time: it drives one simulated station and keeps what was said."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from importlib.resources import files
from typing import Any, NamedTuple

import jsonschema_rs

from simulator.drivers import Habits, Population
from simulator.faults import FaultPlan
from simulator.spec import StationSpec, make_specs, make_tokens
from simulator.station import Acknowledged, Asked, Output, Publish, Send, Station, StationOptions

START_S = 1_795_000_000.0  # 2026-11-18
AC, AC_ONE, DC = make_specs(4)[1], make_specs(4)[0], make_specs(4)[3]


class Said(NamedTuple):
    """A call of the station."""

    at_s: float
    unique_id: str
    action: str
    payload: dict[str, Any]


Answer = Callable[[Said], dict[str, Any] | list[Any] | None]
"""A payload, a whole frame, or None for silence."""


def make_station(
    spec: StationSpec = AC,
    *,
    seed: int = 1,
    session_s: tuple[float, float] | None = (120, 300),
    faults: tuple[FaultPlan, ...] = (),
    now_s: float = START_S,
    **options: Any,
) -> Station:
    """A busy station; drivers come at once."""
    habits = Habits(session_s=session_s, busy_at_start=1.0)
    return Station(
        spec,
        seed=seed,
        now_s=now_s,
        population=Population(make_tokens(30, seed), random.Random(seed)),
        options=StationOptions(habits=habits, **({"meter_interval_s": 10.0} | options)),
        faults=faults,
    )


class Central:
    """Answers everything after 50 ms, unless `answer` says otherwise."""

    def __init__(self, station: Station, answer: Answer | None = None) -> None:
        self.station = station
        self.now_s = START_S
        self.said: list[Said] = []
        self.published: list[Publish] = []
        self.acknowledged: list[Acknowledged] = []
        self.answers: list[list[Any]] = []  # of the station, to our calls
        self.answer: Answer = answer or self.accept
        self.connected = False
        self._transactions = itertools.count(101)
        self._pending: list[tuple[float, list[Any]]] = []

    def accept(self, call: Said) -> dict[str, Any]:
        match call.action:
            case "BootNotification":
                return {"status": "Accepted", "interval": 300, "currentTime": "2026-11-18T10:00:00Z"}
            case "StartTransaction":
                return {"transactionId": next(self._transactions), "idTagInfo": {"status": "Accepted"}}
            case "Authorize" if "idTag" in call.payload:
                return {"idTagInfo": {"status": "Accepted"}}
            case "Authorize" | "TransactionEvent" if "idToken" in call.payload:
                return {"idTokenInfo": {"status": "Accepted"}}
        return {}

    def connect(self) -> None:
        self.connected = True
        self._take(self.station.link_up(self.now_s))

    def cut(self) -> None:
        self.connected = False
        self._pending.clear()
        self._take(self.station.link_down(self.now_s))

    def send(self, frame: object) -> None:
        self._take(self.station.received(frame, self.now_s))

    def run(self, seconds: float) -> None:
        """Lets virtual time pass; the link follows the station's network."""
        until_s = self.now_s + seconds
        while True:
            due_s = min(self.station.next_at_s, self._pending[0][0] if self._pending else float("inf"))
            if due_s > until_s:
                break
            self.now_s = max(due_s, self.now_s)
            if self._pending and self._pending[0][0] <= self.now_s:
                self._take(self.station.received(self._pending.pop(0)[1], self.now_s))
            else:
                self._take(self.station.tick(self.now_s))
            if self.connected and not self.station.link_wanted:
                self.cut()
        self.now_s = until_s

    def calls(self, action: str) -> list[Said]:
        return [call for call in self.said if call.action == action]

    def statuses(self, connector_id: int = 1) -> list[str]:
        found = [call.payload for call in self.calls("StatusNotification")]
        return [payload["status"] for payload in found if payload["connectorId"] == connector_id]

    def _take(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Publish():
                    self.published.append(output)
                case Acknowledged():
                    self.acknowledged.append(output)
                case Asked(action, payload):
                    self.send([2, "asked", action, payload])
                case Send([2, unique_id, action, payload]):
                    call = Said(self.now_s, unique_id, action, json.loads(json.dumps(payload)))
                    self.said.append(call)
                    self._reply(call)
                case Send(frame):
                    self.answers.append(frame)

    def _reply(self, call: Said) -> None:
        reply = self.answer(call)
        if reply is not None:
            frame = reply if isinstance(reply, list) else [3, call.unique_id, reply]
            self._pending.append((self.now_s + 0.05, frame))


def schema(action: str) -> jsonschema_rs.Draft4Validator:
    """The official OCPP 1.6 schema of a request."""
    text = files("ocpp").joinpath("v16", "schemas", f"{action}.json").read_text("utf-8-sig")
    return jsonschema_rs.Draft4Validator(json.loads(text))


def schema_2x(protocol: str, name: str) -> Any:
    """The official schema of `<Action>Request` or `<Action>Response`."""
    folder = {"ocpp2.0.1": "v201", "ocpp2.1": "v21"}[protocol]
    text = files("ocpp").joinpath(folder, "schemas", f"{name}.json").read_text("utf-8-sig")
    return jsonschema_rs.validator_for(json.loads(text))


def register_wh(payload: dict[str, Any]) -> float:
    """The energy register in a MeterValues request."""
    for value in payload["meterValue"][-1]["sampledValue"]:
        if value["measurand"] == "Energy.Active.Import.Register":
            return float(value["value"]) * (1000 if value["unit"] == "kWh" else 1)
    raise AssertionError("no register")


def power_w(payload: dict[str, Any]) -> float:
    """The power in a MeterValues request."""
    for value in payload["meterValue"][-1]["sampledValue"]:
        if value["measurand"] == "Power.Active.Import":
            return float(value["value"]) * (1000 if value["unit"] == "kW" else 1)
    raise AssertionError("no power")
