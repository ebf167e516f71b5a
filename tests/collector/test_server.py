"""Stations at the door: real sockets, a real event log."""

from __future__ import annotations

import asyncio
import json
import socket
from asyncio import FIRST_COMPLETED
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol

from collector.admission import station_id_of
from collector.registry import Registry
from collector.server import StationServer
from laddvakt.clock import utc_now
from laddvakt.domain.entries import EntryKind
from laddvakt.domain.errors import SettingsError
from laddvakt.domain.facts import LinkDown, Quarantined, QuarantineReason
from laddvakt.settings import OcppSettings
from tests.support.collecting import OCPP16, Door, answer, ask, asleep, basic, register, served
from tests.support.eventlog import running_log, settings_for
from tests.support.servers import free_port
from tests.support.waiting import eventually

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "One"}
KINDS = EntryKind


async def closing(link: ClientConnection) -> tuple[int | None, str | None]:
    """Code and reason with which the other side ends the connection."""
    await asyncio.wait_for(link.wait_closed(), 10)
    return link.close_code, link.close_reason


# Paths


@pytest.mark.parametrize(
    ("path", "station_id"),
    [
        ("/SE-1", "SE-1"),
        ("/ocpp/SE-1", "SE-1"),
        ("/SE-1/", "SE-1"),
        ("/ocpp/SE-1/", "SE-1"),
        ("/SE-1?token=x", "SE-1"),
        ("/SE%2D1", "SE-1"),
        ("/Stolpe%20nr%C2%A01", None),  # a no-break space cannot be seen
        ("/%C3%85re-2", "Åre-2"),
        ("/a%2Fb", None),
        ("/a%00b", None),
        ("/a%0Ab", None),
        ("/", None),
        ("/ocpp", None),
        ("/ocpp/", None),
        ("/one/two", None),
        ("/" + "x" * 255, "x" * 255),
        ("/" + "x" * 256, None),
    ],
)
def test_station_id_of_a_path(path: str, station_id: str | None) -> None:
    assert station_id_of(path) == station_id


@pytest.mark.parametrize("path", ["SE-1", "ocpp/SE-1", "SE-1/", "SE%2D1"])
async def test_every_form_of_the_path_is_one_station(tmp_path: Path, path: str) -> None:
    async with served(tmp_path) as door, door.station(path) as link:
        assert (await ask(link, "BootNotification", BOOT))[2]["status"] == "Accepted"
        assert door.server.connected == {"SE-1"}


async def test_path_without_a_station_is_refused_with_a_hint(tmp_path: Path) -> None:
    async with served(tmp_path) as door:
        with pytest.raises(InvalidStatus) as refused:
            await door.station("")
        assert refused.value.response.status_code == 404
        assert b"/<station id>" in refused.value.response.body


# Subprotocols


async def test_offered_subprotocol_is_chosen(tmp_path: Path) -> None:
    offered = [Subprotocol(name) for name in ("ocpp9", "ocpp1.6")]
    async with served(tmp_path) as door, door.station(subprotocols=offered) as link:
        assert link.subprotocol == "ocpp1.6"
        assert (await door.entries(1))[0].protocol == "ocpp1.6"


async def test_station_that_offers_none_is_spoken_to_in_ocpp_16(tmp_path: Path) -> None:
    async with served(tmp_path) as door, door.station(subprotocols=None) as link:
        assert link.subprotocol is None
        assert (await ask(link, "BootNotification", BOOT))[2]["status"] == "Accepted"
        assert (await door.entries(1))[0].protocol == "ocpp1.6"


async def test_unknown_subprotocol_completes_the_handshake_and_is_closed(tmp_path: Path) -> None:
    async with served(tmp_path) as door, door.station(subprotocols=[Subprotocol("ocpp0.9")]) as link:
        assert link.subprotocol is None
        code, reason = await closing(link)
        assert code == 1000
        assert "ocpp1.6" in str(reason)
        assert door.server.connected == frozenset()


# Who may come in


