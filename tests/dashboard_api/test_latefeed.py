"""A feed that comes later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from dashboard import latefeed
from dashboard.context import Feed, Handler
from dashboard.latefeed import LateFeed
from laddvakt.domain.errors import EventLogError


class _Feed:
    def __init__(self) -> None:
        self.connected = True
        self.handlers: list[Handler] = []
        self.callbacks: list[Callable[[], None]] = []

    async def publish(self, kind: str, data: bytes) -> None:
        for handler in self.handlers:
            handler(kind, data)

    async def subscribe(self, handler: Handler) -> Callable[[], None]:
        self.handlers.append(handler)
        return lambda: self.handlers.remove(handler)

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)


def test_before_there_is_a_feed_everything_is_harmless() -> None:
    async def main() -> None:
        feed = LateFeed()
        heard: list[str] = []
        unsubscribe = await feed.subscribe(lambda kind, _: heard.append(kind))
        await feed.publish("ticket", b"{}")
        assert not feed.connected
        waiting = unsubscribe()
        assert waiting is not None
        await waiting
        assert heard == []

    asyncio.run(main())


def test_once_connected_early_handlers_hear_and_are_told_to_reread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latefeed, "RETRY_S", 0.0)

    async def main() -> None:
        late, real = LateFeed(), _Feed()
        heard: list[str] = []
        reread: list[str] = []
        early = await late.subscribe(lambda kind, _: heard.append(f"early {kind}"))
        late.on_reconnect(lambda: reread.append("early"))
        failures = [EventLogError("away"), EventLogError("away")]

        async def connect() -> Feed:
            if failures:
                raise failures.pop()
            return real

        await late.keep_connecting(connect)
        assert late.connected
        assert reread == ["early"]
        await late.subscribe(lambda kind, _: heard.append(f"late {kind}"))
        late.on_reconnect(lambda: reread.append("late"))
        await late.publish("ticket", b"{}")
        assert heard == ["early ticket", "late ticket"]
        for callback in real.callbacks:
            callback()
        assert reread == ["early", "early", "late"]
        real.connected = False
        assert not late.connected
        waiting = early()
        assert waiting is not None
        await waiting
        assert len(real.handlers) == 1

    asyncio.run(main())
