"""`laddvakt evaluate`: the labelled benchmark of detection."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from laddvakt.cli.context import Context
from laddvakt.domain.errors import SettingsError
from laddvakt.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from detector.evaluation.alone import Blind
    from detector.evaluation.fates import Fate, Needless
    from detector.evaluation.figures import Score
    from detector.evaluation.matching import Matched
    from laddvakt.cli.trial import Outcome
    from simulator.world import LogOptions

FIRST_SEED = 1027
"""Seeds from 1001 on are for figures that are published; who tunes takes 1 to 99. Once somebody looked at what was
missed in one, the next figures need others: 1001 to 1026 are spent."""

HEALTHY = 0.2
"""The share of its days in which a fleet has no faults yet: what is normal must be seen before."""

ALIKE = 0.5
"""The share of the days that a fleet lives in which nothing is at fault: what looks like a fault lasts hours."""

_VERSIONS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What every seed runs."""

    stations: int
    days: float
    each: int  # faults of each kind
    only: tuple[str, ...]  # codes of faults and look-alikes; empty: all
    explain: bool
    ablate: bool  # also measure rules alone, and every way to do without them


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a process tells of its seed."""

    score: Score
    alike: Score | None  # of the fleet in which nothing is at fault
    rules_alone: Score
    ways: dict[str, Score]  # without rules
    fates: list[Fate]
    needless: list[Needless]
    taken_in: list[Needless]  # false tickets where nothing is at fault
    messages: int
    cost_s: dict[str, float]


def run_seed(seed: int, plan: Plan, settings: Settings) -> Report:
    """One seed, in this process: a fleet with faults, and another with look-alikes only."""
    from detector.evaluation.fates import fates, needless
    from detector.evaluation.figures import score
    from detector.evaluation.matching import FOREST, match
    from laddvakt.cli.trial import run_trial

    done = run_trial(_options(seed, plan), settings, explain=plan.explain, gather=plan.ablate)
    matched = match(done.truth, done.alarms, done.site_of)
    ways, blind = _ways(done, settings) if plan.ablate else ({}, {})
    alike, taken_in = _alike(seed, plan, settings)
    named = match(done.truth, [alarm for alarm in done.alarms if alarm.fault != FOREST], done.site_of)
    mine = score(done.truth, matched, connectors=done.connectors)
    return Report(
        score=mine if alike is None else msgspec.structs.replace(mine, look_alikes=alike.look_alikes),
        alike=alike,
        rules_alone=score(done.truth, named, connectors=done.connectors),
        ways={name: score(done.truth, found, connectors=done.connectors) for name, found in ways.items()},
        fates=list(fates(done.truth, matched, done.opportunities(), done.ear.words, ways, blind)),
        needless=list(needless(done.truth, matched, done.site_of)),
        taken_in=taken_in,
        messages=done.messages,
        cost_s=done.cost_s,
    )


def _alike(seed: int, plan: Plan, settings: Settings) -> tuple[Score | None, list[Needless]]:
    """The fleet in which nothing is at fault, and its tickets. None where no look-alike is wanted."""
    from detector.evaluation.fates import needless
    from detector.evaluation.figures import score
    from detector.evaluation.matching import match
    from laddvakt.cli.trial import run_trial

    options = _look_alikes(seed, plan)
    if not options.likes:
        return None, []
    done = run_trial(options, settings)
    matched = match(done.truth, done.alarms, done.site_of)
    tickets = list(needless(done.truth, matched, done.site_of))
    return score(done.truth, matched, connectors=done.connectors), tickets


def _ways(done: Outcome, settings: Settings) -> tuple[dict[str, Matched], dict[int, Blind]]:
    """The same seed judged by each way that needs no rules; and why the one that runs did not find each fault."""
    from detector.evaluation.alone import blindness
    from detector.evaluation.bench import RUNS, WAYS, tell
    from detector.evaluation.matching import match

    first = done.truth.from_ + HEALTHY * (done.truth.until - done.truth.from_)
    budget, found = settings.detector.false_tickets_per_connector_day, {}
    blind: dict[int, Blind] = {}
    for name, way in WAYS.items():
        began = time.process_time()
        told = tell(done.rows, done.stations, way, budget=budget, first=first)
        found[name] = match(done.truth, told.alarms, done.site_of)
        if name == RUNS:
            blind = blindness(done.truth, found[name], done.opportunities(), told.sessions)
        done.cost_s[name] = time.process_time() - began
    return found, blind


def _options(seed: int, plan: Plan) -> LogOptions:
    """A fleet with `each` faults of every kind, after a while in which it is healthy."""
    from simulator.faults import KINDS
    from simulator.faults.schedule import lay_faults
    from simulator.spec import make_specs, speaking, with_devices
    from simulator.world import LogOptions

    options = LogOptions(stations=plan.stations, seed=seed, days=plan.days, protocols=_VERSIONS)
    specs = speaking(make_specs(plan.stations), _VERSIONS)
    codes = [code for code in KINDS if code in plan.only or not plan.only]
    plans = lay_faults(
        with_devices(specs, options.mqtt_share, seed),
        seed=seed,
        codes=codes,
        count=plan.each * len(codes),
        from_s=options.start_s + HEALTHY * plan.days * 86_400,
        until_s=options.until_s,
    )
    return msgspec.structs.replace(options, plans=plans)


def _look_alikes(seed: int, plan: Plan) -> LogOptions:
    """A fleet with `each` look-alikes of every kind and no fault."""
    from simulator.lookalikes import LOOK_ALIKES
    from simulator.lookalikes.schedule import lay_look_alikes
    from simulator.spec import make_specs, speaking, with_devices
    from simulator.world import LogOptions

    days = ALIKE * plan.days
    options = LogOptions(stations=plan.stations, seed=seed, days=days, protocols=_VERSIONS, plans=())
    specs = speaking(make_specs(plan.stations), _VERSIONS)
    likes = lay_look_alikes(
        with_devices(specs, options.mqtt_share, seed),
        seed=seed,
        codes=[code for code in LOOK_ALIKES if code in plan.only or not plan.only],
        each=plan.each,
        start_s=options.start_s,
        from_s=options.start_s + HEALTHY * days * 86_400,
        until_s=options.until_s,
    )
    return msgspec.structs.replace(options, likes=likes)


def _reports(seeds: Sequence[int], plan: Plan, settings: Settings, processes: int) -> Iterator[Report]:
    from laddvakt.memory import collect_rarely

    work = partial(run_seed, plan=plan, settings=settings)
    if processes == 1:
        collect_rarely()
        yield from map(work, seeds)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn, initializer=collect_rarely) as pool:
        yield from pool.map(work, seeds)


@click.command(name="evaluate")
@click.option("--seeds", type=click.IntRange(1, 1000), help="How many fleets. [default: 10; quick: 1]")
@click.option(
    "--first-seed",
    type=int,
    default=FIRST_SEED,
    show_default=True,
    help="Of the first fleet. Tune on 1 to 99 only: from 1001 on are the published figures.",
)
@click.option("--stations", type=click.IntRange(2, 10_000), help="Of each fleet. [default: 20; quick: 12]")
@click.option("--days", type=click.FloatRange(0.1, 400), help="That each fleet lives. [default: 21; quick: 2]")
@click.option("--each", type=click.IntRange(0, 1000), help="Faults and look-alikes of each kind. [default: 1]")
@click.option("--only", metavar="CODE,...", default="", help="Only these faults and look-alikes.")
@click.option("--explain", is_flag=True, help="Print each miss and each false ticket.")
@click.option("--ablate", is_flag=True, help="Measure rules alone as well, and other ways that need no rules.")
@click.option("--quick", is_flag=True, help="A small run that only shows that everything works.")
@click.option("--processes", type=click.IntRange(1, 256), help="At the same time. [default: one per core]")
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.pass_obj
def command(
    context: Context,
    seeds: int | None,
    first_seed: int,
    stations: int | None,
    days: float | None,
    each: int | None,
    only: str,
    explain: bool,
    ablate: bool,
    quick: bool,
    processes: int | None,
    out: Path | None,
) -> None:
    """Measure detection on simulated fleets whose faults are known.

    Each seed is a fleet with its own drivers and faults, and a second one in which nothing is at fault and
    look-alikes are laid. Detection runs with the settings in force.
    """
    from detector.evaluation.text import ablation, summary, table
    from detector.rules import RULES

    plan = Plan(
        stations=stations or (12 if quick else 20),
        days=days or (2 if quick else 21),
        each=1 if each is None else each,
        only=_codes(only),
        explain=explain,
        ablate=ablate,
    )
    wanted = range(first_seed, first_seed + (seeds or (1 if quick else 10)))
    settings = context.settings()
    settings = settings.model_copy(update={"records": settings.records.model_copy(update={"url": "sqlite://"})})
    cores = min(processes or os.cpu_count() or 1, len(wanted))
    began = time.monotonic()
    reports: list[Report] = []
    ruled = {rule.code for rule in RULES}
    content: dict[str, Any] = {}
    for seed, report in zip(wanted, _reports(wanted, plan, settings, cores), strict=True):
        reports.append(report)
        if explain:
            for line in _explained(report):
                click.echo(f"{seed}: {line}")
        click.echo(_progress(seed, report, time.monotonic() - began), err=True)
        content = _figures(reports, plan, ruled)
        if out is not None:
            _write(out, content)  # whoever stops a long run has the figures of the seeds that are done
    for line in (*table(content["result"]), "", *summary(content["result"])):
        click.echo(line)
    if content["nothing_at_fault"]:
        click.echo(f"In the fleets where nothing is at fault: {summary(content['nothing_at_fault'])[0]}")
    if ablate:
        for line in ablation(content["result"], content["rules_alone"], content["ways"]):
            click.echo(line)


def _explained(report: Report) -> Iterator[str]:
    """Each miss and each false ticket in a line."""
    from detector.evaluation.text import false_ticket, missed

    yield from (missed(fate) for fate in report.fates if fate.ticket is None)
    yield from map(false_ticket, report.needless)
    yield from (f"nothing at fault: {false_ticket(one)}" for one in report.taken_in)


def _figures(reports: Sequence[Report], plan: Plan, ruled: set[str]) -> dict[str, Any]:
    """What is written: the figures of the seeds that are done."""
    from detector.evaluation.figures import result

    alike = [report.alike for report in reports if report.alike is not None]
    content: dict[str, Any] = {
        "plan": plan,
        "result": result([report.score for report in reports], ruled=ruled),
        "nothing_at_fault": result(alike, ruled=ruled) if alike else None,
        "faults": [fate for report in reports for fate in report.fates],
        "needless": [one for report in reports for one in report.needless],
        "taken_in": [one for report in reports for one in report.taken_in],
    }
    if plan.ablate:
        content["rules_alone"] = result([report.rules_alone for report in reports], ruled=ruled)
        content["ways"] = {
            name: result([report.ways[name] for report in reports], ruled=ruled) for name in reports[0].ways
        }
    return content


def _codes(only: str) -> tuple[str, ...]:
    from simulator.faults import KINDS
    from simulator.lookalikes import LOOK_ALIKES

    known = {*KINDS, *LOOK_ALIKES}
    codes = tuple(code.strip() for code in only.split(",") if code.strip())
    for code in codes:
        if code not in known:
            raise click.BadParameter(f"{code} is none of {', '.join(sorted(known))}", param_hint="--only")
    return codes


def _progress(seed: int, report: Report, elapsed_s: float) -> str:
    each = ", ".join(
        f"{stage} {1e6 * seconds / max(report.messages, 1):.0f}" for stage, seconds in report.cost_s.items()
    )
    total = report.score.total
    return (
        f"seed {seed}: {total.found} of {total.faults} found, {total.false} false; {report.messages} messages, "
        f"{each} us each; {elapsed_s:.0f} s since the start"
    )


def _write(out: Path, content: Any) -> None:
    try:
        out.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    except OSError as error:
        raise SettingsError(f"cannot write {out}: {error.strerror}.", mend="Choose another --json.") from error