async def test_basic_password_lets_the_station_in(tmp_path: Path) -> None:
    async with (
        served(tmp_path, security_profile=1) as door,
        door.station(additional_headers=basic("SE-1", "pass-1")) as link,
    ):
        assert (await ask(link, "Heartbeat", {}))[0] == 3


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("SE-1", "wrong"),
        basic("SE-1", ""),
        basic("SE-2", "pass-1"),
        basic("SE-1", b"\xff\xfe"),
        {"Authorization": "Basic not base64!"},
        {"Authorization": "Basic"},
        {"Authorization": "Bearer pass-1"},
    ],
    ids=["missing", "wrong", "empty", "other-station", "not-utf8", "not-base64", "bare", "other-scheme"],
)
async def test_without_the_password_it_is_401(tmp_path: Path, headers: dict[str, str]) -> None:
    async with served(tmp_path, security_profile=1) as door:
        with pytest.raises(InvalidStatus) as refused:
            await door.station(additional_headers=headers)
        assert refused.value.response.status_code == 401
        assert refused.value.response.headers["WWW-Authenticate"] == 'Basic realm="laddvakt"'
        assert door.server.connected == frozenset()


async def test_password_may_be_any_bytes(tmp_path: Path) -> None:
    """A station's AuthorizationKey is 20 bytes of anything (OCPP-J 1.6 section 6.2)."""
    async with served(tmp_path, security_profile=1) as door:
        register(door.records, "SE-3", "å:\x01")
        async with door.station("SE-3", additional_headers=basic("SE-3", "å:\x01")) as link:
            assert (await ask(link, "Heartbeat", {}))[0] == 3


async def test_station_without_a_password_on_file_is_refused_under_profile_1(tmp_path: Path) -> None:
    async with served(tmp_path, security_profile=1) as door:
        register(door.records, "SE-3")
        with pytest.raises(InvalidStatus) as refused:
            await door.station("SE-3", additional_headers=basic("SE-3", ""))
        assert refused.value.response.status_code == 401


async def test_unknown_station_is_rejected_where_the_settings_say_so(tmp_path: Path) -> None:
    async with served(tmp_path, unknown_stations="reject") as door:
        with pytest.raises(InvalidStatus) as refused:
            await door.station("SE-9")
        assert refused.value.response.status_code == 404
        async with door.station("SE-1") as link:
            assert (await ask(link, "Heartbeat", {}))[0] == 3


async def test_unknown_station_waits_until_it_is_imported(tmp_path: Path) -> None:
    async with served(tmp_path, unknown_stations="pending") as door, door.station("SE-9") as link:
        assert (await ask(link, "BootNotification", BOOT))[2]["status"] == "Pending"
        assert (await ask(link, "Authorize", {"idTag": "T"}))[2] == "SecurityError"
        register(door.records, "SE-9")
        async with door.station("SE-10"):  # somebody unknown makes the collector look into the records
            await ask(link, "Heartbeat", {})
            assert (await ask(link, "BootNotification", BOOT))[2]["status"] == "Accepted"


async def test_unknown_station_is_accepted_where_the_settings_say_so(tmp_path: Path) -> None:
    async with served(tmp_path, unknown_stations="accept") as door, door.station("SE-9") as link:
        assert (await ask(link, "BootNotification", BOOT))[2]["status"] == "Accepted"


async def test_station_imported_a_moment_ago_is_let_in(tmp_path: Path) -> None:
    async with served(tmp_path, unknown_stations="reject") as door:
        register(door.records, "SE-9")
        async with door.station("SE-9") as link:
            assert (await ask(link, "BootNotification", BOOT))[2]["status"] == "Accepted"


# Connections come and go


async def test_link_is_logged_with_its_end_and_why(tmp_path: Path) -> None:
    async with served(tmp_path) as door:
        async with door.station() as link:
            await ask(link, "Heartbeat", {})
            await link.close(1000, "lunch")
        up, _, down = await door.entries(3)
        assert [up.kind, down.kind] == [KINDS.CONNECTED, KINDS.DISCONNECTED]
        assert isinstance(down.facts[0], LinkDown)
        assert down.facts[0].reason == "1000 lunch"
        assert door.server.connected == frozenset()


async def test_link_that_breaks_is_logged_as_lost(tmp_path: Path) -> None:
    async with served(tmp_path) as door:
        link = await door.station()
        link.transport.abort()
        down = (await door.entries(2))[1]
        assert isinstance(down.facts[0], LinkDown)
        assert down.facts[0].reason


