"""A real websocket server on loopback that speaks for a central system; it can fall silent or away."""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol


class Csms:
    """`async with Csms() as csms:`; stations connect to `csms.url`. `calls` has (station, frame)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[Any]]] = []
        self.links: list[tuple[str, ServerConnection]] = []
        self.headers: dict[str, str | None] = {}
        self.silent = False
        self._port = 0
        self._server: Server | None = None
        self._transactions = itertools.count(1)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Csms:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens; at the same port as before after a stop."""
        self._server = await serve(
            self._talk, "127.0.0.1", self._port, subprotocols=[Subprotocol("ocpp1.6")], close_timeout=1
        )
        self._port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def drop(self) -> None:
        """Cuts every link without a goodbye."""
        for _, link in self.links:
            link.transport.abort()

    def actions(self, station_id: str | None = None) -> list[str]:
        return [frame[2] for station, frame in self.calls if station_id in (None, station)]

    async def _talk(self, link: ServerConnection) -> None:
        assert link.request is not None
        station_id = link.request.path.rsplit("/", 1)[-1]
        self.links.append((station_id, link))
        self.headers[station_id] = link.request.headers.get("Authorization")
        with suppress(ConnectionClosed):
            async for text in link:
                frame = json.loads(text)
                self.calls.append((station_id, frame))
                if frame[0] == 2 and not self.silent:
                    await link.send(json.dumps([3, frame[1], self._reply(frame[2])]))

    def _reply(self, action: str) -> dict[str, Any]:
        match action:
            case "BootNotification":
                return {"status": "Accepted", "interval": 300, "currentTime": "2026-11-21T10:00:00Z"}
            case "StartTransaction":
                return {"transactionId": next(self._transactions), "idTagInfo": {"status": "Accepted"}}
            case "Authorize":
                return {"idTagInfo": {"status": "Accepted"}}
        return {}
