"""`laddvakt replay`: a recorded message log through collector, recorder and detector, on virtual time."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from laddvakt.cli.context import Context
from laddvakt.domain.errors import LogLineError, SettingsError
from laddvakt.domain.times import parse_time
from laddvakt.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.recorder import Scribe
    from detector.service import ReplayDetector
    from laddvakt.domain.entries import Entry
    from laddvakt.domain.tickets import Ticket
    from laddvakt.stores.ports import Page, Records

_CHUNK = 500
_PAGE = 500
_TICK = timedelta(seconds=10)
_LONG_GAP = timedelta(hours=1)
_LONG_TICK = timedelta(minutes=1)
_SWEEP = timedelta(hours=1)


class Machine:
    """Recorder and detector on one virtual clock. Entries are recorded in groups; the detector is ticked through
    the time between them, as it would be live."""

    def __init__(self, scribe: Scribe, detector: ReplayDetector) -> None:
        self._scribe = scribe
        self._detector = detector
        self._waiting: list[Entry] = []
        self._swept: datetime | None = None
        self.now: datetime | None = None

    def advance(self, to: datetime) -> None:
        """Virtual time passes. It never goes back: a log that steps back is read at the time reached."""
        if self.now is None:
            self.now = to
        while self.now + _TICK <= to:
            self.now += _LONG_TICK if to - self.now > _LONG_GAP else _TICK
            self._detector.tick(self.now)
            self._sweep(self.now)
        self.now = max(self.now, to)

    def apply(self, entries: list[Entry]) -> None:
        if not entries or self.now is None:
            return
        self._detector.apply(entries, self.now)
        self._waiting += entries
        if len(self._waiting) >= _CHUNK:
            self._flush()

    def _sweep(self, now: datetime) -> None:
        """Sessions that fell silent are closed, as live."""
        self._swept = self._swept or now
        if now - self._swept >= _SWEEP:
            self._flush()
            self._scribe.sweep(now)
            self._swept = now

    def finish(self) -> None:
        self._flush()
        if self.now is not None:
            self._detector.tick(self.now)
            self._detector.finish(self.now)

    def _flush(self) -> None:
        if self._waiting:
            self._scribe.apply(self._waiting)
            self._waiting = []


def _all_pages(fetch: Any) -> Iterator[Any]:
    after = None
    while True:
        page: Page[Any] = fetch(after=after, limit=_PAGE)
        yield from page.items
        if page.next is None:
            return
        after = page.next


def results(records: Records, settings: Settings) -> dict[str, Any]:
    """OUT.json's content: objects as in the API, in an order that does not depend on the run."""
    from dashboard.api.revenue import revenue_object

    with records.read() as work:
        sessions = sorted(_all_pages(work.sessions.page), key=lambda s: (s.started_at, s.station_id, s.session_id))
        tickets = sorted(_all_pages(work.tickets.page), key=lambda t: (t.opened_at, t.ticket_id))
        quarantine = sorted(_all_pages(work.quarantine.page), key=lambda q: (q.received_at, q.item_id))
        revenue = work.sessions.revenue(
            group_by="station", interval="day", from_=None, to=None, timezone=settings.timezone
        )
        return {
            "stations": work.stations.all(),
            "sessions": sessions,
            "tickets": tickets,
            "quarantine": quarantine,
            "revenue": [revenue_object(row) for row in revenue],
        }


def run_replay(
    log: Path, network: Path | None, until: datetime | None, settings: Settings
) -> tuple[dict[str, Any], list[str], list[LogLineError]]:
    """Results, summary lines for people, and the lines that could not be read."""
    from collector.mqtt.mapping_file import load_mappings
    from collector.recorder import Scribe
    from collector.replay import ReplayCollector
    from collector.replaylog import RecordedAnswers, read_lines
    from detector.service import ReplayDetector
    from laddvakt.stores.sql.engine import open_records

    fresh = settings.model_copy(update={"records": settings.records.model_copy(update={"url": "sqlite://"})})
    mappings = load_mappings(settings.mqtt.mappings)
    key = settings.privacy.key or "replay"  # the same pseudonyms in every run
    records = open_records(fresh)
    try:
        records.migrate()
        if network is not None:
            _import(network, records, key, log)
        collector = ReplayCollector(RecordedAnswers.scan(log), mappings)
        machine = Machine(Scribe(records, key, settings.sessions), ReplayDetector(fresh, records))
        bad: list[LogLineError] = []
        for number, line in read_lines(log):
            if isinstance(line, LogLineError):
                bad.append(line)
                continue
            if until is not None and line.received_at > until:
                break
            machine.advance(line.received_at)
            machine.apply(collector.entries_of(number, line))
        if until is not None:
            machine.advance(until)
        machine.finish()
        return results(records, fresh), collector.summary(), bad
    finally:
        records.close()


def _backtest(
    tickets: list[Ticket], log: Path, network: Path | None, until: datetime | None, other: Path
) -> tuple[dict[str, Any], list[str]]:
    """The same log once more, with other settings: the comparison for the file, and for people."""
    from detector.backtest import compare, counts, in_lines
    from laddvakt.settings import load_settings

    content, _, _ = run_replay(log, network, until, load_settings(other))
    compared = compare(tickets, content["tickets"])
    return {"settings": other.name, "counts": counts(compared), "tickets": compared}, in_lines(compared)


def _import(network: Path, records: Records, key: str, log: Path) -> None:
    """The network as it was when the log began: tariffs and assignments are valid from then."""
    from collector.replaylog import LogLine, read_lines
    from laddvakt.clock import utc_now
    from laddvakt.network import apply_network, read_network

    first = next((line.received_at for _, line in read_lines(log) if isinstance(line, LogLine)), utc_now())
    apply_network(read_network(network), records, privacy_key=key, now=first)


@click.command(name="replay")
@click.argument("log", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--network", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Network file to use."
)
@click.option("--until", "until_text", metavar="TIME", help="Virtual time to stop at (RFC 3339).")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Where results go (JSON)."
)
@click.option(
    "--compare",
    "other",
    metavar="OTHER.toml",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Backtest: which tickets would have come and gone with these settings instead.",
)
@click.pass_obj
def command(
    context: Context, log: Path, network: Path | None, until_text: str | None, out: Path, other: Path | None
) -> None:
    """Run LOG (JSON Lines, plain or .gz) through the whole system on virtual time, in a fresh store."""
    until = parse_time(until_text) if until_text else None
    if until_text and until is None:
        raise click.BadParameter(f"{until_text!r} is not an RFC 3339 time", param_hint="--until")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    content, summary, bad = run_replay(log, network, until, context.settings())
    if other is not None:
        content["comparison"], compared = _backtest(content["tickets"], log, network, until, other)
        summary += compared
    try:
        out.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    except OSError as error:
        raise SettingsError(f"cannot write {out}: {error.strerror}.", mend="Choose another --out.") from error
    for line in summary:
        click.echo(line)
    sessions = content["sessions"]
    ended = sum(session.state == "ended" for session in sessions)
    energy = sum(session.energy_wh for session in sessions) / 1000
    click.echo(
        f"{len(content['stations'])} stations, {len(sessions)} sessions ({ended} ended, {energy:.3f} kWh), "
        f"{len(content['tickets'])} tickets, {len(content['quarantine'])} set aside -> {out}"
    )
    for problem in bad:
        click.echo(f"laddvakt: {log}: {problem}; skipped", err=True)
    if bad:
        raise SystemExit(1)