async def test_newer_socket_wins_and_the_end_of_the_old_one_is_no_disconnect(tmp_path: Path) -> None:
    async with served(tmp_path) as door, door.station() as old:
        await ask(old, "Heartbeat", {})
        async with door.station() as new:
            assert await closing(old) == (1000, "replaced by a newer connection")
            assert (await ask(new, "Heartbeat", {}))[0] == 3
            assert door.server.connected == {"SE-1"}
            assert [entry.kind for entry in await door.entries(4)] == [
                KINDS.CONNECTED, KINDS.OCPP_IN, KINDS.CONNECTED, KINDS.OCPP_IN,
            ]  # fmt: skip


async def test_stop_says_goodbye_and_is_no_disconnect(tmp_path: Path) -> None:
    async with served(tmp_path) as door, door.station() as link:
        await ask(link, "Heartbeat", {})
        url = f"{door.url}/SE-1"
        await door.server.stop()
        assert (await closing(link))[0] == 1001
        with pytest.raises(OSError, match="Connect call failed"):
            await connect(url)
        assert [entry.kind for entry in await door.entries(2)] == [KINDS.CONNECTED, KINDS.OCPP_IN]


async def test_stop_answers_what_was_said(tmp_path: Path) -> None:
    async with served(tmp_path) as door, door.station() as link:
        await ask(link, "Heartbeat", {})
        with asleep(door.nats):
            await link.send(json.dumps([2, "last", "Heartbeat", {}]))
            await eventually(lambda: door.server._appender._leaving[0] or door.server._appender._leaving[1])
            stopping = asyncio.create_task(door.server.stop())
            await asyncio.sleep(0)
        assert (await answer(link))[1] == "last"
        assert (await closing(link))[0] == 1001
        await stopping


async def test_stop_says_goodbye_to_many_one_after_the_other(tmp_path: Path) -> None:
    async with served(tmp_path, unknown_stations="accept", drain_s=0.5) as door, AsyncExitStack() as stack:
        links = [await stack.enter_async_context(door.station(f"S{number}")) for number in range(100)]
        url = door.url
        stopping = asyncio.create_task(door.server.stop())
        await asyncio.wait([asyncio.create_task(closing(link)) for link in links], return_when=FIRST_COMPLETED)
        assert sum(link.state is State.OPEN for link in links) > 50
        with pytest.raises(OSError, match="Connect call failed"):
            await connect(f"{url}/LATE")
        assert {await closing(link) for link in links} == {(1001, "service restart")}
        await stopping


async def test_stop_does_not_wait_for_a_log_that_takes_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as door, door.station() as link:
        await ask(link, "Heartbeat", {})
        with asleep(door.nats):
            await link.send(json.dumps([2, "2", "Heartbeat", {}]))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(link.recv(), 0.3)
            await asyncio.wait_for(door.server.stop(), 8)


async def test_busy_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        listen = f"127.0.0.1:{holder.getsockname()[1]}"
        settings = OcppSettings(listen=listen)
        async with running_log(settings_for(tmp_path)) as log, served(tmp_path / "other") as door:
            server = StationServer(settings, Registry(door.records, settings, "key"), log.appender, utc_now)
            with pytest.raises(SettingsError, match=rf"{listen} \(ocpp\.listen\).*Stop what uses that port"):
                await server.start()


async def test_several_collectors_share_a_port(tmp_path: Path) -> None:
    settings = OcppSettings(listen=f"127.0.0.1:{free_port()}", processes=2, unknown_stations="accept")
    async with served(tmp_path / "other") as door:
        both = [
            StationServer(settings, Registry(door.records, settings, "key"), door.log.appender, utc_now)
            for _ in range(2)
        ]
        for server in both:
            await server.start()
        async with AsyncExitStack() as stack:
            number = 0
            while not all(server.connected for server in both):  # the system spreads them
                number += 1
                link = connect(f"ws://{settings.listen}/S{number}", subprotocols=OCPP16)
                assert (await ask(await stack.enter_async_context(link), "Heartbeat", {}))[0] == 3
            await both[0].stop()
            async with connect(f"ws://{settings.listen}/S{number}", subprotocols=OCPP16) as late:
                assert (await ask(late, "Heartbeat", {}))[0] == 3
        await both[1].stop()


