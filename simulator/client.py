"""A station's websocket: a thin loop around the state machine. It sleeps until something happens or is due."""

from __future__ import annotations

import asyncio
import base64
import logging
import random
from collections.abc import Callable
from urllib.parse import quote

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from simulator.station import Acknowledged, Output, Publish, Send, Station

logger = logging.getLogger(__name__)

_FIRST_BACK_OFF_S = 1.0
_LAST_BACK_OFF_S = 30.0
_OPEN_TIMEOUT_S = 15.0
_encoder = msgspec.json.Encoder()

Sink = Callable[[Station, Output], None]
"""Takes what is not for the websocket: MQTT messages and acknowledgements."""


class StationClient:
    """Runs one station against a central system for ever; cancel `run` to stop it."""

    def __init__(
        self,
        station: Station,
        url: str,
        *,
        now: Callable[[], float],
        sink: Sink,
        trouble: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self._station = station
        self._url = f"{url.rstrip('/')}/{quote(station.spec.station_id, safe='')}"
        self._now = now  # UTC seconds
        self._sink = sink
        self._trouble = trouble  # told why a connection could not be opened
        self._rng = random.Random()  # back-off must differ between stations, not repeat
        self._socket: ClientConnection | None = None
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self._timer: asyncio.TimerHandle | None = None
        self._wanted = asyncio.Event()

    async def run(self) -> None:
        """Connects, reconnects with jittered back-off, and stays away while the station's network is gone."""
        self._apply(self._station.tick(self._now()))
        back_off_s = _FIRST_BACK_OFF_S
        try:
            while True:
                await self._wanted.wait()
                if await self._converse():
                    back_off_s = _FIRST_BACK_OFF_S
                await asyncio.sleep(back_off_s * self._rng.uniform(0.5, 1.5))
                back_off_s = min(back_off_s * 2, _LAST_BACK_OFF_S)
        finally:
            if self._timer is not None:
                self._timer.cancel()

    async def _converse(self) -> bool:
        """One connection from open to close; whether it opened at all."""
        try:
            socket = await connect(
                self._url,
                subprotocols=[Subprotocol(self._station.spec.protocol)],
                additional_headers=self._credentials(),
                compression=None,
                proxy=None,
                open_timeout=_OPEN_TIMEOUT_S,
                close_timeout=2,
                ping_interval=60,
                ping_timeout=60,
            )
        except (OSError, WebSocketException, TimeoutError) as error:
            self._trouble(error)
            return False
        self._socket = socket
        self._outgoing = asyncio.Queue()
        writer = asyncio.create_task(self._write(socket, self._outgoing))
        try:
            self._apply(self._station.link_up(self._now()))
            async for text in socket:
                self._receive(text)
        except (OSError, WebSocketException) as error:
            logger.debug("%s lost its connection: %s", self._station.spec.station_id, error)
        finally:
            self._socket = None
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            self._apply(self._station.link_down(self._now()))
            await socket.close()
        return True

    def _credentials(self) -> dict[str, str]:
        spec = self._station.spec
        if spec.password is None:
            return {}
        pair = base64.b64encode(f"{spec.station_id}:{spec.password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    @staticmethod
    async def _write(socket: ClientConnection, outgoing: asyncio.Queue[str]) -> None:
        while True:
            text = await outgoing.get()
            try:
                await socket.send(text)
            except (OSError, WebSocketException):
                return  # the reader sees the same and ends the conversation

    def _receive(self, text: str | bytes) -> None:
        try:
            frame = msgspec.json.decode(text)
        except msgspec.DecodeError:
            logger.warning("%s was sent what is not JSON: %.80r", self._station.spec.station_id, text)
            return
        self._apply(self._station.received(frame, self._now()))

    def _apply(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Send(frame):
                    self._outgoing.put_nowait(_encoder.encode(frame).decode())
                case Publish() | Acknowledged():
                    self._sink(self._station, output)
        self._follow_link()
        self._set_timer()

    def _follow_link(self) -> None:
        if self._station.link_wanted:
            self._wanted.set()
            return
        self._wanted.clear()
        if self._socket is not None:
            self._socket.transport.abort()  # a cut cable says no goodbye

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        delay_s = self._station.next_at_s - self._now()
        if delay_s < float("inf"):
            self._timer = asyncio.get_running_loop().call_later(max(delay_s, 0.0), self._due)

    def _due(self) -> None:
        self._timer = None
        self._apply(self._station.tick(self._now()))
