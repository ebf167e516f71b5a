"""Payment cards at the station's terminal: said in OCPP 2.1, and gone when the terminal dies."""

from __future__ import annotations

import random

import msgspec

from simulator.drivers import Habits, Population
from simulator.faults import KINDS
from simulator.spec import make_specs, make_tokens, speaking
from simulator.station import Station, StationOptions
from tests.support.central import START_S, Central, schema_2x

UNTIL_S = START_S + 6 * 3600


def _lived(protocol: str, *, broken: bool) -> Central:
    (spec,) = speaking(make_specs(2)[1:], (protocol,))
    plan = KINDS["payment_fault"].plan(spec, random.Random(1), START_S, UNTIL_S)
    station = Station(
        spec,
        seed=1,
        now_s=START_S,
        population=Population(make_tokens(30, 1), random.Random(1), pay=0.5),
        options=StationOptions(habits=Habits(session_s=(60, 120), busy_at_start=1.0), meter_interval_s=60.0),
        faults=(msgspec.structs.replace(plan, strength=1.0),) if broken else (),
    )
    central = Central(station)
    central.connect()
    central.run(6 * 3600)
    return central


def _kinds(central: Central) -> dict[str, int]:
    found: dict[str, int] = {}
    for call in central.calls("TransactionEvent"):
        if call.payload["eventType"] == "Started":
            schema_2x("ocpp2.1", "TransactionEventRequest").validate(call.payload)
            kind = call.payload["idToken"]["type"]
            found[kind] = found.get(kind, 0) + 1
    return found


def test_some_pay_by_card_and_others_do_not() -> None:
    kinds = _kinds(_lived("ocpp2.1", broken=False))
    assert set(kinds) == {"DirectPayment", "ISO14443"}
    assert min(kinds.values()) > 5


def test_a_dead_terminal_takes_no_payment_and_who_has_another_card_charges() -> None:
    kinds = _kinds(_lived("ocpp2.1", broken=True))
    assert set(kinds) == {"ISO14443"}
    assert kinds["ISO14443"] > 5


def test_before_ocpp_21_no_message_tells_a_payment() -> None:
    central = _lived("ocpp1.6", broken=True)
    assert len(central.calls("StartTransaction")) > 10
    assert not any(call.payload["idTag"].startswith("PAY") for call in central.calls("StartTransaction"))