# The conversation


async def test_reply_comes_only_when_the_log_has_the_message(tmp_path: Path) -> None:
    async with served(tmp_path) as door, door.station() as link:
        await ask(link, "Heartbeat", {})
        with asleep(door.nats):
            await link.send(json.dumps([2, "late", "BootNotification", BOOT]))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(link.recv(), 0.5)
        assert (await answer(link))[:2] == [3, "late"]
        last = (await door.entries(3))[-1]
        assert json.loads(last.raw)[1] == "late"
        assert json.loads(last.reply or "")[1] == "late"


async def test_calls_sent_without_waiting_are_answered_in_order(tmp_path: Path) -> None:
    async with served(tmp_path) as door, door.station() as link:
        for number in range(50):
            await link.send(json.dumps([2, str(number), "Heartbeat", {}]))
        assert [(await answer(link))[1] for _ in range(50)] == [str(number) for number in range(50)]


async def test_station_that_says_too_much_has_to_wait_and_loses_nothing(tmp_path: Path) -> None:
    async with served(tmp_path, messages_per_station=50) as door, door.station() as link:
        for number in range(530):  # 500 at once, then 50 a second
            await link.send(json.dumps([2, str(number), "Heartbeat", {}]))
        assert [(await answer(link))[1] for _ in range(530)] == [str(number) for number in range(530)]
        assert door.server.paced > 0


async def test_stations_do_not_wait_for_each_other(tmp_path: Path) -> None:
    async with served(tmp_path, unknown_stations="accept") as door:

        async def talk(number: int) -> list[Any]:
            async with door.station(f"S{number}") as link:
                return [(await ask(link, "Heartbeat", {}, str(n)))[1] for n in range(10)]

        answers = await asyncio.gather(*(talk(number) for number in range(20)))
        assert answers == [[str(n) for n in range(10)]] * 20


async def survives(door: Door) -> None:
    """The collector goes on serving."""
    async with door.station() as link:
        assert (await ask(link, "Heartbeat", {}))[0] == 3


async def test_frame_beyond_the_bound_closes_with_1009_and_the_collector_lives(tmp_path: Path) -> None:
    async with served(tmp_path, max_frame_bytes=2048) as door:
        async with door.station() as link:
            await link.send(json.dumps([2, "1", "DataTransfer", {"vendorId": "x", "data": "y" * 3000}]))
            assert (await closing(link))[0] == 1009
        await survives(door)


async def test_frame_at_the_bound_is_answered(tmp_path: Path) -> None:
    async with served(tmp_path, max_frame_bytes=2048) as door, door.station() as link:
        text = json.dumps([2, "1", "DataTransfer", {"vendorId": "x", "data": ""}])
        await link.send(text.replace('""', '"' + "y" * (2048 - len(text)) + '"'))
        assert (await answer(link))[0] == 3


async def test_binary_frame_is_read_as_text(tmp_path: Path) -> None:
    async with served(tmp_path) as door, door.station() as link:
        await link.send(json.dumps([2, "1", "Heartbeat", {}]).encode())
        assert (await answer(link))[0] == 3


async def test_fragmented_message_is_put_together(tmp_path: Path) -> None:
    async with served(tmp_path) as door, door.station() as link:
        await link.send(['[2,"1",', '"Heart', 'beat",{}]'])
        assert (await answer(link))[:2] == [3, "1"]
        assert (await door.entries(2))[1].raw == '[2,"1","Heartbeat",{}]'


async def test_broken_utf8_closes_with_1007_and_the_collector_lives(tmp_path: Path) -> None:
    async with served(tmp_path) as door:
        async with door.station() as link:
            frame = Frame(Opcode.TEXT, b'[2,"\xff","Heartbeat",{}]').serialize(mask=True)
            link.transport.write(frame)
            assert (await closing(link))[0] == 1007
        await survives(door)


