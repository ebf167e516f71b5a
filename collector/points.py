"""Facts to telemetry points. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime

from laddvakt.domain.entries import Entry
from laddvakt.domain.facts import Measured, TransactionReported, TransactionStarted, TransactionStopped
from laddvakt.stores.ports import Point

Transaction = tuple[str, str]  # station and transaction id


class PointMaker:
    """Remembers which connector a transaction runs on, for transactionData that does not say. Bounded."""

    _MOST = 100_000

    def __init__(self) -> None:
        self._connector: dict[Transaction, int] = {}

    def unknown(self, entries: Iterable[Entry]) -> set[Transaction]:
        """Transactions whose connector the entries need and neither they nor we know: begun before a restart."""
        begun, needed = set[Transaction](), set[Transaction]()
        for entry in entries:
            for fact in entry.facts:
                if isinstance(fact, TransactionStarted | TransactionReported) and fact.connector_id:
                    begun.add((entry.station_id, fact.transaction_id))
                elif isinstance(fact, Measured) and not fact.connector_id and fact.transaction_id is not None:
                    needed.add((entry.station_id, fact.transaction_id))
        return needed - begun - self._connector.keys()

    def learn(self, connectors: Mapping[Transaction, int]) -> None:
        """What somebody else knew."""
        for transaction, connector_id in connectors.items():
            self._keep(transaction, connector_id)

    def points(self, entries: Iterable[Entry]) -> list[Point]:
        """One point per series and moment, in order; values that are not finite never get this far."""
        made: dict[tuple[str, int, str, datetime], dict[str, float]] = {}
        for entry in entries:
            for fact in entry.facts:
                if isinstance(fact, TransactionStarted | TransactionReported):
                    self._remember(entry.station_id, fact)
                elif isinstance(fact, Measured):
                    self._measured(entry.station_id, fact, made)
                elif isinstance(fact, TransactionStopped):  # what comes after it is looked up again
                    self._connector.pop((entry.station_id, fact.transaction_id), None)
        return [
            Point(station_id=station, connector_id=connector, source=source, at=at, values=values)
            for (station, connector, source, at), values in made.items()
        ]

    def _remember(self, station_id: str, fact: TransactionStarted | TransactionReported) -> None:
        if not fact.connector_id:
            return  # it does not say: what was known stands
        self._keep((station_id, fact.transaction_id), fact.connector_id)

    def _keep(self, transaction: Transaction, connector_id: int) -> None:
        if len(self._connector) >= self._MOST:
            self._connector.pop(next(iter(self._connector)))
        self._connector[transaction] = connector_id

    def _measured(
        self, station_id: str, fact: Measured, made: dict[tuple[str, int, str, datetime], dict[str, float]]
    ) -> None:
        connector = fact.connector_id
        if not connector and fact.transaction_id is not None:
            connector = self._connector.get((station_id, fact.transaction_id), 0)
        for reading in fact.readings:
            if math.isfinite(reading.value):
                key = (station_id, connector, fact.source, reading.at)
                # Where one moment has a field twice, the outlet's is kept and not the vehicle's, and the value of
                # now, not that of the transaction's begin, which some stations repeat with each sample.
                values = made.setdefault(key, {})
                own = reading.location in ("", "Outlet") and reading.context != "Transaction.Begin"
                if own or reading.field not in values:
                    values[reading.field] = reading.value
