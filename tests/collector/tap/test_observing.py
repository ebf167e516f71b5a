"""What the tap writes down of what passes: real sockets, a real event log."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from collector.tap.conversation import Conversation
from collector.tap.journal import AWAY, ENDED
from collector.tap.observation import Observation
from laddvakt.domain.commands import CommandRequest, CommandStatus
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.facts import (
    LinkDown,
    LinkUp,
    NotObserved,
    StatusReported,
    TransactionStarted,
)
from laddvakt.settings import TapSettings
from tests.support.collecting import OCPP16, ask, asleep, logged
from tests.support.csms import Csms
from tests.support.tap import Deflater, RawStation, Recording, Tapped, answer_101, masked, plain, request, tapped
from tests.support.waiting import eventually

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "One"}
START = {"connectorId": 1, "idTag": "TAG1", "meterStart": 100, "timestamp": "2026-11-21T10:00:00Z"}
STATUS = {"connectorId": 1, "status": "Charging", "errorCode": "NoError"}


def station(tap: Tapped, path: str = "SE-1", **options: Any) -> connect:
    return connect(f"ws://127.0.0.1:{tap.port}/{path}", **{"subprotocols": OCPP16, "compression": None, **options})


async def entries(tap: Tapped, count: int) -> list[Entry]:
    assert tap.log is not None
    return await logged(tap.log, lambda found: len(found) >= count)


def facts(found: list[Entry]) -> list[str]:
    return [type(fact).__name__ for entry in found for fact in entry.facts]


async def test_a_charge_is_observed_with_the_central_systems_transaction_id(tmp_path: Path) -> None:
    async with Csms() as csms, tapped(tmp_path, csms.url) as tap:
        async with station(tap) as link:
            await ask(link, "BootNotification", BOOT, "1")
            reply = await ask(link, "StartTransaction", START, "2")
            given = reply[2]["transactionId"]
            stop = {"transactionId": given, "meterStop": 900, "timestamp": "2026-11-21T11:00:00Z"}
            await ask(link, "StopTransaction", stop, "3")
        found = await entries(tap, 5)
    assert facts(found) == ["LinkUp", "Booted", "TransactionStarted", "TransactionStopped", "LinkDown"]
    start = found[2]
    assert isinstance(start.facts[0], TransactionStarted)
    assert start.facts[0].transaction_id == str(given)
    assert json.loads(start.reply or "") == reply
    assert json.loads(start.raw) == [2, "2", "StartTransaction", START]
    assert {entry.station_id for entry in found} == {"SE-1"}
    assert {entry.protocol for entry in found} == {"ocpp1.6"}


async def test_calls_of_the_central_system_are_kept_and_their_answers_expected(tmp_path: Path) -> None:
    async with Csms() as csms, tapped(tmp_path, csms.url) as tap, station(tap) as link:
        await ask(link, "Heartbeat", {}, "1")
        reset = json.dumps([2, "r1", "Reset", {"type": "Soft"}])
        await csms.links[0][1].send(reset)
        assert await link.recv() == reset
        await link.send(json.dumps([3, "r1", {"status": "Accepted"}]))
        found = await entries(tap, 4)
    assert [entry.kind for entry in found[2:]] == [EntryKind.OCPP_OUT, EntryKind.OCPP_IN]
    assert found[2].raw == reset
    assert facts(found[2:]) == ["CommandSent", "CommandAnswered"]


async def test_several_versions_and_paths(tmp_path: Path) -> None:
    event = {
        "eventType": "Started",
        "timestamp": "2026-11-21T10:00:00Z",
        "triggerReason": "CablePluggedIn",
        "seqNo": 0,
        "transactionInfo": {"transactionId": "T-1"},
        "evse": {"id": 1, "connectorId": 1},
    }
    said = json.dumps([2, "1", "TransactionEvent", event])
    for number, protocol in enumerate(["ocpp2.0.1", "ocpp2.1"]):
        async with Recording(answer=answer_101(protocol), says=[plain('[3,"1",{}]')]) as central:
            folder = tmp_path / str(number)
            folder.mkdir()
            async with tapped(folder, f"ws://127.0.0.1:{central.port}") as tap:
                raw = await RawStation.connect(tap.port)
                await raw.send(request("tap", "/some/where/SE%201/", protocol) + masked(said))
                await raw.until(len(answer_101(protocol)) + 10)
                await raw.close()
                found = await entries(tap, 3)
        assert {entry.station_id for entry in found} == {"SE 1"}
        assert isinstance(found[0].facts[0], LinkUp)
        assert found[0].facts[0].protocol == protocol
        assert "TransactionStarted" in facts(found)


async def test_compressed_and_fragmented_messages_are_understood(tmp_path: Path) -> None:
    deflater = Deflater()
    boot = deflater.payload(json.dumps([2, "1", "BootNotification", BOOT]))
    status = json.dumps([2, "2", "StatusNotification", STATUS])
    again = deflater.payload(json.dumps([2, "3", "StatusNotification", STATUS | {"connectorId": 2}]))
    answer = answer_101("ocpp1.6", "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover")
    async with Recording(answer=answer) as central, tapped(tmp_path, f"ws://127.0.0.1:{central.port}") as tap:
        raw = await RawStation.connect(tap.port)
        await raw.send(request("tap"))
        await raw.until(len(answer))
        await raw.send(masked(boot, rsv1=True) + masked(status[:30], fin=False))
        await raw.send(masked("ping", 9) + masked(status[30:], 0) + masked(again, rsv1=True))  # type: ignore[arg-type]  # bytes
        await raw.close()
        found = await entries(tap, 5)
    assert facts(found) == ["LinkUp", "Booted", "StatusReported", "StatusReported", "LinkDown"]
    assert [e.facts[0].connector_id for e in found if isinstance(e.facts[0], StatusReported)] == [1, 2]


async def test_an_unknown_extension_passes_and_is_said_not_to_be_observed(tmp_path: Path) -> None:
    answer = answer_101("ocpp1.6", "Sec-WebSocket-Extensions: x-secret")
    said = masked(b"\x01\x02\x03", rsv1=True)
    async with Recording(answer=answer) as central, tapped(tmp_path, f"ws://127.0.0.1:{central.port}") as tap:
        raw = await RawStation.connect(tap.port)
        await raw.send(request("tap"))
        await raw.until(len(answer))
        await raw.send(said)
        await eventually(lambda: central.bytes.endswith(said))
        found = await entries(tap, 2)
        await raw.close()
        found = await entries(tap, 3)
    assert facts(found) == ["LinkUp", "NotObserved", "LinkDown"]
    gap = found[1].facts[0]
    assert isinstance(gap, NotObserved)
    assert gap.until is None
    assert "x-secret" in gap.reason


@pytest.mark.parametrize("where", ["from_station", "from_central", "asked", "ended"])
async def test_a_fault_while_listening_changes_nothing_for_the_station(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr(Observation, where, broken)
    async with Csms() as csms, tapped(tmp_path, csms.url) as tap:
        for _ in range(2):
            async with station(tap) as link:
                assert (await ask(link, "BootNotification", BOOT, "1"))[0] == 3
                assert (await ask(link, "StartTransaction", START, "2"))[0] == 3
        await eventually(lambda: not tap.tap.relay.connections)
    assert csms.actions() == ["BootNotification", "StartTransaction"] * 2


async def test_a_message_that_cannot_be_read_is_counted_and_the_next_one_is_observed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Conversation.heard

    def sometimes(self: Conversation, message: str | bytes, now: Any) -> list[Entry]:
        if "Heartbeat" in str(message):
            raise RuntimeError("injected")
        return heard(self, message, now)

    monkeypatch.setattr(Conversation, "heard", sometimes)
    async with Csms() as csms, tapped(tmp_path, csms.url) as tap:
        async with station(tap) as link:
            await ask(link, "Heartbeat", {}, "1")
            await ask(link, "BootNotification", BOOT, "2")
        found = await entries(tap, 4)
    assert "Booted" in facts(found)
    gaps = [fact for entry in found for fact in entry.facts if isinstance(fact, NotObserved)]
    assert [(gap.messages, gap.reason) for gap in gaps] == [(1, "a fault of Laddvakt: RuntimeError")]


async def talk(link: ClientConnection, first: int, count: int) -> None:
    for number in range(first, first + count):
        await ask(link, "DataTransfer", {"vendorId": "v", "data": "x" * 10_000}, str(number))


async def test_a_dead_log_stops_nothing_and_the_gap_is_written_when_it_is_back(tmp_path: Path) -> None:
    """kill -9 of the event log; more is said than fits into the buffer; then the log comes back."""
    async with Csms() as csms, tapped(tmp_path, csms.url, buffer_bytes=1024 * 1024) as tap:
        assert tap.nats is not None
        async with station(tap) as link:
            await ask(link, "BootNotification", BOOT, "boot")
            await entries(tap, 2)
            os.kill(tap.nats.pid or 0, signal.SIGKILL)
            await tap.nats.wait()
            await talk(link, 0, 100)  # 2 MB as the buffer counts
            assert tap.tap.journal.size <= 1024 * 1024
            missed = tap.tap.journal.not_observed
            assert 20 < missed < 200
            await tap.nats.start()
            await eventually(lambda: tap.tap.journal.size < 100_000, deadline_s=30)
            await ask(link, "StatusNotification", STATUS, "status")
            assert tap.log is not None
            found = await logged(tap.log, lambda all_: "StatusReported" in facts(all_))
        assert len(csms.actions("SE-1")) == 102
    gaps = [fact for entry in found for fact in entry.facts if isinstance(fact, NotObserved)]
    assert sum(gap.messages or 0 for gap in gaps) == missed == tap.tap.journal.not_observed
    assert all(gap.until is not None and gap.until >= gap.at for gap in gaps)
    said = [entry for entry in found if "DataTransfer" in entry.raw]
    assert len(said) + missed >= 100
    assert all(gap.reason == AWAY for gap in gaps)
    assert found[-1].facts[0].at > gaps[-1].at


async def test_a_log_that_does_not_answer_stops_nothing(tmp_path: Path) -> None:
    async with Csms() as csms, tapped(tmp_path, csms.url) as tap:
        assert tap.nats is not None
        async with station(tap) as link:
            with asleep(tap.nats):
                await ask(link, "BootNotification", BOOT, "1")
                await ask(link, "StartTransaction", START, "2")
            found = await entries(tap, 3)
    assert facts(found) == ["LinkUp", "Booted", "TransactionStarted"]
    assert tap.tap.journal.not_observed == 0


async def test_what_the_log_never_got_is_known_to_the_next_process(tmp_path: Path) -> None:
    async with Csms() as csms:
        async with tapped(tmp_path, csms.url, log=False) as tap, station(tap) as link:
            await ask(link, "BootNotification", BOOT, "1")
            await ask(link, "StartTransaction", START, "2")
        async with tapped(tmp_path, csms.url) as tap:
            found = await entries(tap, 1)
            file = tap.settings.run_dir / "tap-unlogged.json"
            await eventually(lambda: not file.exists(), what="the note to be gone")
    (gap,) = found[0].facts
    assert isinstance(gap, NotObserved)
    assert gap.reason == ENDED
    assert (gap.messages or 0) >= 4
    assert gap.until is not None


async def test_forwards_before_there_is_a_log(tmp_path: Path) -> None:
    async with Csms() as csms, tapped(tmp_path, csms.url, log=False) as tap, station(tap) as link:
        assert (await ask(link, "BootNotification", BOOT, "1"))[0] == 3
        assert tap.tap.connected == {"SE-1"}
        assert tap.tap.journal.size > 0


async def test_a_message_that_the_log_cannot_take_is_counted(tmp_path: Path) -> None:
    async with Csms() as csms, tapped(tmp_path, csms.url, max_message_bytes=20 * 1024 * 1024) as tap:
        async with station(tap, max_size=None) as link:
            said = json.dumps([2, "1", "DataTransfer", {"vendorId": "v", "data": "x" * 900_000}])
            await link.send(said)
            await link.recv()
            await ask(link, "BootNotification", BOOT, "2")
        found = await entries(tap, 4)
    assert "Booted" in facts(found)


async def test_a_newer_connection_of_a_station_wins(tmp_path: Path) -> None:
    async with Csms() as csms, tapped(tmp_path, csms.url) as tap:
        first = await station(tap)
        await ask(first, "BootNotification", BOOT, "1")
        async with station(tap) as second:
            await ask(second, "Heartbeat", {}, "1")
            await first.close()
            await eventually(lambda: len(tap.tap.relay.connections) == 1)
            assert tap.tap.connected == {"SE-1"}
            await ask(second, "Heartbeat", {}, "2")
        found = await entries(tap, 6)
    assert [entry.kind for entry in found].count(EntryKind.DISCONNECTED) == 1
    assert isinstance(found[-1].facts[0], LinkDown)


async def test_the_stop_of_the_tap_itself_is_not_written_as_the_stations_doing(tmp_path: Path) -> None:
    async with Csms() as csms, tapped(tmp_path, csms.url) as tap:
        link = await station(tap)
        await ask(link, "BootNotification", BOOT, "1")
        await entries(tap, 2)
        tap.tap.stop()
        await link.wait_closed()
        await asyncio.sleep(0)
        found = await entries(tap, 2)
    assert facts(found) == ["LinkUp", "Booted"]


async def test_the_pulse_tells_how_it_goes(tmp_path: Path) -> None:
    async with Csms() as csms, tapped(tmp_path, csms.url) as tap, station(tap) as link:
        pulses: list[dict[str, Any]] = []
        assert tap.log is not None

        def take(kind: str, data: bytes) -> None:
            if kind == "pulse":
                pulses.append(json.loads(data))

        stop = await tap.log.feed.subscribe(take)
        await ask(link, "BootNotification", BOOT, "1")
        await eventually(lambda: [pulse for pulse in pulses if pulse["connected"] == 1 and pulse["messages"]])
        await stop()
    assert pulses[-1]["service"] == "tap"
    assert pulses[-1]["not_observed"] == 0
    assert pulses[-1]["trouble"] == ""


async def test_credentials_are_nowhere_in_the_log(tmp_path: Path) -> None:
    async with Csms() as csms, tapped(tmp_path, csms.url) as tap:
        async with station(tap, additional_headers={"Authorization": "Basic U0UtMTpzZWNyZXQ="}) as link:
            await ask(link, "BootNotification", BOOT, "1")
        found = await entries(tap, 3)
        assert csms.headers["SE-1"] == "Basic U0UtMTpzZWNyZXQ="
    assert not any("U0UtMTpzZWNyZXQ=" in repr(entry) for entry in found)


async def test_a_command_to_a_tapped_station_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with Csms() as csms, tapped(tmp_path, csms.url) as tap, station(tap) as link:
        await ask(link, "BootNotification", BOOT, "1")
        assert tap.log is not None
        asked = CommandRequest(
            command_id="c1", station_id="SE-1", action="Reset", payload={"type": "Soft"}, actor="test"
        )
        result = await tap.log.commands.ask(asked)
        assert await tap.log.holders.held(["SE-1", "SE-2"]) == {"SE-1"}  # no collector takes it for gone
    assert result.status is CommandStatus.NOT_CONNECTED
    assert "its own central system" in result.detail


def test_commands_cannot_be_allowed() -> None:
    with pytest.raises(ValueError, match="byte for byte"):
        TapSettings(allow_commands=True)