async def test_broken_utf8_in_a_binary_frame_is_kept(tmp_path: Path) -> None:
    async with served(tmp_path) as door, door.station() as link:
        await link.send(b'[2,"1","Heartbeat",{"x":"\xff"}]')
        kept = (await door.entries(2))[1]
        assert "\\xff" in kept.raw
        assert isinstance(kept.facts[0], Quarantined)
        assert (await ask(link, "Heartbeat", {}, "2"))[1] == "2"


async def test_malformed_json_is_kept_and_the_talk_goes_on(tmp_path: Path) -> None:
    async with served(tmp_path) as door, door.station() as link:
        await link.send("[2, oops")
        assert (await ask(link, "Heartbeat", {}, "2"))[:2] == [3, "2"]
        kept = (await door.entries(2))[1]
        assert kept.raw == "[2, oops"
        assert [fact.reason for fact in kept.facts if isinstance(fact, Quarantined)] == [
            QuarantineReason.MALFORMED_FRAME
        ]


async def test_malformed_call_with_an_id_is_answered(tmp_path: Path) -> None:
    async with served(tmp_path) as door, door.station() as link:
        await link.send('[2,"7",5,{}]')
        assert (await answer(link))[:3] == [4, "7", "FormationViolation"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "[2]",
        "{}",
        '"x"',
        "[" * 10_000,
        '[2,"1","Authorize",{"idTag":"\\ud800"}]',
        '[2,"\\ud800","Heartbeat",{}]',
        '[2,"1","Authorize",{"idTag":"\\u0000"}]',
        '[2,"1","Heartbeat",{"x":' + "9" * 5000 + "}]",
        '[2,"1","Heartbeat",{"x":1e999}]',
    ],
    ids=lambda text: text[:20],
)
async def test_no_text_ends_the_conversation(tmp_path: Path, text: str) -> None:
    async with served(tmp_path) as door, door.station() as link:
        await link.send(text)
        await link.send(json.dumps([2, "after", "Heartbeat", {}]))
        while (reply := await answer(link))[1] != "after":
            assert reply[0] in (3, 4)
        assert (await door.entries(3))[1].raw == text


async def test_meter_values_of_the_greatest_length_are_answered(tmp_path: Path) -> None:
    """What is read out of a frame is longer than the frame; the log must still take it."""
    async with served(tmp_path) as door, door.station() as link:
        values = ",".join(['{"value":"1"}'] * 70_000)
        text = (
            '[2,"1","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-11-21T10:00:00Z",'
            f'"sampledValue":[{values}]}}]}}]'
        )
        await link.send(text)
        assert (await answer(link))[1] == "1"
        assert (await ask(link, "Heartbeat", {}, "2"))[1] == "2"
        assert (await door.entries(2))[1].raw == text


async def test_message_that_the_log_cannot_take_is_refused_and_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A NATS server of the operator's own may allow shorter messages than stations send."""
    monkeypatch.setattr("laddvakt.eventlog.server.MAX_PAYLOAD_BYTES", 64 * 1024)
    async with served(tmp_path) as door, door.station() as link:
        reply = await ask(link, "DataTransfer", {"vendorId": "x", "data": "y" * 100_000})
        assert reply[:3] == [4, "1", "InternalError"]
        assert "max_frame_bytes" in reply[3]
        assert (await ask(link, "Heartbeat", {}, "2"))[:2] == [3, "2"]
        kept = (await door.entries(3))[1]
        assert kept.raw.startswith('[2, "1", "DataTransfer"')
        assert [fact.reason for fact in kept.facts if isinstance(fact, Quarantined)] == [
            QuarantineReason.INTERNAL_ERROR
        ]


async def test_station_that_does_not_read_is_not_read_from_and_disturbs_nobody(tmp_path: Path) -> None:
    async with served(tmp_path, unknown_stations="accept") as door:
        deaf = await door.station("DEAF", max_queue=1)
        deaf.transport.pause_reading()
        long_answer = json.dumps([2, "1", "x" * 250, {}])  # it names the unknown action
        with pytest.raises(TimeoutError):  # memory is bounded: at some point the collector takes no more
            while True:
                await asyncio.wait_for(deaf.send(long_answer), 1)
        await survives(door)
        deaf.transport.abort()
