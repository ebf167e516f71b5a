"""The measured part of docs/reference/detection.md, and its pictures, from the JSON of `laddvakt evaluate`."""

from __future__ import annotations

import json
import math
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from detector.evaluation.classes import GRADINGS, NOT_IN_READINGS
from detector.evaluation.text import span
from scripts.dot_plot import Mark, picture

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "docs" / "reference" / "detection.json"
CAUSES = ROOT / "docs" / "reference" / "detection-causes.toml"
IMAGES = ROOT / "docs" / "images"

FORESTS = "isolation forest and tails"
"""The way without rules that runs."""


def measured() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(MEASURED.read_text("utf-8"))
    return content


def causes() -> dict[str, dict[str, str]]:
    """What people found to lie behind each miss, late and false ticket: section -> `key` -> words."""
    return tomllib.loads(CAUSES.read_text("utf-8"))


def key(one: dict[str, Any]) -> str:
    """Of a fault or a ticket: seed, code, and the asset that it befell or was laid to."""
    return f"{one['seed']} {one.get('fault') or one['code']} {one['id']}"


def examined(content: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What needs a cause, by section of the causes' file."""
    faults = content.get("faults", [])
    return {
        "missed": [one for one in faults if not one.get("ticket")],
        "late": [one for one in faults if (one.get("beyond_s") or 0) > _LATE_S],
        "false": content.get("needless", []),
        "look_alikes": content.get("taken_in", []),
    }


# Pictures


_SHARES = tuple((tenth / 10, f"{tenth / 10:.1f}") for tenth in range(0, 11, 2))
_TIMES = ((1.0, "1 s"), (60.0, "1 min"), (3600.0, "1 h"), (86_400.0, "1 d"), (864_000.0, "10 d"))


def _log(seconds: float) -> float:
    """A second to ten days, over one axis."""
    return math.log10(max(seconds, 1.0)) / math.log10(864_000.0)


def pictures(content: dict[str, Any]) -> dict[str, str]:
    """File name -> SVG."""
    classes = {name: figures for name, figures in content["result"]["classes"].items() if figures["faults"]}
    recall, times, strengths = [], [], []
    for name, figures in sorted(classes.items(), key=lambda item: (-(item[1]["recall"] or 0), item[0])):
        value = figures["recall"]
        low, high = figures.get("recall_interval") or (value, value)
        recall.append(Mark(name, (value,), low, high, f"n={figures['faults']}"))
        if figures.get("time_to_detect_p50_s") is not None:
            p50, p95 = _log(figures["time_to_detect_p50_s"]), _log(figures["time_to_detect_p95_s"])
            times.append(Mark(name, (p50,), p50, p95))
        levels = figures["recall_by_strength"]
        if len(levels) > 1:
            found = tuple(levels[level][0] for level in ("weak", "middle", "strong") if level in levels)
            strengths.append(Mark(name, found, min(found), max(found)))
    ticks = tuple((_log(seconds), words) for seconds, words in _TIMES)
    found = {
        "detection-recall.svg": picture("Recall by class, with 95 % intervals", recall, ticks=_SHARES, goal=0.98),
        "detection-times.svg": picture(
            "Time to detect: median, and up to the 95th percentile", times, ticks=ticks
        ),
        "detection-strength.svg": picture(
            "Recall of weak (pale), middle and strong faults", strengths, ticks=_SHARES
        ),
    }
    if content.get("ways"):
        found["detection-forests.svg"] = picture(
            "Found without rules, of faults that readings show (right: false tickets a connector-day)",
            _ways(content),
            ticks=_SHARES,
            goal=0.6,
        )
    return found


def _ways(content: dict[str, Any]) -> list[Mark]:
    marks = []
    for name, way in content["ways"].items():
        value = _in_readings(way) or 0.0
        marks.append(Mark(name, (value,), value, value, f"{way['false_tickets_per_connector_day']:.4f}"))
    return marks


# Words


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def part() -> str:
    """What was measured, as Markdown."""
    content = measured()
    result, plan = content["result"], content["plan"]
    seeds, overall = result["seeds"], result["overall"]
    text = (
        f"\nMeasured on seeds {seeds[0]} to {seeds[-1]}: {len(seeds)} fleets of {plan['stations']} stations, "
        f"{plan['days']:g} days each, {result['connector_days']:.0f} connector-days, {overall['faults']} "
        f"faults that showed ({overall['not_shown']} more never did), "
        f"{sum(of for _, of in result['look_alikes'].values())} look-alikes. Intervals are 95 %, over seeds.\n"
    )
    text += "\n## Against the goals\n\n" + _goals(content)
    text += "\n## By class\n\n![Recall by class](../images/detection-recall.svg)\n\n" + _classes(result)
    text += "\n## How soon\n\n![Time to detect](../images/detection-times.svg)\n"
    text += "\n## How strong a fault must be\n\n![Recall by strength](../images/detection-strength.svg)\n"
    why: dict[str, dict[str, str]] = defaultdict(dict, causes())
    if content.get("faults"):
        text += "\n## What was missed\n\n" + _missed(content["faults"], why["missed"])
        text += "\n## What was told late\n\n" + _late(content["faults"], why["late"])
    text += "\n## False tickets\n\n" + _worth(result)
    if content.get("needless"):
        text += "\n" + _needless(content["needless"], why["false"])
    text += "\n## Look-alikes\n\n" + _look_alikes(result)
    if content.get("taken_in"):
        text += "\n" + _taken_in(content["taken_in"], why["look_alikes"])
    text += "\n## Right asset\n\n" + _assets(result)
    if content.get("ways"):
        text += "\n## Without rules\n\n![Without rules](../images/detection-forests.svg)\n\n" + _forests(content)
    return text + "\n"


def _share(value: float | None, interval: Sequence[float] | None = None, digits: int = 3) -> str:
    if value is None:
        return "-"
    around = f" ({interval[0]:.{digits}f} to {interval[1]:.{digits}f})" if interval else ""
    return f"{value:.{digits}f}{around}"


def _goals(content: dict[str, Any]) -> str:
    result = content["result"]
    covered, creeping, overall = result["groups"]["rule-covered"], result["groups"]["incipient"], result["overall"]
    ways = content.get("ways") or {}
    way = "isolation forest and tails" if "isolation forest and tails" in ways else "isolation forest"  # before it
    alone = {"recall": _in_readings(ways.get(way))}
    per_day = result["false_tickets_per_connector_day"]
    rows = [
        _goal("precision, faults that a rule names", 0.97, covered, "precision"),
        _goal("recall, faults that a rule names", 0.98, covered, "recall"),
        _goal("recall, faults that creep up", 0.85, creeping, "recall"),
        _goal(f"recall of {way} alone, faults that readings show", 0.60, alone, "recall"),
        _goal("tickets on the right asset", 0.95, overall, "right_asset"),
        (
            "false tickets per connector-day",
            "at most 0.002",
            _share(per_day, result.get("false_tickets_per_connector_day_interval"), 4),
            _yes(per_day <= 0.002),
        ),
    ]
    rate = result.get("look_alike_rate")
    if rate is not None:
        rows.append(("look-alikes with a ticket", "at most 0.01", _share(rate), _yes(rate <= 0.01)))
    beyond = overall.get("beyond_proof_p95_s")
    if beyond is not None:
        rows.append(("hard faults, p95 after the proof", "60 s", span(beyond), _yes(beyond <= 60)))
    return table(("figure", "goal", "measured", "met"), rows)


def _in_readings(way: dict[str, Any] | None) -> float | None:
    """Recall over the faults that change what is measured while a vehicle charges."""
    shown = [figures for name, figures in (way or {}).get("classes", {}).items() if name not in NOT_IN_READINGS]
    faults = sum(figures["faults"] for figures in shown)
    return sum(figures["found"] for figures in shown) / faults if faults else None


def _goal(label: str, goal: float, figures: dict[str, Any], key: str) -> tuple[str, str, str, str]:
    value = figures.get(key)
    return label, f"at least {goal}", _share(value, figures.get(f"{key}_interval")), _yes((value or 0) >= goal)


def _yes(met: bool) -> str:
    return "yes" if met else "**no**"


def _classes(result: dict[str, Any]) -> str:
    def row(name: str, figures: dict[str, Any]) -> tuple[str, ...]:
        return (
            name,
            str(figures["faults"]),
            str(figures["false_tickets"]),
            _share(figures["precision"]),
            _share(figures["recall"], figures.get("recall_interval"), 2),
            _share(figures["f1"]),
            span(figures.get("time_to_detect_p50_s")),
            span(figures.get("time_to_detect_p95_s")),
        )

    rows = [row(f"`{name}`", figures) for name, figures in result["classes"].items()]
    rows += [row(f"*all {name}*", figures) for name, figures in result["groups"].items() if figures["faults"]]
    rows.append(row("**all**", result["overall"]))
    return table(("class", "faults", "false tickets", "precision", "recall", "F1", "p50", "p95"), rows)


def _worth(result: dict[str, Any]) -> str:
    words = {
        "found": "found a fault",
        "again": "the same ticket, reopened while its fault lasts: not counted",
        "trip": "a vehicle's leak opened the station's protection, told while it stood: not counted",
        "duplicate": "a second ticket for a fault that has one",
        "late": "the right one, after its deadline",
        "wrong_asset": "the right fault, laid to another asset",
        "other_name": "something was wrong there, but not this",
        "look_alike": "taken in by a look-alike",
        "nothing_there": "nothing was the matter",
    }
    rows = [(words[name], str(count)) for name, count in result["overall"]["tickets"].items()]
    return (
        "Every ticket, by what it was worth; all but those that found a fault or are not counted are false.\n\n"
        + table(("ticket", "how many"), rows)
    )


_LATE_S = 60.0
"""A hard fault that is told later than this after its proof misses the goal."""


def _missed(faults: list[dict[str, Any]], why: dict[str, str]) -> str:
    """Each fault without a ticket in time."""
    missed = sorted((one for one in faults if not one.get("ticket")), key=lambda one: (one["fault"], one["seed"]))
    few = [one for one in missed if not one["enough"]]
    rows = [
        (
            f"`{one['fault']}`",
            str(one["seed"]),
            f"{one['strength']:.2f}",
            f"{one['sessions']} of {one['vehicles']}",
            why.get(key(one)) or _by_itself(one),
        )
        for one in missed
    ]
    return (
        f"{len(missed)} of {len(faults)}. {len(few)} of these were met by fewer sessions or vehicles than the "
        "catalogue's own condition takes, before a ticket would have been too late.\n\n"
        + table(("fault", "seed", "strength", "sessions of vehicles, in time", "why"), rows)
    )


def _by_itself(one: dict[str, Any]) -> str:
    """What the evaluation says without anybody's help."""
    near = "; ".join(sorted(set(one.get("near", ()))))
    held = ", ".join(one.get("held", "").split(", ")[:3])
    return ". ".join(filter(None, (one["why"], near, held and f"its rule held {held}")))


def _late(faults: list[dict[str, Any]], why: dict[str, str]) -> str:
    slow = sorted(
        (one for one in faults if (one.get("beyond_s") or 0) > _LATE_S), key=lambda one: -one["beyond_s"]
    )
    hard = [one for one in faults if one.get("beyond_s") is not None]
    rows = [
        (
            f"`{one['fault']}` {one.get('detail', '')}".rstrip(),
            str(one["seed"]),
            f"{one['strength']:.2f}",
            span(one["beyond_s"]),
            why.get(key(one), ""),
        )
        for one in slow
    ]
    text = f"Of {len(hard)} hard faults with a ticket, {len(slow)} were told more than a minute after the proof."
    head = ("fault", "seed", "strength", "after the proof", "why")
    return text + "\n\n" + table(head, rows) if rows else text + "\n"


def _needless(tickets: list[dict[str, Any]], why: dict[str, str]) -> str:
    """Each, and what was really the matter."""
    rows = [
        (f"`{one['code']}`", str(one["seed"]), _matter(one), why.get(key(one)) or one["says"])
        for one in sorted(tickets, key=lambda one: (one["code"], one["seed"], one["at"]))
    ]
    return "The false ones:\n\n" + table(("ticket", "seed", "really", "why"), rows)


def _taken_in(tickets: list[dict[str, Any]], why: dict[str, str]) -> str:
    rows = [
        (f"`{one['code']}`", str(one["seed"]), _really(one), why.get(key(one)) or one["says"])
        for one in sorted(tickets, key=lambda one: (one["code"], one["seed"], one["at"]))
    ]
    return "Every ticket in the fleets where nothing is at fault:\n\n" + table(
        ("ticket", "seed", "really", "why"), rows
    )


def _really(one: dict[str, Any]) -> str:
    return f"`{one['really']}`" if one.get("really") else "nothing"


def _matter(one: dict[str, Any]) -> str:
    really = _really(one)
    return {
        "nothing_there": "nothing" if "over_s" not in one else f"nothing; {really} was there in the week before",
        "duplicate": f"{really}, which had its ticket",
        "wrong_asset": f"{really}, of another asset",
        "late": f"{really}, too late",
    }.get(one["outcome"], really)


def _look_alikes(result: dict[str, Any]) -> str:
    likes = result["look_alikes"]
    if not likes:
        return "None were laid upon these fleets.\n"
    rows = [(f"`{name}`", str(of), str(wrong)) for name, (wrong, of) in likes.items()]
    return table(("what resembles a fault", "how many", "with a ticket"), rows)


def _assets(result: dict[str, Any]) -> str:
    right = _share(result["overall"]["right_asset"])
    text = f"Of the faults that a ticket names, {right} are laid to the right asset."
    confused = result["overall"].get("confusion") or {}
    if not confused:
        return text + "\n"
    rows = [(pair.split(" -> ")[0], pair.split(" -> ")[1], str(count)) for pair, count in sorted(confused.items())]
    return text + "\n\n" + table(("truly", "ticket says", "how many"), rows)


def _forests(content: dict[str, Any]) -> str:
    ways = content["ways"]
    rows = [
        (
            name,
            _share(_in_readings(way), digits=2),
            _share(way["overall"]["recall"], way["overall"].get("recall_interval"), 2),
            _share(way["overall"]["precision"], digits=2),
            f"{way['false_tickets_per_connector_day']:.4f}",
        )
        for name, way in {"rules alone": content["rules_alone"], **ways}.items()
    ]
    text = table(
        (
            "way",
            "recall, faults that readings show",
            "recall, all",
            "precision",
            "false tickets per connector-day",
        ),
        rows,
    )
    text += "\n" + _reach(content.get("faults", ())) + _blind(content.get("faults", ()))
    names = sorted({name for way in ways.values() for name, f in way["classes"].items() if f["faults"]})
    each = [
        (f"`{name}`", *(_share(way["classes"].get(name, {}).get("recall"), digits=2) for way in ways.values()))
        for name in names
    ]
    return text + "\nRecall by class:\n\n" + table(("class", *ways), each)


def _reach(faults: Iterable[dict[str, Any]]) -> str:
    """How many the forests could have found: they want three sessions of two vehicles."""
    shown = [one for one in faults if one["fault"] not in NOT_IN_READINGS]
    met = [one for one in shown if one["sessions"] >= 3 and one["vehicles"] >= 2]
    if not met:
        return ""
    found = sum(FORESTS in one.get("alone", ()) for one in met)
    return (
        f"Of the {len(shown)} faults that readings show, {len(met)} were met by three sessions of two vehicles "
        "while a ticket was in time; the forests open none for fewer. "
        f"The {FORESTS} found {found} of those.\n"
    )


def _blind(faults: Iterable[dict[str, Any]]) -> str:
    """Why the forests found nothing of what readings show."""
    classes: dict[str, Counter[str]] = defaultdict(Counter)
    for one in faults:
        if one.get("blind") and one["fault"] not in NOT_IN_READINGS:
            classes[one["blind"]][one["fault"]] += 1
    if not classes:
        return ""
    rows = [
        (why, str(of.total()), ", ".join(f"`{name}` {count}" for name, count in of.most_common()))
        for why, of in sorted(classes.items(), key=lambda item: -item[1].total())
    ]
    return f"\nWhy the {FORESTS} did not find the others:\n\n" + table(("why", "how many", "of these"), rows)


def names_part() -> str:
    """Which tickets count as naming which fault, and until when."""
    rows = (
        (f"`{name}`", span(g.within.total_seconds()), ", ".join(f"`{code}`" for code in sorted(g.also)) or "")
        for name, g in GRADINGS.items()
    )
    return (
        "\n" + table(("fault", "in time until, after it showed", "a ticket of this code counts, too"), rows) + "\n"
    )
