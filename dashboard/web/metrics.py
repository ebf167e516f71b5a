"""What Prometheus is told. Labels are bounded: routes by their template, states and severities by their enums."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from time import perf_counter

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.context import AppContext
from laddvakt.domain.errors import StoreError
from laddvakt.domain.stations import StationState
from laddvakt.domain.tickets import Severity

logger = logging.getLogger(__name__)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SERVICES = ("collector", "tap", "recorder", "detector")
_OF_PROCESS = ("service", "process")
_BUCKETS_S = (0.005, 0.025, 0.1, 0.5, 2.5)
_GONE_AFTER = timedelta(minutes=10)
_COUNTS_FRESH_FOR = timedelta(seconds=5)


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """What a service says of itself on the live feed once a second or two."""

    service: str
    process: str = ""  # which, where several run
    at: datetime
    lag_s: float = 0.0
    refused: dict[str, int] = {}  # of a collector: stations that were not let in, by reason
    paced: int = 0  # of a collector: how often a station that said too much had to wait
    connected: int = 0  # stations
    not_observed: int = 0  # of the tap: messages that it forwarded without keeping them
    unreachable: int = 0  # of the tap: attempts to reach the central system, in vain


class Pulses:
    """The latest pulse of each process of each service. `take` is the handler for the live feed."""

    def __init__(self) -> None:
        self.latest: dict[str, Pulse] = {}

    def take(self, kind: str, data: bytes) -> None:
        if kind != "pulse":
            return
        try:
            pulse = msgspec.json.decode(data, type=Pulse)
        except msgspec.DecodeError as error:
            logger.warning("unreadable pulse: %s", error)
            return
        if pulse.service in _SERVICES:
            self._forget(pulse)
            self.latest[pulse.process or pulse.service] = pulse

    def _forget(self, fresh: Pulse) -> None:
        """Of several processes, those that are silent for long are no more, and nobody is to be alarmed."""
        silent = [
            name
            for name, pulse in self.latest.items()
            if pulse.service == fresh.service and fresh.at - pulse.at > _GONE_AFTER
        ]
        for name in silent:
            del self.latest[name]


class RequestMetrics:
    """Outermost ASGI middleware: counts requests and how long they took, by route and status."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        self._requests = Counter(
            "laddvakt_http_requests", "HTTP requests.", ("method", "route", "status"), registry=registry
        )
        self._seconds = Histogram(
            "laddvakt_http_request_seconds",
            "Time to answer HTTP requests.",
            ("route",),
            registry=registry,
            buckets=_BUCKETS_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        began = perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            route = _template(scope)
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._requests.labels(method, route, str(status)).inc()
            self._seconds.labels(route).observe(perf_counter() - began)


def _template(scope: Scope) -> str:
    """The route's template, never the path as asked for: strangers must not make new series."""
    return str(getattr(scope.get("route"), "path", "")) or "none"


class _State(Collector):
    """Gauges that are read when Prometheus asks."""

    def __init__(self, context: AppContext, pulses: Pulses) -> None:
        self._context = context
        self._pulses = pulses
        self._counts: tuple[datetime, Tally[str], Tally[str]] | None = None

    def describe(self) -> Iterator[Metric]:
        return iter(())  # nothing may touch the records at registration

    def collect(self) -> Iterator[Metric]:
        reachable = True
        try:
            stations, tickets = self._read()
        except StoreError as error:
            logger.warning("metrics without records: %s", error)
            reachable = False
        yield GaugeMetricFamily("laddvakt_records_up", "1 when the records can be read.", value=reachable)
        if reachable:
            yield _family("laddvakt_stations", "Stations by state.", "state", StationState, stations)
            yield _family("laddvakt_tickets_unsettled", "Open tickets.", "severity", Severity, tickets)
        yield from self._feed()

    def _read(self) -> tuple[Tally[str], Tally[str]]:
        now = self._context.clock()
        if self._counts is None or now - self._counts[0] >= _COUNTS_FRESH_FOR:
            with self._context.records.read() as work:
                stations = Tally(station.state.value for station in work.stations.all())
                tickets = Tally(ticket.severity.value for ticket in work.tickets.unsettled())
            self._counts = (now, stations, tickets)
        return self._counts[1], self._counts[2]

    def _feed(self) -> Iterator[Metric]:
        feed = self._context.feed
        connected = feed is not None and feed.connected
        yield GaugeMetricFamily("laddvakt_feed_connected", "1 when the live feed is up.", value=connected)
        lag = GaugeMetricFamily(
            "laddvakt_feed_lag_seconds", "How far a service is behind, as it says.", labels=_OF_PROCESS
        )
        age = GaugeMetricFamily(
            "laddvakt_feed_pulse_age_seconds", "Time since a service last spoke.", labels=_OF_PROCESS
        )
        refused = CounterMetricFamily(
            "laddvakt_stations_refused", "Stations that were not let in.", labels=("process", "reason")
        )
        paced = CounterMetricFamily(
            "laddvakt_stations_paced", "Messages after which a station had to wait.", labels=("process",)
        )
        now = self._context.clock()
        for process, pulse in sorted(self._pulses.latest.items()):
            for reason, count in sorted(pulse.refused.items()):
                refused.add_metric((process, reason), count)
            if pulse.service == "collector":
                paced.add_metric((process,), pulse.paced)
            lag.add_metric((pulse.service, process), pulse.lag_s)
            age.add_metric((pulse.service, process), max((now - pulse.at).total_seconds(), 0.0))
        yield from (lag, age, refused, paced)
        yield from self._tap()

    def _tap(self) -> Iterator[Metric]:
        """Where there is one: whether it observes what it forwards, and reaches where it forwards to."""
        pulse = self._pulses.latest.get("tap")
        if pulse is None:
            return
        yield GaugeMetricFamily("laddvakt_tap_connected", "Stations connected through it.", value=pulse.connected)
        yield CounterMetricFamily(
            "laddvakt_tap_not_observed", "Messages forwarded without being kept.", value=pulse.not_observed
        )
        yield CounterMetricFamily(
            "laddvakt_tap_unreachable", "Attempts to reach the central system in vain.", value=pulse.unreachable
        )


def _family(
    name: str, text: str, label: str, values: type[StationState] | type[Severity], counts: Tally[str]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for value in values:
        family.add_metric((value.value,), counts[value.value])
    return family


def make_registry(context: AppContext, pulses: Pulses) -> CollectorRegistry:
    """A registry of its own for each application: nothing global."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(_State(context, pulses))
    return registry


async def listen(context: AppContext, pulses: Pulses) -> Callable[[], Awaitable[None]]:
    """Follows the live feed; returns how to stop."""
    if context.feed is None:
        return _nothing
    unsubscribe = await context.feed.subscribe(pulses.take)

    async def stop() -> None:
        waiting = unsubscribe()
        if waiting is not None:
            await asyncio.ensure_future(waiting)

    return stop


async def _nothing() -> None:
    return None
